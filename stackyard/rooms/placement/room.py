"""The placement room: Placement's API over what the cloud's hosts, and other providers, have."""

from stackyard.kernel.declare.room import Room, declared
from stackyard.rooms.placement import resources
from stackyard.rooms.placement.dialect import DIALECT, VERSIONS
from stackyard.rooms.placement.policies import BASE, TOTAL_USAGES
from stackyard.rooms.placement.reconcile import USAGE

_DECLARED = declared(resources)

ROOM = Room(
    name="placement",
    path="/placement",
    services=[("placement", "placement", "")],
    dialect=DIALECT,
    versions=VERSIONS,
    uses=("identity",),
    resources=_DECLARED.resources,
    routes=_DECLARED.routes,
    policies=[*BASE, TOTAL_USAGES, *_DECLARED.policies],
    tables=_DECLARED.tables,
    reconcilers=[USAGE],
)
