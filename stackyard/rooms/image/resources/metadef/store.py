"""Namespaces and their parts in the database."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage import database
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work

NAMESPACES = database.table(
    "metadef_namespaces",
    database.Column("namespace", sa.String(80), primary_key=True),
    database.Column("display_name", sa.String(80)),
    database.Column("description", sa.Text),
    database.Column("visibility", sa.String(20), nullable=False),
    database.Column("protected", sa.Boolean, nullable=False),
    database.Column("owner", sa.String(255), nullable=False),
    database.Column("created_at", database.Instant, nullable=False),
    database.Column("updated_at", database.Instant, nullable=False),
)
#: body: what was asked for, without the name.
PARTS = database.table(
    "metadef_parts",
    database.Column("namespace", sa.String(80), primary_key=True),
    database.Column("kind", sa.String(20), primary_key=True),
    database.Column("name", sa.String(80), primary_key=True),
    database.Column("body", database.Json, nullable=False),
    database.Column("created_at", database.Instant, nullable=False),
    database.Column("updated_at", database.Instant, nullable=False),
)


def namespace(work: Work, name: str) -> Record | None:
    """A namespace, whoever may see it."""
    return work.tx.get(NAMESPACES, namespace=name)


def namespaces(work: Work, visibility: str | None, resource_types: Sequence[str]) -> list[Record]:
    """What the caller may see, the newest first; with `resource_types`, those meant for one of them."""
    chosen = sa.select(NAMESPACES).order_by(NAMESPACES.c.created_at.desc(), NAMESPACES.c.namespace)
    if not work.caller.is_admin:
        own = NAMESPACES.c.owner == (work.caller.project_id or "")
        chosen = chosen.where(sa.or_(NAMESPACES.c.visibility == "public", own))
    if visibility:
        chosen = chosen.where(NAMESPACES.c.visibility == visibility)
    if resource_types:
        meant = sa.select(PARTS.c.namespace).where(PARTS.c.kind == "resource_type", PARTS.c.name.in_(resource_types))
        chosen = chosen.where(NAMESPACES.c.namespace.in_(meant))
    return work.tx.all(chosen)


def add_namespace(work: Work, values: Mapping[str, Any]) -> Record:
    """Write a new one."""
    record = Record({**values, "created_at": work.now, "updated_at": work.now})
    work.tx.insert(NAMESPACES, record)
    return record


def change_namespace(work: Work, record: Record, values: Mapping[str, Any]) -> Record:
    """Write what is new about it; its parts follow a new name."""
    changes = {**values, "updated_at": work.now}
    work.tx.update(NAMESPACES, changes, namespace=record.namespace)
    if values["namespace"] != record.namespace:
        work.tx.update(PARTS, {"namespace": values["namespace"]}, namespace=record.namespace)
    return Record({**record, **changes})


def remove_namespace(work: Work, name: str) -> None:
    """Remove it and its parts."""
    work.tx.delete(PARTS, namespace=name)
    work.tx.delete(NAMESPACES, namespace=name)


def parts(work: Work, names: Sequence[str], *kinds: str) -> list[Record]:
    """The parts of these kinds in these namespaces, by name."""
    wanted = sa.select(PARTS).where(PARTS.c.namespace.in_(names), PARTS.c.kind.in_(kinds))
    return work.tx.all(wanted.order_by(PARTS.c.name))


def part(work: Work, name: str, kind: str, part_name: str) -> Record | None:
    """One part."""
    return work.tx.get(PARTS, namespace=name, kind=kind, name=part_name)


def add_part(work: Work, name: str, kind: str, given: Mapping[str, Any]) -> Record:
    """Write a new part. Raises Conflict when there is one of that name."""
    body = {member: value for member, value in given.items() if member != "name"}
    record = Record(
        namespace=name, kind=kind, name=given["name"], body=body, created_at=work.now, updated_at=work.now
    )  # fmt: skip
    work.tx.insert(PARTS, record)
    return record


def change_part(work: Work, record: Record, given: Mapping[str, Any]) -> Record:
    """Write it anew, under a new name if one is given."""
    body = {member: value for member, value in given.items() if member != "name"}
    changes = {"name": given["name"], "body": body, "updated_at": work.now}
    work.tx.update(PARTS, changes, namespace=record.namespace, kind=record.kind, name=record.name)
    return Record({**record, **changes})


def remove_part(work: Work, name: str, kind: str, part_name: str) -> None:
    """Remove one part."""
    work.tx.delete(PARTS, namespace=name, kind=kind, name=part_name)


def remove_parts(work: Work, name: str, kind: str) -> None:
    """Remove all parts of a kind."""
    work.tx.delete(PARTS, namespace=name, kind=kind)


def associated_types(work: Work) -> list[Record]:
    """The resource types that any namespace is meant for, with the moment each was first named."""
    first = sa.func.min(PARTS.c.created_at).label("created_at")
    return work.tx.all(
        sa.select(PARTS.c.name, first).where(PARTS.c.kind == "resource_type").group_by(PARTS.c.name)
    )  # fmt: skip
