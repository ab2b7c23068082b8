"""Floating IPs in the database."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources import floating_ip as floating_ips
from stackyard.rooms.network.resources.port import store as port_store

FREED = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}


def _table() -> sa.Table:
    return floating_ips.FLOATING_IP.table


def idle_on_network(work: Work, network_id: str) -> list[Record]:
    """The floating IPs of an external network that stand for no port."""
    return work.tx.find(_table(), floating_network_id=network_id, port_id=None)


def of_port(work: Work, port_id: str) -> list[Record]:
    """The floating IPs that stand for a port."""
    return work.tx.find(_table(), port_id=port_id)


def of_router(work: Work, router_id: str) -> list[Record]:
    """The floating IPs that a router translates, in order of address."""
    asked = sa.select(_table()).where(_table().c.router_id == router_id)
    return work.tx.all(asked.order_by(_table().c.floating_ip_address))


def standing_for(work: Work, port_id: str, fixed_ip: str) -> Record | None:
    """The floating IP that stands for one address of a port."""
    return work.tx.get(_table(), port_id=port_id, fixed_ip_address=fixed_ip)


def owner_of(work: Work, port_id: str) -> Record | None:
    """The floating IP whose own port this is."""
    return work.tx.get(_table(), floating_port_id=port_id)


def detach_all(work: Work, port_id: str) -> list[str]:
    """No floating IP stands for the port any longer; returns the routers that translated them."""
    routers = []
    for each in of_port(work, port_id):
        rows.change(work, floating_ips.FLOATING_IP, each, FREED)
        routers += [each.router_id] if each.router_id else []
    return routers


def port_details(work: Work, port_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What a floating IP shows of the port it stands for."""
    names = ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")
    return {each.id: {name: each[name] for name in names} for each in port_store.by_id(work, port_ids)}


def wrong_status(work: Work, router_id: str, status: str) -> list[str]:
    """Which floating IPs of a router have another status."""
    asked = sa.select(_table().c.id).where(_table().c.router_id == router_id, _table().c.status != status)
    return [each.id for each in work.tx.all(asked)]


def set_status(work: Work, router_id: str, status: str) -> None:
    """What its host made of a router's floating IPs."""
    work.tx.update(_table(), {"status": status}, router_id=router_id)
