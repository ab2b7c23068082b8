"""Tags below every taggable object, as routes. Source: Network API v2.0, "Standard attributes tag extension"."""

from typing import Any

from stackyard.kernel.declare.kinds import ListOf
from stackyard.kernel.declare.resource import Resource, Route
from stackyard.kernel.errors import BadRequest, Forbidden, NotFound
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.fields import MOST_TAGS, TAG
from stackyard.rooms.network.resources.floating_ip import FLOATING_IP
from stackyard.rooms.network.resources.network import NETWORK
from stackyard.rooms.network.resources.port import PORT
from stackyard.rooms.network.resources.router import ROUTER
from stackyard.rooms.network.resources.security_group import SECURITY_GROUP
from stackyard.rooms.network.resources.subnet import SUBNET
from stackyard.rooms.network.resources.subnet_pool import SUBNET_POOL

#: By the word in the path.
TAGGED: dict[str, Resource] = {
    each.path.rpartition("/")[2]: each
    for each in (NETWORK, SUBNET, SUBNET_POOL, PORT, ROUTER, FLOATING_IP, SECURITY_GROUP)
}


def _found(work: Work, request: Request, *, write: bool) -> tuple[Resource, Record]:
    resource = TAGGED.get(request.params["collection"])
    if resource is None:
        raise NotFound(f"{request.params['collection'][:80]} have no tags.", kind="TagResourceNotFound")
    record = rows.find(work, resource, request.params["id"])
    rule = resource.policy["update" if write else "show"].name
    extra = resource.target(work, record) if resource.target else {}
    if not work.allows(rule, {**record, **extra}):
        raise Forbidden(f"(rule:{rule}) is disallowed by policy.", kind="PolicyNotAuthorized")
    return resource, record


def _list(work: Work, request: Request) -> dict[str, Any]:
    return {"tags": _found(work, request, write=False)[1].tags}


def _check(work: Work, request: Request) -> None:
    _has(_found(work, request, write=False)[1], request.params["tag"])


def _has(record: Record, tag: str) -> None:
    if tag not in record.tags:
        raise NotFound(f"Tag {tag[:255]} could not be found.", kind="TagNotFound")


def _replace(work: Work, request: Request) -> dict[str, Any]:
    resource, record = _found(work, request, write=True)
    if not isinstance(request.body, dict) or "tags" not in request.body:
        raise BadRequest("The request body must be an object with the member 'tags'.", field="tags")
    tags = list(dict.fromkeys(ListOf(TAG, max=MOST_TAGS).parse(request.body["tags"], "tags", True)))
    rows.change(work, resource, record, {"tags": tags})
    return {"tags": tags}


def _add(work: Work, request: Request) -> Reply:
    resource, record = _found(work, request, write=True)
    tag = TAG.parse(request.params["tag"], "tag", True)
    tags = ListOf(TAG, max=MOST_TAGS).parse(list(dict.fromkeys([*record.tags, tag])), "tags", True)
    rows.change(work, resource, record, {"tags": tags})
    return Reply(status=201)


def _remove(work: Work, request: Request) -> None:
    resource, record = _found(work, request, write=True)
    _has(record, request.params["tag"])
    rows.change(work, resource, record, {"tags": [each for each in record.tags if each != request.params["tag"]]})


def _clear(work: Work, request: Request) -> None:
    resource, record = _found(work, request, write=True)
    rows.change(work, resource, record, {"tags": []})


_TAGS = "/v2.0/{collection}/{id}/tags"
_TAG = "/v2.0/{collection}/{id}/tags/{tag}"
ROUTES = [
    Route(method="GET", path=_TAGS, handler=_list, doc="An object's tags."),
    Route(method="PUT", path=_TAGS, handler=_replace, doc="Replace an object's tags."),
    Route(method="DELETE", path=_TAGS, handler=_clear, status=204, doc="Take all of an object's tags away."),
    Route(method="GET", path=_TAG, handler=_check, status=204, doc="Whether an object has a tag."),
    Route(method="PUT", path=_TAG, handler=_add, status=201, doc="Add a tag."),
    Route(method="DELETE", path=_TAG, handler=_remove, status=204, doc="Take a tag away."),
]
