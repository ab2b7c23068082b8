"""The manifest of the image room: Glance v2."""

from stackyard.kernel.declare.room import Room, declared
from stackyard.kernel.work import Services
from stackyard.rooms.image import resources
from stackyard.rooms.image.dialect import DIALECT
from stackyard.rooms.image.drivers.files import FileStore
from stackyard.rooms.image.reconcile import IMAGE_DATA
from stackyard.rooms.image.resources.image import copies
from stackyard.rooms.image.vault import open_vault

_DECLARED = declared(resources)

def start(services: Services) -> None:
    """Open this server's store."""
    open_vault(services, FileStore)
    copies.announce(services)


ROOM = Room(
    name="image",
    path="/image",
    services=[("image", "glance", "")],
    dialect=DIALECT,
    resources=_DECLARED.resources,
    routes=_DECLARED.routes,
    policies=_DECLARED.policies,
    tables=_DECLARED.tables,
    reconcilers=[IMAGE_DATA],
    start=start,
)
