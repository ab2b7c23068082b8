"""The manifest of the image room: Glance v2."""

from stackyard.kernel.declare.room import Room, declared
from stackyard.rooms.image import resources
from stackyard.rooms.image.dialect import DIALECT
from stackyard.rooms.image.drivers.files import FileStore
from stackyard.rooms.image.reconcile import IMAGE_DATA
from stackyard.rooms.image.resources.image.resource import POLICIES
from stackyard.rooms.image.resources.image.store import PROPERTIES, TAGS
from stackyard.rooms.image.resources.member.store import MEMBERS
from stackyard.rooms.image.resources.metadef import rules as metadefs
from stackyard.rooms.image.resources.metadef.store import NAMESPACES, PARTS
from stackyard.rooms.image.vault import open_vault

_RESOURCES, _ROUTES = declared(resources)

ROOM = Room(
    name="image",
    path="/image",
    services=[("image", "glance", "")],
    dialect=DIALECT,
    resources=_RESOURCES,
    routes=_ROUTES,
    policies=(*POLICIES, *metadefs.POLICIES),
    tables=[TAGS, PROPERTIES, MEMBERS, NAMESPACES, PARTS],
    reconcilers=[IMAGE_DATA],
    start=lambda services: open_vault(services, FileStore),
)
