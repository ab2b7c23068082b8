"""The container service (Zun): tenants' containers on the cloud's hosts, on their own networks."""

from stackyard.kernel.declare.room import Room, declared
from stackyard.rooms.container import reconcile, resources
from stackyard.rooms.container.dialect import DIALECT
from stackyard.rooms.container.resources import quota
from stackyard.rooms.container.resources.container.resource import EXTRA_RULES
from stackyard.rooms.container.resources.version import VERSIONS

_RESOURCES, _ROUTES = declared(resources)

ROOM = Room(
    name="container",
    path="/container",
    services=[("container", "zun", "/v1")],
    uses=("identity", "placement", "image", "network"),
    dialect=DIALECT,
    versions=VERSIONS,
    resources=_RESOURCES,
    routes=_ROUTES,
    policies=[*EXTRA_RULES, *quota.RULES],
    reconcilers=reconcile.RECONCILERS,
    start=reconcile.listen,
)
