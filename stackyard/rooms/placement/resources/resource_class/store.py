"""The cloud's own resource classes in the database."""

import sqlalchemy as sa

from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.resources.resource_class import resource


def custom(work: Work) -> list[Record]:
    """The cloud's own classes, oldest first."""
    source = resource.RESOURCE_CLASS.table
    return work.tx.all(sa.select(source).order_by(source.c.created_at, source.c.name))


def get(work: Work, name: str) -> Record | None:
    """The class of the cloud's own of this name."""
    return work.tx.get(resource.RESOURCE_CLASS.table, name=name)


def add(work: Work, name: str) -> Record:
    """Write a new one."""
    made = Record({"name": name, "created_at": work.now, "updated_at": work.now})
    work.tx.insert(resource.RESOURCE_CLASS.table, made)
    return made


def rename(work: Work, old: str, new: str) -> None:
    """Give one another name."""
    work.tx.update(resource.RESOURCE_CLASS.table, {"name": new, "updated_at": work.now}, name=old)


def remove(work: Work, name: str) -> None:
    """Delete one."""
    work.tx.delete(resource.RESOURCE_CLASS.table, name=name)
