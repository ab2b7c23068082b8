"""Queries on hosts."""

import sqlalchemy as sa

from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.resources.host import resource


def all_hosts(work: Work) -> list[Record]:
    """Every host that ever registered, by name."""
    table = resource.HOST.table
    return work.tx.all(sa.select(table).order_by(table.c.hostname))


def named(work: Work, hostname: str) -> Record | None:
    """The host of that name."""
    return work.tx.get(resource.HOST.table, hostname=hostname)
