"""Giving roles and taking them back: one path per kind of target, kind of actor, and inherited or not."""

from dataclasses import dataclass
from typing import Any, Literal

from stackyard.kernel.errors import Forbidden, NotFound
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render, rows
from stackyard.rooms.identity.errors import denied
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.application_credential import store as application_credentials
from stackyard.rooms.identity.resources.assignment import store
from stackyard.rooms.identity.resources.assignment.store import Target
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.group import resource as groups
from stackyard.rooms.identity.resources.project import resource as projects
from stackyard.rooms.identity.resources.role import resource as roles
from stackyard.rooms.identity.resources.role import rules as role_rules
from stackyard.rooms.identity.resources.user import resource as users


@dataclass(frozen=True)
class Kind:
    """One kind of grant: what it is on, who gets it, whether it holds in the projects below instead."""

    target: Literal["project", "domain", "system"]
    actor: Literal["user", "group"]
    inherited: bool = False

    @property
    def path(self) -> str:
        """Where grants of this kind are listed."""
        where = "system" if self.target == "system" else f"{self.target}s/{{target_id}}"
        tail = "/inherited_to_projects" if self.inherited else ""
        return f"/v3/{'OS-INHERIT/' if self.inherited else ''}{where}/{self.actor}s/{{actor_id}}/roles{tail}"

    @property
    def role_path(self) -> str:
        """Where one grant of this kind is made, checked and revoked."""
        return self.path.replace("/roles", "/roles/{role_id}")

    def rule(self, verb: str) -> str:
        """The policy rule for list, check, create or revoke."""
        many = "s" if verb == "list" else ""
        return f"{verb}_system_grant{many}_for_{self.actor}" if self.target == "system" else f"{verb}_grant{many}"


KINDS = [
    Kind(target, actor, inherited)
    for target in ("project", "domain", "system")
    for actor in ("user", "group")
    for inherited in (False, True)
    if not (target == "system" and inherited)
]


@dataclass(frozen=True)
class _Named:
    """What a path names, as far as it exists."""

    actor: Record | None
    target: Record | None
    role: Record | None


@dataclass(frozen=True)
class Grants:
    """The handlers of one kind of grant."""

    kind: Kind

    def list(self, work: Work, request: Request) -> dict[str, Any]:
        """The roles granted directly."""
        actor_id, target, _ = self._judge(work, request, "list")
        found = [
            rows.existing(work, roles.ROLE, each) for each in store.granted(work.tx, self.kind.actor, actor_id, target)
        ]
        return render.collection(work, roles.ROLE, found, request.path.partition("/v3/")[2])

    def check(self, work: Work, request: Request) -> Reply:
        """Whether the role is granted. Raises NotFound."""
        actor_id, target, role = self._judge(work, request, "check")
        if not store.held(work.tx, role.id, self.kind.actor, actor_id, target):
            raise self._missing(role, actor_id, target)
        return Reply(status=204)

    def create(self, work: Work, request: Request) -> Reply:
        """Grant; granting twice changes nothing."""
        actor_id, target, role = self._judge(work, request, "create")
        self._check_domain(work, role, target)
        store.add(work.tx, role.id, self.kind.actor, actor_id, target)
        work.event(actor_id, "granted", f"role {role.name} on {target.type} {target.id} was granted")
        return Reply(status=204)

    def revoke(self, work: Work, request: Request) -> Reply:
        """Take the role back, at once in every token. Raises NotFound when it was not granted."""
        actor_id, target, role = self._judge(work, request, "revoke")
        if not store.remove(work.tx, role.id, self.kind.actor, actor_id, target):
            raise self._missing(role, actor_id, target)
        if self.kind.target == "project" and not self.kind.inherited:
            application_credentials.remove_where_revoked(work.tx, self.kind.actor, actor_id, target.id)
        work.event(actor_id, "revoked", f"role {role.name} on {target.type} {target.id} was revoked")
        return Reply(status=204)

    def _judge(self, work: Work, request: Request, verb: str) -> tuple[str, Target, Record]:
        """Ask policy with what the path names, then insist that all of it exists."""
        named = self._find(work, request)
        if not work.allows(f"identity:{self.kind.rule(verb)}", self._policy_target(work, named)):
            raise denied(self.kind.rule(verb))
        actor = rows.existing(
            work, users.USER if self.kind.actor == "user" else groups.GROUP, request.params["actor_id"]
        )
        role = rows.existing(work, roles.ROLE, request.params["role_id"]) if "role_id" in request.params else Record()
        if self.kind.target == "system":
            return actor.id, store.system(), role
        target = rows.existing(work, self._targets(), request.params["target_id"], **self._which())
        return actor.id, Target(self.kind.target, target.id, self.kind.inherited), role

    def _targets(self) -> Any:
        return domains.DOMAIN if self.kind.target == "domain" else projects.PROJECT

    def _which(self) -> dict[str, Any]:
        return {"is_domain": True} if self.kind.target == "domain" else {}

    def _find(self, work: Work, request: Request) -> _Named:
        actors = users.USER if self.kind.actor == "user" else groups.GROUP
        params = request.params
        return _Named(
            actor=work.tx.get(actors.table, id=params["actor_id"]),
            target=work.tx.get(self._targets().table, id=params["target_id"], **self._which())
            if "target_id" in params
            else None,
            role=work.tx.get(roles.ROLE.table, id=params["role_id"]) if "role_id" in params else None,
        )

    def _policy_target(self, work: Work, named: _Named) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if named.actor:
            told[f"target.{self.kind.actor}.domain_id"] = named.actor.domain_id
        if named.target:
            told["target.project.domain_id" if self.kind.target == "project" else "target.domain.id"] = (
                named.target.domain_id if self.kind.target == "project" else named.target.id
            )
        told = members(told)
        return {**told, **role_rules.target(work, named.role)} if named.role else told

    def _check_domain(self, work: Work, role: Record, target: Target) -> None:
        """A role of a domain can be granted on projects of that domain only; on domains, anywhere, as in Keystone."""
        if role.domain_id is None or target.type != "project":
            return
        project = work.tx.get(projects.PROJECT.table, id=target.id)
        if project is None or project.domain_id != role.domain_id:
            raise Forbidden(f"Role {role.id} belongs to domain {role.domain_id} and can only be granted in it.")

    def _missing(self, role: Record, actor_id: str, target: Target) -> NotFound:
        return NotFound(
            f"Could not find role assignment with role: {role.id}, {self.kind.actor}: {actor_id}, "
            f"{target.type}: {target.id}."
        )
