"""The manifest of the image room: Glance v2."""

from stackyard.kernel.declare.room import Room, declared
from stackyard.rooms.image import resources
from stackyard.rooms.image.dialect import DIALECT
from stackyard.rooms.image.drivers.files import FileStore
from stackyard.rooms.image.reconcile import IMAGE_DATA
from stackyard.rooms.image.vault import open_vault

_DECLARED = declared(resources)

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
    start=lambda services: open_vault(services, FileStore),
)
