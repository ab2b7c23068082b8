"""The cloud's own traits in the database."""

import sqlalchemy as sa

from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.resources.trait import resource


def custom(work: Work) -> list[Record]:
    """The cloud's own traits."""
    return work.tx.all(sa.select(resource.TRAIT.table))


def get(work: Work, name: str) -> Record | None:
    """The trait of the cloud's own of this name."""
    return work.tx.get(resource.TRAIT.table, name=name)


def add(work: Work, name: str) -> Record:
    """Write a new one."""
    made = Record({"name": name, "created_at": work.now, "updated_at": work.now})
    work.tx.insert(resource.TRAIT.table, made)
    return made


def remove(work: Work, name: str) -> None:
    """Delete one."""
    work.tx.delete(resource.TRAIT.table, name=name)
