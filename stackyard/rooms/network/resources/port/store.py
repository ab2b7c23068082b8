"""Ports, their addresses and their security groups in the database."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Column, Record, Unique, table
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources import port as ports
from stackyard.rooms.network.resources.subnet import store as subnet_store

#: Who has which address. The constraint is what keeps two ports from having the same one.
ADDRESSES = table(
    "port_addresses",
    Column("port_id", sa.String(64), index=True, nullable=False),
    Column("position", sa.Integer, nullable=False),
    Column("network_id", sa.String(64), index=True, nullable=False),
    Column("subnet_id", sa.String(64), nullable=False),
    Column("ip_address", sa.String(45), nullable=False),
    Unique("subnet_id", "ip_address"),
)
#: Which security groups a port wears.
WORN = table(
    "port_security_groups",
    Column("port_id", sa.String(64), primary_key=True),
    Column("security_group_id", sa.String(64), primary_key=True, index=True),
)


def _ports() -> sa.Table:
    return ports.PORT.table


def get(work: Work, port_id: str) -> Record | None:
    """The port, whoever owns it."""
    return work.tx.get(_ports(), id=port_id)


def by_id(work: Work, port_ids: Iterable[str]) -> list[Record]:
    """These ports in order of id, whoever owns them; unknown ids are left out."""
    return work.tx.all(sa.select(_ports()).where(_ports().c.id.in_(set(port_ids))).order_by(_ports().c.id))


def on_network(work: Work, network_id: str) -> list[Record]:
    """The ports of a network, oldest first."""
    asked = sa.select(_ports()).where(_ports().c.network_id == network_id)
    return work.tx.all(asked.order_by(_ports().c.created_at, _ports().c.id))


def of_device(work: Work, device_id: str) -> list[Record]:
    """The ports of a device, in the order it got them."""
    return of_devices(work, [device_id])


def of_devices(work: Work, device_ids: Sequence[str]) -> list[Record]:
    """The ports of these devices, each device's in the order it got them."""
    asked = sa.select(_ports()).where(_ports().c.attached_to.in_(device_ids))
    return work.tx.all(asked.order_by(_ports().c.wired_order, _ports().c.created_at, _ports().c.id))


def of_router(work: Work, router_id: str) -> list[Record]:
    """A router's ports, its gateway included, oldest first."""
    asked = sa.select(_ports()).where(_ports().c.router_id == router_id)
    return work.tx.all(asked.order_by(_ports().c.created_at, _ports().c.id))


def outside_ports(work: Work, network_id: str) -> list[str]:
    """The gateway and floating ports on an external network."""
    owners = ("network:router_gateway", "network:floatingip")
    asked = sa.select(_ports().c.id).where(_ports().c.network_id == network_id, _ports().c.device_owner.in_(owners))
    return [each.id for each in work.tx.all(asked)]


def mac_holder(work: Work, network_id: str, mac: str) -> str | None:
    """The port on the network that has this MAC."""
    found = work.tx.get(_ports(), network_id=network_id, mac_address=mac)
    return found.id if found else None


def remove(work: Work, port_id: str) -> None:
    """The port, its addresses and its groups are gone."""
    work.tx.delete(ADDRESSES, port_id=port_id)
    work.tx.delete(WORN, port_id=port_id)
    if record := get(work, port_id):
        rows.remove(work, ports.PORT, record)


def addresses_of(work: Work, port_ids: Sequence[str]) -> dict[str, list[Record]]:
    """Each port's addresses, in the order they were given."""
    found: dict[str, list[Record]] = {}
    asked = sa.select(ADDRESSES).where(ADDRESSES.c.port_id.in_(port_ids)).order_by(ADDRESSES.c.position)
    for each in work.tx.all(asked):
        found.setdefault(each.port_id, []).append(each)
    return found


def subnets_of(work: Work, held: Mapping[str, Sequence[Record]]) -> dict[str, Record]:
    """The subnets of these addresses."""
    return subnet_store.by_id(work, [one.subnet_id for found in held.values() for one in found])


def taken(work: Work, subnet_id: str) -> list[str]:
    """The addresses of a subnet that ports have."""
    return [
        each.ip_address
        for each in work.tx.all(sa.select(ADDRESSES.c.ip_address).where(ADDRESSES.c.subnet_id == subnet_id))
    ]


