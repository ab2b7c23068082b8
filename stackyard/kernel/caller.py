"""Who asks: the identity a token stands for, as the rest of the kernel and every room sees it."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any


@dataclass(frozen=True, kw_only=True)
class AccessRule:
    """Requests that a token may be used for: a service by its type in the catalog, a method, a pattern of paths (see
    request/access.py)."""

    service: str
    method: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The user, scope and roles behind a request. Exactly one of project, domain, system is set, or none (unscoped).
    `access_rules`: the only requests the token may be used for; None: whatever its roles allow. `certificate`: the
    thumbprint of the only one with which the token is good; empty: it is bound to none."""

    user_id: str | None = None
    user_name: str | None = None
    user_domain_id: str | None = None
    user_domain_name: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    project_domain_name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None
    system: bool = False
    roles: tuple[str, ...] = ()
    expires_at: datetime | None = None
    token: dict[str, Any] = field(default_factory=dict)
    access_rules: tuple[AccessRule, ...] | None = None
    certificate: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether the caller holds the admin role in the scope of the token."""
        return "admin" in self.roles

    @property
    def scope(self) -> str:
        """What the token is for, as policy's scope types name it. An unscoped one counts as a project's, as it does for
        oslo.policy."""
        return "system" if self.system else "domain" if self.domain_id else "project"

    def credentials(self) -> dict[str, Any]:
        """What policy checks may name, in oslo.context's words. For reading: every check is handed the same."""
        return self._credentials

    @cached_property
    def _credentials(self) -> dict[str, Any]:
        return {
            "user_id": self.user_id,
            "user_domain_id": self.user_domain_id,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "project_domain_id": self.project_domain_id,
            "domain_id": self.domain_id,
            "system_scope": "all" if self.system else None,
            "roles": list(self.roles),
            "is_admin": False,
            "token": self.token,
        }


ANONYMOUS = Caller()


def service_caller(name: str, *, project_id: str | None = None, user_id: str | None = None) -> Caller:
    """The identity under which Stackyard itself does long work, bound to who asked for it."""
    return Caller(
        user_id=user_id,
        user_name=f"stackyard-{name}",
        project_id=project_id,
        roles=("admin", "manager", "member", "reader", "service"),
    )
