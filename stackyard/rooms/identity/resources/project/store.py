"""The tree of projects."""

from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.storage.statements import Statement, parameter
from stackyard.rooms.identity.resources.project import resource
from stackyard.rooms.identity.resources.user import resource as users


def ancestors(tx: Transaction, project_id: str) -> list[Record]:
    """The projects above one, nearest first, ending with its domain."""
    return tx.all(_above(), project_id=project_id)


@cache
def _above() -> Statement:
    # Every token that is judged asks for this, and building the statement takes ten times as long as running it.
    project = resource.PROJECT.table
    columns = (project.c.id, project.c.parent_id)
    start = sa.select(*columns, sa.literal(0).label("depth")).where(project.c.id == parameter("project_id"))
    line = start.cte("line", recursive=True)
    line = line.union_all(sa.select(*columns, line.c.depth + 1).join(line, project.c.id == line.c.parent_id))
    found = sa.select(project).join(line, line.c.id == project.c.id).where(line.c.depth > 0)
    return Statement(found.order_by(line.c.depth))


def descendants(tx: Transaction, project_id: str) -> list[Record]:
    """The projects below one, upper levels first."""
    project = resource.PROJECT.table
    tree = (
        sa.select(project.c.id, sa.literal(0).label("depth"))
        .where(project.c.id == project_id)
        .cte("tree", recursive=True)
    )
    tree = tree.union_all(sa.select(project.c.id, tree.c.depth + 1).join(tree, project.c.parent_id == tree.c.id))
    found = sa.select(project).join(tree, tree.c.id == project.c.id).where(tree.c.depth > 0)
    return tx.all(found.order_by(tree.c.depth, project.c.name))


def in_domain(tx: Transaction, domain_id: str) -> list[Record]:
    """The projects of a domain."""
    return tx.find(resource.PROJECT.table, domain_id=domain_id)


def children(tx: Transaction, project_id: str) -> list[Record]:
    """The projects right below one."""
    return tx.find(resource.PROJECT.table, parent_id=project_id)


def nested_parents(tx: Transaction, project: Record) -> dict[str, Any] | None:
    """The ids above a project, each within the one below it."""
    nested: dict[str, Any] | None = None
    for each in reversed(ancestors(tx, project.id)):
        nested = {each.id: nested}
    return nested


def nested_children(tx: Transaction, project_id: str) -> dict[str, Any] | None:
    """The ids below a project, each within the one above it."""
    below: dict[str, list[str]] = {}
    for each in descendants(tx, project_id):
        below.setdefault(each.parent_id, []).append(each.id)

    def nest(parent: str) -> dict[str, Any] | None:
        return {child: nest(child) for child in below[parent]} if parent in below else None

    return nest(project_id)


def narrowed(statement: Any, query: Record) -> Any:
    """Narrow a select of projects by `is_domain` and the tag filters of the API."""
    statement = statement.where(resource.PROJECT.table.c.is_domain.is_(bool(query.get("is_domain"))))
    for name, combine, positive in (
        ("tags", sa.and_, True),
        ("tags-any", sa.or_, True),
        ("not-tags", sa.and_, False),
        ("not-tags-any", sa.or_, False),
    ):
        if query.get(name):
            condition = combine(*(_has_tag(tag) for tag in query[name].split(",")))
            statement = statement.where(condition if positive else sa.not_(condition))
    return statement


def _has_tag(tag: str) -> "sa.ColumnElement[bool]":
    # Tags are stored as a JSON list of strings, in which a tag stands quoted as JSON quotes it.
    tags = sa.type_coerce(resource.PROJECT.table.c.tags, sa.Text)
    return tags.contains(msgspec.json.encode(tag).decode(), autoescape=True)


def forget_default(tx: Transaction, project_id: str) -> None:
    """Let no user have a project as default that is going away."""
    tx.update(users.USER.table, {"default_project_id": None}, default_project_id=project_id)


def by_id(tx: Transaction, project_id: str) -> Record | None:
    """The project (or domain) with that id."""
    return tx.get(resource.PROJECT.table, id=project_id)


def by_name(tx: Transaction, name: str, domain_id: str) -> Record | None:
    """The project of that name in a domain."""
    return tx.get(resource.PROJECT.table, name=name, domain_id=domain_id)