def holder(work: Work, subnet_id: str, ip_address: str) -> Record | None:
    """The port that has an address."""
    found = work.tx.get(ADDRESSES, subnet_id=subnet_id, ip_address=ip_address)
    return get(work, found.port_id) if found else None


def with_address_on(work: Work, subnet_id: str) -> list[Record]:
    """The ports that have an address of a subnet."""
    inside = sa.select(ADDRESSES.c.port_id).where(ADDRESSES.c.subnet_id == subnet_id)
    return work.tx.all(sa.select(_ports()).where(_ports().c.id.in_(inside)))


def add_address(work: Work, port_id: str, subnet: Record, ip_address: str) -> None:
    """Give the port an address. Raises Conflict when another has it."""
    top = work.tx.value(sa.select(sa.func.max(ADDRESSES.c.position)).where(ADDRESSES.c.port_id == port_id))
    row = {
        "port_id": port_id,
        "position": 0 if top is None else top + 1,
        "network_id": subnet.network_id,
        "subnet_id": subnet.id,
        "ip_address": ip_address,
    }
    work.tx.insert(ADDRESSES, row)


def take_address(work: Work, port_id: str, subnet_id: str, ip_address: str) -> None:
    """Take an address back from the port."""
    work.tx.delete(ADDRESSES, port_id=port_id, subnet_id=subnet_id, ip_address=ip_address)


def release_subnet(work: Work, subnet_id: str) -> None:
    """No port has an address of this subnet any longer."""
    work.tx.delete(ADDRESSES, subnet_id=subnet_id)


def groups_of(work: Work, port_ids: Sequence[str]) -> dict[str, list[str]]:
    """The security groups that each port wears."""
    found: dict[str, list[str]] = {}
    asked = sa.select(WORN).where(WORN.c.port_id.in_(port_ids)).order_by(WORN.c.security_group_id)
    for each in work.tx.all(asked):
        found.setdefault(each.port_id, []).append(each.security_group_id)
    return found


def wear(work: Work, port_id: str, group_ids: Sequence[str]) -> None:
    """The port wears these groups and no other."""
    work.tx.delete(WORN, port_id=port_id)
    work.tx.insert_many(WORN, [{"port_id": port_id, "security_group_id": each} for each in dict.fromkeys(group_ids)])


def wearers(work: Work, group_id: str) -> list[str]:
    """The ports that wear a group."""
    return [each.port_id for each in work.tx.all(sa.select(WORN.c.port_id).where(WORN.c.security_group_id == group_id))]


def networks_wearing(work: Work, group_ids: Iterable[str]) -> set[str]:
    """The networks with a port that wears one of these groups."""
    inside = sa.select(WORN.c.port_id).where(WORN.c.security_group_id.in_(set(group_ids)))
    return {each.network_id for each in work.tx.all(sa.select(_ports().c.network_id).where(_ports().c.id.in_(inside)))}


def narrowed_by_address(statement: Any, entries: Sequence[str]) -> Any:
    """The select narrowed by Neutron's `fixed_ips=ip_address=…`, `…=subnet_id=…` and `…=ip_address_substr=…`."""
    asked: dict[str, list[str]] = {}
    for entry in entries:
        for part in entry.split(","):
            name, _, value = part.partition("=")
            asked.setdefault(name.strip(), []).append(value.strip())
    for name, values in asked.items():
        column = ADDRESSES.c.ip_address if name.startswith("ip_address") else ADDRESSES.c.subnet_id
        matches = (
            sa.or_(*(column.contains(each, autoescape=True) for each in values))
            if name.endswith("_substr")
            else column.in_(values)
        )
        statement = statement.where(_ports().c.id.in_(sa.select(ADDRESSES.c.port_id).where(matches)))
    return statement


def narrowed_by_group(statement: Any, group_ids: Sequence[str]) -> Any:
    """The select narrowed to ports that wear one of these groups."""
    return statement.where(_ports().c.id.in_(sa.select(WORN.c.port_id).where(WORN.c.security_group_id.in_(group_ids))))


