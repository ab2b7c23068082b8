"""What the network's rules ask the database."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources import port as ports
from stackyard.rooms.network.resources import security_group as security_groups
from stackyard.rooms.network.resources import subnet as subnets


def subnet_ids(work: Work, network_ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids of the subnets of each network."""
    source = subnets.SUBNET.table
    found: dict[str, list[str]] = {}
    asked = sa.select(source.c.id, source.c.network_id).where(source.c.network_id.in_(network_ids))
    for row in work.tx.all(asked.order_by(source.c.created_at, source.c.id)):
        found.setdefault(row.network_id, []).append(row.id)
    return found


def used_by_others(work: Work, network: Record) -> bool:
    """Whether another project has a port or subnet on the network."""
    for source in (ports.PORT.table, subnets.SUBNET.table):
        foreign = sa.and_(source.c.network_id == network.id, source.c.project_id.not_in([network.project_id, ""]))
        if work.tx.value(sa.select(source.c.id).where(foreign).limit(1)):
            return True
    return False


def inside(work: Work, project_id: str) -> list[Record]:
    """The networks a project's devices can be on: its own, oldest first, then shared ones. No external ones."""
    source = networks.NETWORK.table
    usable = sa.or_(source.c.project_id == project_id, source.c.shared)
    asked = sa.select(source).where(usable, sa.not_(source.c["router:external"]))
    return work.tx.all(asked.order_by(source.c.project_id != project_id, source.c.created_at, source.c.id))


def visible_named(work: Work, resource: Resource, name: str) -> list[Record]:
    """At most two objects of this name that the caller may know of; the project's own before others'."""
    source = resource.table
    asked = sa.select(source).where(source.c.name == name)
    condition = resource.visible(work.caller, source)
    if condition is not None:
        asked = asked.where(condition)
    found = work.tx.all(asked.limit(20))
    own = [each for each in found if each.project_id == work.caller.project_id]
    return (own or found)[:2]


def groups_named(work: Work, project_id: str, name_or_id: str) -> list[str]:
    """The ids of the project's security groups with this id, or with this name."""
    source = security_groups.SECURITY_GROUP.table
    asked = sa.select(source.c.id, source.c.name).where(
        source.c.project_id == project_id, sa.or_(source.c.id == name_or_id, source.c.name == name_or_id)
    )
    found = work.tx.all(asked)
    exact = [each.id for each in found if each.id == name_or_id]
    return exact or [each.id for each in found]


def internal(work: Work, network_ids: Iterable[str]) -> set[str]:
    """Those of these networks that are not external."""
    source = networks.NETWORK.table
    asked = sa.select(source.c.id).where(source.c.id.in_(set(network_ids)), sa.not_(source.c["router:external"]))
    return {each.id for each in work.tx.all(asked)}


def external_named(work: Work, name: str) -> Record | None:
    """The external network of this name."""
    source = networks.NETWORK.table
    return work.tx.one(sa.select(source).where(source.c.name == name, source.c["router:external"]))
