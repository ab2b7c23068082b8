"""The container service (Zun): tenants' containers on the cloud's hosts, on their own networks."""

from stackyard.kernel.declare.room import Room, declared
from stackyard.rooms.container import reconcile, resources
from stackyard.rooms.container.dialect import DIALECT
from stackyard.rooms.container.resources.version import VERSIONS

_DECLARED = declared(resources)

ROOM = Room(
    name="container",
    path="/container",
    services=[("container", "zun", "/v1")],
    uses=("identity", "placement", "image", "network"),
    dialect=DIALECT,
    versions=VERSIONS,
    resources=_DECLARED.resources,
    routes=_DECLARED.routes,
    policies=_DECLARED.policies,
    tables=_DECLARED.tables,
    reconcilers=reconcile.RECONCILERS,
    start=reconcile.listen,
)
