"""Counts of addresses."""

import sqlalchemy as sa

from stackyard.kernel.work import Work
from stackyard.rooms.network.resources.port.store import ADDRESSES


def used_by_subnet(work: Work) -> dict[str, int]:
    """How many addresses of each subnet ports have."""
    asked = sa.select(ADDRESSES.c.subnet_id, sa.func.count().label("used")).group_by(ADDRESSES.c.subnet_id)
    return {each.subnet_id: each.used for each in work.tx.all(asked)}
