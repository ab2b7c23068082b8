"""What the subnet's rules ask the database."""

from collections.abc import Sequence

import sqlalchemy as sa

from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources import subnet as subnets


def on_network(work: Work, network_id: str) -> list[Record]:
    """The subnets of a network, oldest first."""
    source = subnets.SUBNET.table
    asked = sa.select(source).where(source.c.network_id == network_id)
    return work.tx.all(asked.order_by(source.c.created_at, source.c.id))


def by_id(work: Work, subnet_ids: Sequence[str]) -> dict[str, Record]:
    """These subnets, whoever owns them."""
    source = subnets.SUBNET.table
    return {each.id: each for each in work.tx.all(sa.select(source).where(source.c.id.in_(set(subnet_ids))))}


def remove_all(work: Work, network_id: str) -> None:
    """The network's subnets are gone."""
    for each in on_network(work, network_id):
        rows.remove(work, subnets.SUBNET, each)
