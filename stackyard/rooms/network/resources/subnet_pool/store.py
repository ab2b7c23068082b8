"""Subnet pools in the database."""

import sqlalchemy as sa

from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources import subnet as subnets
from stackyard.rooms.network.resources import subnet_pool as pools


def cut_from(work: Work, pool_id: str) -> list[Record]:
    """The subnets that were cut from a pool."""
    return work.tx.find(subnets.SUBNET.table, subnetpool_id=pool_id)


def default_for(work: Work, version: int) -> Record | None:
    """The default pool of a family."""
    return work.tx.get(pools.SUBNET_POOL.table, is_default=True, ip_version=version)


def other_default(work: Work, version: int, pool_id: str | None) -> str | None:
    """The pool other than this one that is the default of its family."""
    source = pools.SUBNET_POOL.table
    asked = sa.select(source.c.id).where(source.c.is_default, source.c.ip_version == version)
    if pool_id is not None:
        asked = asked.where(source.c.id != pool_id)
    found = work.tx.one(asked)
    return found.id if found else None
