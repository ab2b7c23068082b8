"""Which paths grants have, and by which rules they are allowed."""

from collections.abc import Iterator

from stackyard.kernel.declare.resource import Allow, Route
from stackyard.rooms.identity.policies import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    GRANT_LIST,
    GRANT_READ,
    GRANT_WRITE,
    allow,
    domain_reader,
    either,
)
from stackyard.rooms.identity.resources.assignment.grants import KINDS, Grants, Kind
from stackyard.rooms.identity.resources.assignment.listing import list_assignments


def _routes(kind: Kind) -> Iterator[Route]:
    grants = Grants(kind)
    yield Route(method="GET", path=kind.path, handler=grants.list, reads="database")
    yield Route(method="GET", path=kind.role_path, handler=grants.check, reads="database", status=204)
    yield Route(method="PUT", path=kind.role_path, handler=grants.create, status=204)
    yield Route(method="DELETE", path=kind.role_path, handler=grants.revoke, status=204)


ROUTES = [
    *(route for kind in KINDS for route in _routes(kind)),
    Route(method="GET", path="/v3/role_assignments", handler=list_assignments, reads="database"),
]

_LIST = either(ADMIN_OR_SYSTEM_READER, domain_reader("target.domain_id"))

#: Asked for by the handlers, which know the user or group, the project or domain, and the role in question.
RULES: list[Allow] = [
    allow("list_grants", GRANT_LIST),
    allow("check_grant", GRANT_READ),
    allow("create_grant", GRANT_WRITE),
    allow("revoke_grant", GRANT_WRITE),
    *(allow(f"list_system_grants_for_{actor}", ADMIN_OR_SYSTEM_READER) for actor in ("user", "group")),
    *(allow(f"check_system_grant_for_{actor}", ADMIN_OR_SYSTEM_READER) for actor in ("user", "group")),
    *(allow(f"create_system_grant_for_{actor}", ADMIN) for actor in ("user", "group")),
    *(allow(f"revoke_system_grant_for_{actor}", ADMIN) for actor in ("user", "group")),
    allow("list_role_assignments", _LIST),
    allow("list_role_assignments_for_tree", either(_LIST, "(role:admin and project_id:%(target.project.id)s)")),
]
