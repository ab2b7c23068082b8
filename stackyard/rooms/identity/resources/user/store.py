"""What users can reach, and finding them by name."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.group import resource as groups
from stackyard.rooms.identity.resources.group import store as memberships
from stackyard.rooms.identity.resources.project import resource as projects
from stackyard.rooms.identity.resources.user import resource


def by_id(tx: Transaction, user_id: str) -> Record | None:
    """The user with that id."""
    return tx.get(resource.USER.table, id=user_id)


def by_name(tx: Transaction, name: str, domain_id: str) -> Record | None:
    """The user of that name in a domain."""
    return tx.get(resource.USER.table, name=name, domain_id=domain_id)


def domain(tx: Transaction, *, domain_id: str | None = None, name: str | None = None) -> Record | None:
    """A domain by id, or else by name."""
    wanted = {"id": domain_id} if domain_id else {"name": name}
    return tx.get(domains.DOMAIN.table, is_domain=True, **wanted)


def groups_of(tx: Transaction, user_id: str) -> list[Record]:
    """The groups a user is in, by name."""
    group, membership = groups.GROUP.table, memberships.MEMBERSHIP
    joined = sa.select(group).join(membership, membership.c.group_id == group.c.id)
    return tx.all(joined.where(membership.c.user_id == user_id).order_by(group.c.name))


def projects_of(tx: Transaction, user_id: str, also: Sequence[str] = ()) -> list[Record]:
    """The projects a user has a role on: assigned, through groups, or inherited; by name. `also`: groups that only
    their token names."""
    held = assignments.of_user(tx, user_id, also)
    direct = {row.target_id for row in held if row.target_type == "project" and not row.inherited}
    above = [row.target_id for row in held if row.inherited]
    project = projects.PROJECT.table
    reached = (
        sa.select(project.c.id)
        .where(project.c.parent_id.in_(above) | project.c.domain_id.in_(above))
        .cte(recursive=True)
    )
    reached = reached.union(sa.select(project.c.id).join(reached, project.c.parent_id == reached.c.id))
    chosen = project.c.id.in_(direct) | project.c.id.in_(sa.select(reached.c.id))
    return tx.all(sa.select(project).where(chosen, project.c.is_domain.is_(False)).order_by(project.c.name))


def domains_of(tx: Transaction, user_id: str, also: Sequence[str] = ()) -> list[Record]:
    """The domains a user has a role on, by name. `also`: as above."""
    held = assignments.of_user(tx, user_id, also)
    direct = {row.target_id for row in held if row.target_type == "domain" and not row.inherited}
    table = domains.DOMAIN.table
    return tx.all(sa.select(table).where(table.c.id.in_(direct), table.c.is_domain.is_(True)).order_by(table.c.name))


def renew_password(
    tx: Transaction, user: Record, password_hash: str, now: datetime, expires_at: datetime | None
) -> bool:
    """Store the hash of a new password of the user's own choice, unless the old one has changed meanwhile; ends every
    token of the user."""
    values = {
        "password_hash": password_hash,
        "password_from": "user",
        "password_set_at": now,
        "password_expires_at": expires_at,
        "generation": user.generation + 1,
    }
    return _change_password(tx, user, values)


def rehash_password(tx: Transaction, user: Record, password_hash: str) -> bool:
    """Store another hash of the same password, unless it has changed meanwhile."""
    return _change_password(tx, user, {"password_hash": password_hash})


def _change_password(tx: Transaction, user: Record, values: dict[str, Any]) -> bool:
    table = resource.USER.table
    unchanged = (table.c.id == user.id, table.c.password_hash == user.password_hash)
    return tx.execute(sa.update(table).where(*unchanged).values(values)).rowcount == 1


def in_group(tx: Transaction, group_id: str) -> list[Record]:
    """The users in a group, by name."""
    user, membership = resource.USER.table, memberships.MEMBERSHIP
    joined = sa.select(user).join(membership, membership.c.user_id == user.c.id)
    return tx.all(joined.where(membership.c.group_id == group_id).order_by(user.c.name))
