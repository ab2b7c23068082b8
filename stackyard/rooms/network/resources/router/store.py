"""Routers in the database."""

from collections.abc import Iterable

import sqlalchemy as sa

from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources import port as ports
from stackyard.rooms.network.resources import router as routers
from stackyard.rooms.network.resources.port import store as port_store

INTERFACE = "network:router_interface"
GATEWAY = "network:router_gateway"


def get(work: Work, router_id: str) -> Record | None:
    """The router, whoever owns it."""
    return work.tx.get(routers.ROUTER.table, id=router_id)


def interfaces(work: Work, router_id: str) -> list[Record]:
    """The router's ports on tenant networks, oldest first."""
    return [each for each in port_store.of_router(work, router_id) if each.device_owner == INTERFACE]


def between(work: Work, subnet_id: str, external_network_id: str) -> Record | None:
    """A router with an interface on the subnet and its gateway on the external network; the one that is the subnet's
    gateway is preferred."""
    candidates = [each for each in port_store.with_address_on(work, subnet_id) if each.device_owner == INTERFACE]
    for port in sorted(candidates, key=lambda each: (each.created_at, each.id)):
        router = get(work, port.router_id)
        if router and router.gateway_port_id:
            outside = port_store.get(work, router.gateway_port_id)
            if outside and outside.network_id == external_network_id:
                return router
    return None


def on_networks(work: Work, network_ids: Iterable[str]) -> set[str]:
    """The routers with a port on one of these networks."""
    port = ports.PORT.table
    asked = sa.select(port.c.router_id).where(port.c.network_id.in_(set(network_ids)), port.c.router_id.is_not(None))
    return {each.router_id for each in work.tx.all(asked)}


def set_status(work: Work, router_id: str, status: str) -> None:
    """What its host made of the router."""
    table = routers.ROUTER.table
    work.tx.execute(sa.update(table).where(table.c.id == router_id, table.c.status != status).values(status=status))


def place(work: Work, router_ids: Iterable[str], host: str) -> None:
    """These routers are on this host from now on."""
    table = routers.ROUTER.table
    work.tx.execute(sa.update(table).where(table.c.id.in_(set(router_ids))).values(host=host))


def on_host(work: Work, host: str) -> list[str]:
    """The routers that are on a host."""
    table = routers.ROUTER.table
    return [each.id for each in work.tx.all(sa.select(table.c.id).where(table.c.host == host).order_by(table.c.id))]


def unplaced(work: Work) -> list[str]:
    """The routers that have no host yet."""
    table = routers.ROUTER.table
    return [each.id for each in work.tx.all(sa.select(table.c.id).where(table.c.host.is_(None)).order_by(table.c.id))]


def networks_of(work: Work, host: str) -> set[str]:
    """The networks that the routers on a host have ports on."""
    port, table = ports.PORT.table, routers.ROUTER.table
    asked = sa.select(port.c.network_id).join(table, table.c.id == port.c.router_id).where(table.c.host == host)
    return {each.network_id for each in work.tx.all(asked)}
