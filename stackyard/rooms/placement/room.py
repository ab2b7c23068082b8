"""The placement room: Placement's API over what the cloud's hosts, and other providers, have."""

from stackyard.kernel.declare.room import Room, declared
from stackyard.rooms.placement import resources
from stackyard.rooms.placement.dialect import DIALECT, VERSIONS
from stackyard.rooms.placement.policies import BASE, TOTAL_USAGES
from stackyard.rooms.placement.resources.allocation import store as allocations
from stackyard.rooms.placement.resources.resource_provider import store as providers

_RESOURCES, _ROUTES = declared(resources)

ROOM = Room(
    name="placement",
    path="/placement",
    services=[("placement", "placement", "")],
    dialect=DIALECT,
    versions=VERSIONS,
    uses=("identity",),
    resources=_RESOURCES,
    routes=_ROUTES,
    policies=[*BASE, TOTAL_USAGES],
    tables=[*providers.TABLES, *allocations.TABLES],
)
