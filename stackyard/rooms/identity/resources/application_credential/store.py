"""What application credentials refer to, and what ends them."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.resources import access_rule
from stackyard.rooms.identity.resources.application_credential import resource
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.group import store as groups


def by_id(tx: Transaction, credential_id: str) -> Record | None:
    """The application credential with that id."""
    return tx.get(resource.APPLICATION_CREDENTIAL.table, id=credential_id)


def by_name(tx: Transaction, user_id: str, name: str) -> Record | None:
    """The application credential to which a user has given that name."""
    return tx.get(resource.APPLICATION_CREDENTIAL.table, user_id=user_id, name=name)


def of_ids(tx: Transaction, kind: Resource, ids: Collection[str]) -> list[Record]:
    """The objects with these ids."""
    return tx.all(sa.select(kind.table).where(kind.table.c.id.in_(ids))) if ids else []


def uses_rule(tx: Transaction, user_id: str, rule_id: str) -> bool:
    """Whether an application credential of the user has the access rule."""
    return any(rule_id in each.access_rules for each in tx.find(resource.APPLICATION_CREDENTIAL.table, user_id=user_id))


def remove_where_revoked(tx: Transaction, actor_type: str, actor_id: str, project_id: str) -> None:
    """Delete those of a user, or of a group's users, for a project on which a role was taken from them, as Keystone
    does: what somebody may no longer do, no program of theirs may."""
    table = resource.APPLICATION_CREDENTIAL.table
    members = sa.select(groups.MEMBERSHIP.c.user_id).where(groups.MEMBERSHIP.c.group_id == actor_id)
    whose = table.c.user_id == actor_id if actor_type == "user" else table.c.user_id.in_(members)
    tx.execute(sa.delete(table).where(table.c.project_id == project_id, whose))


def remove_with_role(tx: Transaction, role_id: str) -> None:
    """Delete those of users for projects on which this role, which goes, is granted to them, as Keystone does."""
    table, granted = resource.APPLICATION_CREDENTIAL.table, assignments.ASSIGNMENT.c
    theirs = (granted.actor_type == "user", granted.actor_id == table.c.user_id)
    there = (granted.target_type == "project", granted.target_id == table.c.project_id)
    held = sa.select(granted.role_id).where(granted.role_id == role_id, *theirs, *there)
    tx.execute(sa.delete(table).where(held.exists()))


def remove_of_users(tx: Transaction, user_ids: Any) -> None:
    """Delete what users have, with their access rules. `user_ids`: a list or a select."""
    for table in (resource.APPLICATION_CREDENTIAL.table, access_rule.ACCESS_RULE.table):
        tx.execute(sa.delete(table).where(table.c.user_id.in_(user_ids)))


def remove_of_projects(tx: Transaction, project_ids: Any) -> None:
    """Delete what is for projects. `project_ids`: a list or a select."""
    table = resource.APPLICATION_CREDENTIAL.table
    tx.execute(sa.delete(table).where(table.c.project_id.in_(project_ids)))
