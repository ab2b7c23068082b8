"""Which endpoints and endpoint groups are associated with which projects."""

from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Record, Transaction, table
from stackyard.rooms.identity.resources import endpoint as endpoints
from stackyard.rooms.identity.resources.endpoint_filter import resource
from stackyard.rooms.identity.resources.project import resource as projects

PROJECT_ENDPOINT = table(
    "identity_project_endpoint",
    Column("project_id", sa.String(64), primary_key=True),
    Column("endpoint_id", sa.String(64), primary_key=True, index=True),
)
PROJECT_GROUP = table(
    "identity_project_endpoint_group",
    Column("project_id", sa.String(64), primary_key=True),
    Column("endpoint_group_id", sa.String(64), primary_key=True, index=True),
)
#: One of the two.
Kind = sa.Table


def endpoints_of_group(tx: Transaction, group: Record) -> list[Record]:
    """The endpoints that have every attribute the group asks for."""
    return tx.find(endpoints.ENDPOINT.table, **group.filters)


def groups_of_project(tx: Transaction, project_id: str) -> list[Record]:
    """The endpoint groups associated with a project, by name."""
    group = resource.ENDPOINT_GROUP.table
    joined = sa.select(group).join(PROJECT_GROUP, PROJECT_GROUP.c.endpoint_group_id == group.c.id)
    return tx.all(joined.where(PROJECT_GROUP.c.project_id == project_id).order_by(group.c.name, group.c.id))


def endpoints_of_project(tx: Transaction, project_id: str) -> list[Record]:
    """The endpoints associated with a project, by themselves or in a group."""
    endpoint = endpoints.ENDPOINT.table
    joined = sa.select(endpoint).join(PROJECT_ENDPOINT, PROJECT_ENDPOINT.c.endpoint_id == endpoint.c.id)
    found = {row.id: row for row in tx.all(joined.where(PROJECT_ENDPOINT.c.project_id == project_id))}
    for group in groups_of_project(tx, project_id):
        found |= {row.id: row for row in endpoints_of_group(tx, group)}
    return list(found.values())


def projects_of_endpoint(tx: Transaction, endpoint_id: str) -> list[Record]:
    """The projects an endpoint is associated with by itself."""
    return _projects(tx, sa.select(PROJECT_ENDPOINT.c.project_id).where(PROJECT_ENDPOINT.c.endpoint_id == endpoint_id))


def projects_of_group(tx: Transaction, group_id: str) -> list[Record]:
    """The projects an endpoint group is associated with."""
    return _projects(tx, sa.select(PROJECT_GROUP.c.project_id).where(PROJECT_GROUP.c.endpoint_group_id == group_id))


def _projects(tx: Transaction, ids: "sa.Select[tuple[str]]") -> list[Record]:
    project = projects.PROJECT.table
    return tx.all(sa.select(project).where(project.c.id.in_(ids)).order_by(project.c.name, project.c.id))


def is_associated(tx: Transaction, kind: Kind, **pair: str) -> bool:
    """Whether the project has the endpoint or the group."""
    return tx.get(kind, **pair) is not None


def associate(tx: Transaction, kind: Kind, **pair: str) -> None:
    """Give the endpoint or the group to the project."""
    tx.insert(kind, pair)


def dissociate(tx: Transaction, kind: Kind, **pair: str) -> int:
    """Take it from the project; returns whether it had it."""
    return tx.delete(kind, **pair)


def forget_endpoint(tx: Transaction, endpoint_id: str) -> None:
    """Forget an endpoint that is deleted."""
    tx.delete(PROJECT_ENDPOINT, endpoint_id=endpoint_id)


def forget_group(tx: Transaction, group_id: str) -> None:
    """Forget an endpoint group that is deleted."""
    tx.delete(PROJECT_GROUP, endpoint_group_id=group_id)


def forget_projects(tx: Transaction, project_ids: Any) -> None:
    """Forget projects that are deleted. `project_ids`: a list or a select."""
    for each in (PROJECT_ENDPOINT, PROJECT_GROUP):
        tx.execute(sa.delete(each).where(each.c.project_id.in_(project_ids)))
