"""The check strings of the Identity API's default policy: Keystone's own names and personas.

The personas: *admin* of any scope, *reader of the system*, *manager or reader of a domain* for what the domain owns,
and the *owner*, the user in question. Resources combine these; `policy.yaml` overrides any rule by its name.
"""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.resource import Allow

ADMIN = "rule:admin_required"
SYSTEM_READER = "(role:reader and system_scope:all)"
ADMIN_OR_SYSTEM_READER = f"{ADMIN} or {SYSTEM_READER}"
SYSTEM_ADMIN = "(role:admin and system_scope:all)"
OWNER = "rule:owner"
SERVICE_OR_ADMIN = "rule:service_or_admin"
ANYONE = ""

CLOUD_SCOPES = ("system", "project")
EVERY_SCOPE = ("system", "domain", "project")

# Grants name an actor (user or group), a target (project or domain) and a role; a domain's people only act inside it.
_ACTORS = ("target.user.domain_id", "target.group.domain_id")
_TARGETS = ("target.project.domain_id", "target.domain.id")
_ROLE_IN_REACH = "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)"


def domain_reader(member: str) -> str:
    """A reader of the domain that the policy target names by `member`."""
    return f"(role:reader and domain_id:%({member})s)"


def domain_manager(member: str) -> str:
    """A manager of the domain that the policy target names by `member`."""
    return f"(role:manager and domain_id:%({member})s)"


def either(*checks: str) -> str:
    """Passes when any of the checks passes."""
    return " or ".join(checks)


def _domain_grant(role: str) -> str:
    pairs = (f"(role:{role} and domain_id:%({a})s and domain_id:%({t})s)" for a in _ACTORS for t in _TARGETS)
    return "(" + " or ".join(pairs) + ")"


GRANT_READ = f"({ADMIN_OR_SYSTEM_READER}) or ({_domain_grant('reader')} and {_ROLE_IN_REACH})"
GRANT_LIST = f"({ADMIN_OR_SYSTEM_READER}) or {_domain_grant('reader')}"
GRANT_WRITE = either(
    ADMIN,
    f"({_domain_grant('admin')} and {_ROLE_IN_REACH})",
    f"({_domain_grant('manager')} and rule:domain_managed_target_role)",
)

#: Rules that other rules are made of.
SHARED = [
    Allow("admin_required", "role:admin or is_admin:1"),
    Allow("service_role", "role:service"),
    Allow("service_or_admin", "rule:admin_required or rule:service_role"),
    Allow("owner", "user_id:%(user_id)s"),
    Allow("token_subject", "user_id:%(target.token.user_id)s"),
    # Those below are for operators' files, which are written in Keystone's words.
    Allow("admin_or_owner", "rule:admin_required or rule:owner"),
    Allow("admin_or_token_subject", "rule:admin_required or rule:token_subject"),
    Allow("service_admin_or_token_subject", "rule:service_or_admin or rule:token_subject"),
    # A domain's manager may hand out what is theirs or less, never admin.
    Allow(
        "domain_managed_target_role",
        "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
    ),
]


def allow(action: str, check: str, scopes: tuple[str, ...] | None = None) -> Allow:
    """The rule `identity:<action>`.

    It takes tokens of the system and of projects. Those of domains are let in where the check names one, or where
    everybody is: elsewhere the administrator of a domain would be one of the cloud. `scopes` says otherwise.
    """
    if scopes is None:
        scopes = EVERY_SCOPE if not check or "domain" in check else CLOUD_SCOPES
    return Allow(f"identity:{action}", check, scopes)


def members(named: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a policy target that have a value.

    One without must be absent: check strings compare text, and a caller without a domain would match a target without.
    """
    return {name: value for name, value in named.items() if value is not None}
