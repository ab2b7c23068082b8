"""The network room: Neutron's API (v2.0) on the hosts' own networks."""

from typing import Any

from stackyard.kernel.declare.room import Room, declared
from stackyard.kernel.work import Services
from stackyard.rooms.network import resources
from stackyard.rooms.network.dataplane import ROOM as NAME
from stackyard.rooms.network.dataplane import Dataplane
from stackyard.rooms.network.dialect import NEUTRON
from stackyard.rooms.network.reconcile import RECONCILER

_DECLARED = declared(resources)


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
    resources=_DECLARED.resources,
    routes=_DECLARED.routes,
    policies=_DECLARED.policies,
    tables=_DECLARED.tables,
    reconcilers=[RECONCILER],
    start=start,
)
