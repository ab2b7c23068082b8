"""The network room: Neutron's API (v2.0) on the hosts' own networks."""

from typing import Any

from stackyard.kernel.declare.room import Room, declared
from stackyard.kernel.work import Services
from stackyard.rooms.network import resources
from stackyard.rooms.network.dataplane import ROOM as NAME
from stackyard.rooms.network.dataplane import Dataplane
from stackyard.rooms.network.dialect import NEUTRON
from stackyard.rooms.network.reconcile import RECONCILER
from stackyard.rooms.network.resources import agent, quota
from stackyard.rooms.network.resources.port import rules as port_rules
from stackyard.rooms.network.resources.port import store as port_store

_RESOURCES, _ROUTES = declared(resources)


def start(services: Services) -> None:
    """Bind what applies rows to hosts; a host that connects is looked at."""
    plane = Dataplane(services)
    services.bound[NAME] = plane

    def connected(host: str, value: Any) -> None:
        plane.forget_look()
        services.signal(NAME)

    services.nodes.subscribe("connected", connected)


ROOM = Room(
    name=NAME,
    path="/networking",
    services=[("network", "neutron", "")],
    dialect=NEUTRON,
    uses=("identity",),
    resources=_RESOURCES,
    routes=_ROUTES,
    policies=[*port_rules.POLICIES, *agent.POLICIES, quota.READ],
    tables=[port_store.ADDRESSES, port_store.WORN],
    reconcilers=[RECONCILER],
    start=start,
)
