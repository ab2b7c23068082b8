"""Role assignments: (role, user or group, project or domain or system), and the effective roles that follow from them.

Effective means: what is assigned to the user or to their groups, on the target itself or inherited from the projects
above it and its domain, with every role those imply. Roles that belong to a domain only serve to imply others.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Index, Record, Transaction, table
from stackyard.rooms.identity.resources.group.store import MEMBERSHIP
from stackyard.rooms.identity.resources.project import store as projects
from stackyard.rooms.identity.resources.role import store as roles

ASSIGNMENT = table(
    "identity_assignment",
    Column("role_id", sa.String(64), primary_key=True),
    Column("actor_type", sa.String(8), primary_key=True),
    Column("actor_id", sa.String(64), primary_key=True),
    Column("target_type", sa.String(8), primary_key=True),
    Column("target_id", sa.String(64), primary_key=True),
    Column("inherited", sa.Boolean, primary_key=True),
    Index("identity_assignment_actor", "actor_id", "target_id"),
    Index("identity_assignment_target", "target_id"),
)

#: The target id of assignments on the system as a whole.
SYSTEM = "system"


@dataclass(frozen=True)
class Target:
    """Where a role is held. `inherited`: not there, but in every project below."""

    type: str
    id: str
    inherited: bool = False


def system() -> Target:
    """The cloud as a whole."""
    return Target("system", SYSTEM)


def add(tx: Transaction, role_id: str, actor_type: str, actor_id: str, target: Target) -> None:
    """Grant; granting twice changes nothing."""
    if not held(tx, role_id, actor_type, actor_id, target):
        tx.insert(
            ASSIGNMENT,
            {
                "role_id": role_id,
                "actor_type": actor_type,
                "actor_id": actor_id,
                "target_type": target.type,
                "target_id": target.id,
                "inherited": target.inherited,
            },
        )


def held(tx: Transaction, role_id: str, actor_type: str, actor_id: str, target: Target) -> bool:
    """Whether exactly this grant exists."""
    return bool(granted(tx, actor_type, actor_id, target, role_id))


def granted(tx: Transaction, actor_type: str, actor_id: str, target: Target, role_id: str | None = None) -> list[str]:
    """The ids of the roles granted directly."""
    equals = {
        "actor_type": actor_type,
        "actor_id": actor_id,
        "target_type": target.type,
        "target_id": target.id,
        "inherited": target.inherited,
        **({"role_id": role_id} if role_id else {}),
    }
    return sorted(row.role_id for row in tx.find(ASSIGNMENT, **equals))


def remove(tx: Transaction, role_id: str, actor_type: str, actor_id: str, target: Target) -> bool:
    """Revoke; false when there was no such grant."""
    return bool(
        tx.delete(
            ASSIGNMENT,
            role_id=role_id,
            actor_type=actor_type,
            actor_id=actor_id,
            target_type=target.type,
            target_id=target.id,
            inherited=target.inherited,
        )
    )


def remove_actor(tx: Transaction, actor_id: str) -> None:
    """Revoke everything granted to a user or group."""
    tx.delete(ASSIGNMENT, actor_id=actor_id)


def remove_target(tx: Transaction, target_id: str) -> None:
    """Revoke everything granted on a project or domain."""
    tx.delete(ASSIGNMENT, target_id=target_id)


def remove_role(tx: Transaction, role_id: str) -> None:
    """Revoke a role everywhere."""
    tx.delete(ASSIGNMENT, role_id=role_id)


def matching(tx: Transaction, **among: Collection[Any] | None) -> list[Record]:
    """The assignments whose columns have one of these values; None is any."""
    chosen = (ASSIGNMENT.c[name].in_(values) for name, values in among.items() if values is not None)
    return tx.all(sa.select(ASSIGNMENT).where(*chosen))


def of_user(tx: Transaction, user_id: str, also: Sequence[str] = ()) -> list[Record]:
    """Every assignment of a user, their own and their groups'. `also`: groups that only their token names."""
    groups = sa.select(MEMBERSHIP.c.group_id).where(MEMBERSHIP.c.user_id == user_id)
    actors = ASSIGNMENT.c.actor_id.in_([user_id, *also]) | ASSIGNMENT.c.actor_id.in_(groups)
    return tx.all(sa.select(ASSIGNMENT).where(actors))


def projects_of_actor(tx: Transaction, actor_id: str) -> set[str]:
    """The projects on which roles are granted to a user or group directly."""
    return {row.target_id for row in tx.find(ASSIGNMENT, actor_id=actor_id, target_type="project", inherited=False)}


def effective_roles(tx: Transaction, user_id: str, target: Target, also: Sequence[str] = ()) -> list[Record]:
    """The roles (id, name) that a user has on a project, a domain or the system, by name. `also`: see of_user."""
    return roles.expand(tx, {row.role_id for row in _held_on(tx, [user_id, *also], _sources(tx, target))})


def effective_role_ids(tx: Transaction, user_id: str, target: Target) -> set[str]:
    """The ids of the roles that a user has there, also of those that belong to domains."""
    inferred = roles.inferences(tx)
    held = (row.role_id for row in _held_on(tx, [user_id], _sources(tx, target)))
    return set().union(*(roles.closure(inferred, each) for each in held))


def _sources(tx: Transaction, target: Target) -> list[Target]:
    """The assignments' targets from which roles on `target` come."""
    if target.type != "project":
        return [target]
    above = projects.ancestors(tx, target.id)
    return [target, *(Target("domain" if each.is_domain else "project", each.id, True) for each in above)]


_USER = sa.bindparam("user_id", type_=sa.String)
_ACTORS: sa.BindParameter[str] = sa.bindparam("actor_ids", expanding=True)
_THROUGH = sa.select(MEMBERSHIP.c.group_id).where(MEMBERSHIP.c.user_id == _USER)
_HELD_BY_ON = sa.select(ASSIGNMENT).where(
    ASSIGNMENT.c.target_id.in_(sa.bindparam("target_ids", expanding=True)),
    ASSIGNMENT.c.actor_id.in_(_ACTORS) | ASSIGNMENT.c.actor_id.in_(_THROUGH),
)


def _held_on(tx: Transaction, actor_ids: Sequence[str], sources: Sequence[Target]) -> Iterable[Record]:
    """What is granted there to a user, whose id comes first, to groups they are in, and to further groups."""
    wanted = {(each.type, each.id, each.inherited) for each in sources}
    ids = [each.id for each in sources]
    held = tx.all(_HELD_BY_ON.params(user_id=actor_ids[0], actor_ids=actor_ids, target_ids=ids))
    return [row for row in held if (row.target_type, row.target_id, row.inherited) in wanted]
