"""Assignments as lists show them: as granted, or as they come out for every user and project."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.resources.assignment import store
from stackyard.rooms.identity.resources.assignment.store import Target
from stackyard.rooms.identity.resources.group import resource as groups
from stackyard.rooms.identity.resources.group import store as memberships
from stackyard.rooms.identity.resources.project import resource as projects
from stackyard.rooms.identity.resources.project import store as project_store
from stackyard.rooms.identity.resources.role import resource as roles
from stackyard.rooms.identity.resources.role import store as role_store
from stackyard.rooms.identity.resources.user import resource as users


@dataclass(frozen=True)
class Held:
    """A role held by a user or a group somewhere, and the grant it comes from."""

    role_id: str
    user_id: str | None
    group_id: str | None
    target: Target
    granted: Record

    @property
    def key(self) -> tuple[str | None, ...]:
        """What makes two of them the same."""
        return self.role_id, self.user_id, self.group_id, self.target.type, self.target.id


def as_granted(tx: Transaction) -> list[Held]:
    """Every grant as it was made."""
    return [
        Held(
            row.role_id,
            row.actor_id if row.actor_type == "user" else None,
            row.actor_id if row.actor_type == "group" else None,
            Target(row.target_type, row.target_id, row.inherited),
            row,
        )
        for row in tx.find(store.ASSIGNMENT)
    ]


def all_of(tx: Transaction) -> list[Held]:
    """Every role that comes out: groups are their users, inheriting targets the projects below, roles all implied."""
    inferred = role_store.inferences(tx)
    own = {role.id for role in role_store.all_roles(tx) if role.domain_id is not None}
    found: dict[tuple[str | None, ...], Held] = {}
    # What was granted directly comes first, so that it, not an implication, is what the link names.
    for row in sorted(tx.find(store.ASSIGNMENT), key=lambda each: (each.actor_type == "group", each.inherited)):
        reached = role_store.closure(inferred, row.role_id)
        for role_id in sorted(reached - own, key=lambda each: each != row.role_id):
            for held in _spread(tx, row, role_id):
                found.setdefault(held.key, held)
    return list(found.values())


def _spread(tx: Transaction, row: Record, role_id: str) -> Iterator[Held]:
    for user_id in _users(tx, row):
        for target in _targets(tx, row):
            yield Held(role_id, user_id, None, target, row)


def _users(tx: Transaction, row: Record) -> Iterable[str]:
    if row.actor_type == "user":
        return [row.actor_id]
    return [each.user_id for each in tx.find(memberships.MEMBERSHIP, group_id=row.actor_id)]


def _targets(tx: Transaction, row: Record) -> list[Target]:
    if not row.inherited:
        return [Target(row.target_type, row.target_id)]
    return [Target("project", each.id) for each in project_store.descendants(tx, row.target_id)]


class Names:
    """Names of what assignments speak of, each looked up once."""

    def __init__(self, tx: Transaction) -> None:
        self._get = cache(lambda kind, row_id: tx.get(_TABLES[kind](), id=row_id))

    def role(self, role_id: str) -> dict[str, Any]:
        """The role's name, and its domain if it has one."""
        row = self._get("role", role_id)
        if row is None:
            return {}
        return {"name": row.name, **({"domain": self._domain(row.domain_id)} if row.domain_id else {})}

    def actor(self, kind: str, actor_id: str) -> dict[str, Any]:
        """The user's or group's name and domain."""
        row = self._get(kind, actor_id)
        return {"name": row.name, "domain": self._domain(row.domain_id)} if row else {}

    def target(self, kind: str, target_id: str) -> dict[str, Any]:
        """The project's name and domain, or the domain's name."""
        row = self._get("project", target_id)
        if row is None:
            return {}
        return (
            {"name": row.name}
            if kind == "domain"
            else {"name": row.name, "domain": self._domain(row.domain_id or row.id)}
        )

    def domain_of(self, target_id: str) -> str | None:
        """The domain that a project is in or that a domain is."""
        row = self._get("project", target_id)
        return (row.domain_id or row.id) if row else None

    def _domain(self, domain_id: str) -> dict[str, Any]:
        row = self._get("project", domain_id)
        return {"id": domain_id, "name": row.name if row else ""}


_TABLES: dict[str, Any] = {
    "role": lambda: roles.ROLE.table,
    "user": lambda: users.USER.table,
    "group": lambda: groups.GROUP.table,
    "project": lambda: projects.PROJECT.table,
}
