"""Endpoints by project, and projects by endpoint."""

from stackyard.kernel.declare.resource import Route
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources.endpoint_filter import rules

_PROJECT = "/v3/OS-EP-FILTER/projects/{project_id}"
_PAIR = f"{_PROJECT}/endpoints/{{endpoint_id}}"

ROUTES = [
    Route(
        method="GET",
        path=f"{_PROJECT}/endpoints",
        handler=rules.endpoints_of_project,
        reads="database",
        allow=allow("list_endpoints_for_project", ADMIN_OR_SYSTEM_READER),
    ),
    Route(
        method="GET",
        path=f"{_PROJECT}/endpoint_groups",
        handler=rules.groups_of_project,
        reads="database",
        allow=allow("list_endpoint_groups_for_project", ADMIN_OR_SYSTEM_READER),
    ),
    Route(
        method="GET",
        path="/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects",
        handler=rules.projects_of_endpoint,
        reads="database",
        allow=allow("list_projects_for_endpoint", ADMIN_OR_SYSTEM_READER),
    ),
    Route(
        method="GET",
        path=_PAIR,
        handler=rules.check_endpoint,
        reads="database",
        status=204,
        allow=allow("check_endpoint_in_project", ADMIN_OR_SYSTEM_READER),
    ),
    Route(
        method="PUT",
        path=_PAIR,
        handler=rules.add_endpoint,
        status=204,
        allow=allow("add_endpoint_to_project", ADMIN),
    ),
    Route(
        method="DELETE",
        path=_PAIR,
        handler=rules.remove_endpoint,
        status=204,
        allow=allow("remove_endpoint_from_project", ADMIN),
    ),
]
