"""Use cases of endpoint filters: a project with any association has a catalog of just what it is associated with."""

from dataclasses import dataclass
from typing import Any

from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render, rows
from stackyard.rooms.identity.errors import invalid
from stackyard.rooms.identity.resources import endpoint as endpoints
from stackyard.rooms.identity.resources.endpoint_filter import resource, store
from stackyard.rooms.identity.resources.project import resource as projects

_PREFIX = "OS-EP-FILTER"


def create(work: Work, wanted: Record) -> Record:
    """Make an endpoint group. Raises BadRequest when it asks for nothing."""
    _check(wanted)
    return kernel_rows.insert(work, resource.ENDPOINT_GROUP, wanted)


def update(work: Work, group: Record, body: Record, query: Record) -> Record:
    """Change an endpoint group; the catalogs of its projects follow at once."""
    if not body.endpoint_group:
        raise BadRequest("The request changes nothing.", field="endpoint_group")
    changes = Record({name: value for name, value in body.endpoint_group.items() if value is not None})
    if "filters" in changes:
        _check(changes)
    return kernel_rows.change(work, resource.ENDPOINT_GROUP, group, changes)


def _check(given: Record) -> None:
    if not given["filters"]:
        raise invalid("filters", "at least one of service_id, region_id, interface is required.")


def delete(work: Work, group: Record, query: Record) -> None:
    """Delete an endpoint group; its projects lose it."""
    store.forget_group(work.tx, group.id)
    kernel_rows.remove(work, resource.ENDPOINT_GROUP, group)


def list_endpoints(work: Work, group: Record, body: Record, query: Record) -> dict[str, Any]:
    """The endpoints in the group."""
    found = store.endpoints_of_group(work.tx, group)
    return render.collection(work, endpoints.ENDPOINT, found, f"{_PREFIX}/endpoint_groups/{group.id}/endpoints")


def list_projects(work: Work, group: Record, body: Record, query: Record) -> dict[str, Any]:
    """The projects that have the group."""
    found = store.projects_of_group(work.tx, group.id)
    return render.collection(work, projects.PROJECT, found, f"{_PREFIX}/endpoint_groups/{group.id}/projects")


def show_in_project(work: Work, group: Record, body: Record, query: Record) -> dict[str, Any]:
    """The association of the group with a project. Raises NotFound."""
    project = rows.existing(work, projects.PROJECT, work.params["project_id"])
    pair = {"endpoint_group_id": group.id, "project_id": project.id}
    if not store.is_associated(work.tx, store.PROJECT_GROUP, **pair):
        raise _missing("endpoint group", group.id, project.id)
    link = render.url(work, f"{_PREFIX}/endpoint_groups/{group.id}/projects/{project.id}")
    return {"project_endpoint_group": {**pair, "links": {"self": link}}}


def add_to_project(work: Work, group: Record, body: Record, query: Record) -> None:
    """Give the group to a project. Raises Conflict when it has it."""
    project = rows.existing(work, projects.PROJECT, work.params["project_id"])
    _associate(work, store.PROJECT_GROUP, "endpoint group", project_id=project.id, endpoint_group_id=group.id)


def remove_from_project(work: Work, group: Record, body: Record, query: Record) -> None:
    """Take the group from a project. Raises NotFound when it does not have it."""
    project = rows.existing(work, projects.PROJECT, work.params["project_id"])
    if not store.dissociate(work.tx, store.PROJECT_GROUP, project_id=project.id, endpoint_group_id=group.id):
        raise _missing("endpoint group", group.id, project.id)


@dataclass(frozen=True)
class _Pair:
    project: Record
    endpoint: Record


def _pair(work: Work, request: Request) -> _Pair:
    endpoint = rows.existing(work, endpoints.ENDPOINT, request.params["endpoint_id"])
    return _Pair(rows.existing(work, projects.PROJECT, request.params["project_id"]), endpoint)


def add_endpoint(work: Work, request: Request) -> None:
    """Give an endpoint to a project. Raises Conflict when it has it."""
    pair = _pair(work, request)
    _associate(work, store.PROJECT_ENDPOINT, "endpoint", project_id=pair.project.id, endpoint_id=pair.endpoint.id)


def check_endpoint(work: Work, request: Request) -> None:
    """Whether the project has the endpoint by itself. Raises NotFound."""
    pair = _pair(work, request)
    key = {"project_id": pair.project.id, "endpoint_id": pair.endpoint.id}
    if not store.is_associated(work.tx, store.PROJECT_ENDPOINT, **key):
        raise _missing("endpoint", pair.endpoint.id, pair.project.id)


def remove_endpoint(work: Work, request: Request) -> None:
    """Take an endpoint from a project. Raises NotFound when it does not have it by itself."""
    key = {"project_id": request.params["project_id"], "endpoint_id": request.params["endpoint_id"]}
    if not store.dissociate(work.tx, store.PROJECT_ENDPOINT, **key):
        raise _missing("endpoint", key["endpoint_id"], key["project_id"])


def endpoints_of_project(work: Work, request: Request) -> dict[str, Any]:
    """The endpoints a project has, by themselves or in a group."""
    project = rows.existing(work, projects.PROJECT, request.params["project_id"])
    found = store.endpoints_of_project(work.tx, project.id)
    return render.collection(work, endpoints.ENDPOINT, found, f"{_PREFIX}/projects/{project.id}/endpoints")


def groups_of_project(work: Work, request: Request) -> dict[str, Any]:
    """The endpoint groups a project has."""
    project = rows.existing(work, projects.PROJECT, request.params["project_id"])
    found = store.groups_of_project(work.tx, project.id)
    path = f"{_PREFIX}/projects/{project.id}/endpoint_groups"
    return render.collection(work, resource.ENDPOINT_GROUP, found, path)


def projects_of_endpoint(work: Work, request: Request) -> dict[str, Any]:
    """The projects that have an endpoint by itself."""
    endpoint = rows.existing(work, endpoints.ENDPOINT, request.params["endpoint_id"])
    found = store.projects_of_endpoint(work.tx, endpoint.id)
    return render.collection(work, projects.PROJECT, found, f"{_PREFIX}/endpoints/{endpoint.id}/projects")


def _associate(work: Work, kind: "store.Kind", noun: str, **pair: str) -> None:
    if store.is_associated(work.tx, kind, **pair):
        said = f"{noun} {pair[next(name for name in pair if name != 'project_id')]}"
        raise Conflict(f"Conflict: {said} is already associated with project {pair['project_id']}.")
    store.associate(work.tx, kind, **pair)


def _missing(noun: str, object_id: str, project_id: str) -> NotFound:
    return NotFound(f"The {noun} {object_id} is not associated with project {project_id}.")
