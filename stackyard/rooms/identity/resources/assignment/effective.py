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


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which assignments are asked for; None is any. `places`: the ids of targets of that `kind`."""

    role_id: str | None = None
    user_id: str | None = None
    group_id: str | None = None
    kind: str | None = None
    places: frozenset[str] | None = None
    inherited: bool | None = None


def as_granted(tx: Transaction, wanted: Wanted) -> list[Held]:
    """The grants as they were made."""
    actor_type = "user" if wanted.user_id else "group" if wanted.group_id else None
    rows = store.matching(
        tx,
        role_id=_only(wanted.role_id),
        actor_type=_only(actor_type),
        actor_id=_only(wanted.user_id or wanted.group_id),
        target_type=_only(wanted.kind),
        target_id=wanted.places,
        inherited=_only(wanted.inherited),
    )
    return [
        Held(
            row.role_id,
            row.actor_id if row.actor_type == "user" else None,
            row.actor_id if row.actor_type == "group" else None,
            Target(row.target_type, row.target_id, row.inherited),
            row,
        )
        for row in rows
    ]


def _only(value: Any) -> tuple[Any, ...] | None:
    return None if value is None else (value,)


def all_of(tx: Transaction, wanted: Wanted) -> list[Held]:
    """The roles that come out: groups are their users, inheriting targets the projects below, roles all they imply.
    Those on the system are among them only when they are asked for."""
    inferred = role_store.inferences(tx)
    own = {role.id for role in role_store.all_roles(tx) if role.domain_id is not None}
    found: dict[tuple[str | None, ...], Held] = {}
    spread = _Spread(tx, wanted)
    # What was granted directly comes first, so that it, not an implication, is what the link names.
    for row in sorted(spread.sources(), key=lambda each: (each.actor_type == "group", each.inherited)):
        reached = role_store.closure(inferred, row.role_id) - own
        for role_id in sorted(reached, key=lambda each: each != row.role_id):
            if wanted.role_id in (None, role_id):
                for held in spread.of(row, role_id):
                    found.setdefault(held.key, held)
    return list(found.values())


class _Spread:
    """Grants spread over the users and projects that they reach, as far as these are asked for."""

    def __init__(self, tx: Transaction, wanted: Wanted) -> None:
        self._tx = tx
        self._wanted = wanted
        self._below = cache(lambda target_id: [each.id for each in project_store.descendants(tx, target_id)])
        self._members = cache(lambda group: [each.user_id for each in tx.find(memberships.MEMBERSHIP, group_id=group)])

    def sources(self) -> list[Record]:
        """The grants from which something that is asked for may come."""
        wanted, actors = self._wanted, None
        if wanted.user_id is not None:
            groups = self._tx.find(memberships.MEMBERSHIP, user_id=wanted.user_id)
            actors = [wanted.user_id, *(each.group_id for each in groups)]
        kinds = (wanted.kind,) if wanted.kind in ("system", "domain") else ("project", "domain")
        return store.matching(
            self._tx,
            actor_id=actors,
            target_type=kinds,
            target_id=self._origins(),
            inherited=(False,) if wanted.kind in ("system", "domain") else _only(wanted.inherited),
        )

    def _origins(self) -> list[str] | None:
        """The places asked for and those above them."""
        places = self._wanted.places
        if places is None or self._wanted.kind != "project":
            return None if places is None else list(places)
        above = {each.id for place in places for each in project_store.ancestors(self._tx, place)}
        return [*places, *(above - places)]

    def of(self, row: Record, role_id: str) -> Iterator[Held]:
        """What a grant comes to, for a role that it gives."""
        for user_id in self._users(row):
            for target in self._targets(row):
                yield Held(role_id, user_id, None, target, row)

    def _users(self, row: Record) -> Iterable[str]:
        if self._wanted.user_id is not None:
            return [self._wanted.user_id]
        return [row.actor_id] if row.actor_type == "user" else self._members(row.actor_id)

    def _targets(self, row: Record) -> list[Target]:
        places = self._wanted.places
        if not row.inherited:
            reached = [Target(row.target_type, row.target_id)]
        else:
            reached = [Target("project", each, True) for each in self._below(row.target_id)]
        return [each for each in reached if places is None or each.id in places]


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