def _wired(host: str) -> sa.ColumnElement[bool]:
    source = _ports()
    return sa.and_(source.c["binding:host_id"] == host, sa.cast(source.c.wiring, sa.Text).is_not(None))


def wired_ids(work: Work, host: str, network_id: str) -> list[str]:
    """The ports of a network that are to be plugged in on a host, in order of id."""
    source = _ports()
    asked = sa.select(source.c.id).where(_wired(host), source.c.network_id == network_id).order_by(source.c.id)
    return [each.id for each in work.tx.all(asked)]


def wired_networks(work: Work, host: str) -> set[str]:
    """The networks with a port that is to be plugged in on a host."""
    source = _ports()
    return {each.network_id for each in work.tx.all(sa.select(source.c.network_id).where(_wired(host)).distinct())}


def bound_to(work: Work, host: str) -> list[Record]:
    """The ports of devices that are on a host."""
    return work.tx.find(_ports(), **{"binding:host_id": host})


def hosts_of_networks(work: Work, network_ids: Iterable[str], besides: str | None) -> list[Record]:
    """The hosts of the devices on these networks, each with its network; those of the device `besides` left out."""
    source = _ports()
    asked = sa.select(source.c["binding:host_id"], source.c.network_id).distinct()
    asked = asked.where(source.c.network_id.in_(set(network_ids)), source.c.attached_to.is_not(None))
    asked = asked.where(source.c["binding:host_id"] != "")
    if besides is not None:
        asked = asked.where(source.c.attached_to != besides)
    return work.tx.all(asked.order_by(source.c["binding:host_id"], source.c.network_id))


def members(work: Work, group_ids: Iterable[str]) -> dict[str, list[str]]:
    """The addresses of the ports that wear each group: their own and the single ones they are allowed besides."""
    source, found = _ports(), {each: set[str]() for each in group_ids}
    inside = WORN.c.security_group_id.in_(found)
    for row in work.tx.all(
        sa.select(WORN.c.security_group_id, ADDRESSES.c.ip_address)
        .join(ADDRESSES, ADDRESSES.c.port_id == WORN.c.port_id)
        .where(inside)
    ):
        found[row.security_group_id].add(row.ip_address)
    paired = sa.select(WORN.c.security_group_id, source.c.allowed_address_pairs).join(
        source, source.c.id == WORN.c.port_id
    )
    for row in work.tx.all(paired.where(inside, sa.cast(source.c.allowed_address_pairs, sa.Text) != "[]")):
        found[row.security_group_id] |= {
            one["ip_address"] for one in row.allowed_address_pairs if "/" not in one["ip_address"]
        }
    return {group: sorted(addresses) for group, addresses in found.items()}


def bind(work: Work, port_id: str, host: str) -> None:
    """The port's device is on this host."""
    bound = {"binding:host_id": host, "binding:vif_type": "bridge", "binding:vif_details": {"port_filter": True}}
    work.tx.update(_ports(), bound, id=port_id)


def set_wiring(work: Work, port_id: str, host: str, wiring: dict[str, Any] | None) -> None:
    """Where the port is to be plugged in, or nowhere."""
    if wiring:
        bind(work, port_id, host)
    work.tx.update(_ports(), {"wiring": wiring} if wiring else {"wiring": None, "status": "DOWN"}, id=port_id)


def unwire_if(work: Work, port_id: str, netns: str) -> bool:
    """The port is plugged in nowhere, if it was to be in this namespace; returns whether it was."""
    found = get(work, port_id)
    if found is None or not found.wiring or found.wiring["netns"] != netns:
        return False
    work.tx.update(_ports(), {"wiring": None, "status": "DOWN"}, id=port_id)
    return True


def set_status(work: Work, port_ids: Iterable[str], status: str) -> None:
    """What hosts made of these ports."""
    source = _ports()
    work.tx.execute(
        sa.update(source).where(source.c.id.in_(set(port_ids)), source.c.status != status).values(status=status)
    )


def not_in_status(work: Work, port_ids: Iterable[str], status: str) -> list[str]:
    """Which of these ports have another status."""
    source = _ports()
    asked = sa.select(source.c.id).where(source.c.id.in_(set(port_ids)), source.c.status != status)
    return [each.id for each in work.tx.all(asked)]
