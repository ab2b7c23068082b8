"""Which resource classes there are."""

from collections.abc import Iterable
from typing import Any

import os_resource_classes

from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import answer
from stackyard.rooms.placement.resources.allocation import store as allocations
from stackyard.rooms.placement.resources.resource_class import resource, store
from stackyard.rooms.placement.resources.resource_provider import store as providers

STANDARD: tuple[str, ...] = tuple(os_resource_classes.STANDARDS)


def _url(name: str) -> str:
    return f"/placement/resource_classes/{name}"


def _shown(name: str) -> dict[str, Any]:
    return {"name": name, "links": [{"rel": "self", "href": _url(name)}]}


def list_all(work: Work, body: Any, query: Record) -> Reply:
    """The standard ones, then the cloud's own."""
    own = store.custom(work)
    names = [*STANDARD, *(each.name for each in own)]
    return answer(work, {"resource_classes": [_shown(each) for each in names]}, [each.updated_at for each in own])


def show(work: Work, body: Any, query: Record) -> Reply:
    """One of them."""
    name = work.params["name"]
    check_exists(work, name)
    own = store.get(work, name)
    return answer(work, _shown(name), [own.updated_at] if own else ())


def create(work: Work, body: Record, query: Record) -> Reply:
    """One more of the cloud's own."""
    if store.get(work, body.name):
        raise _exists(body.name)
    store.add(work, body.name)
    return Reply(status=201, headers={"Location": work.base_url + _url(body.name)})


def _exists(name: str) -> Conflict:
    return Conflict(f"Conflicting resource class already exists: {name}.", field="name", remedy="Use it.")


def ensure(work: Work, body: Any, query: Record) -> Reply:
    """One of the cloud's own, there already (204) or made now (201)."""
    name = work.params["name"]
    if body:
        raise BadRequest("A resource class is named in the path; the request has no body.", remedy="Leave it out.")
    resource.RESOURCE_CLASS.all_fields["name"].kind.parse(name, "name", True)
    known, status = store.get(work, name), 204
    if known is None:
        status = 201
        known = store.add(work, name)
    return answer(work, None, [known.updated_at], status=status, Location=work.base_url + _url(name))


def make_sure_of(work: Work, names: Iterable[str]) -> None:
    """There are all of these afterwards."""
    for name in names:
        if name not in STANDARD and not store.get(work, name):
            store.add(work, name)


def rename(work: Work, body: Record, query: Record) -> Reply:
    """One of the cloud's own gets another name, with what there is of it (until 1.7)."""
    old, new = work.params["name"], body.name
    check_exists(work, old)
    if old in STANDARD:
        raise BadRequest(f"Cannot update standard resource class {old}.", remedy="Make a CUSTOM_ class.")
    if store.get(work, new):
        raise _exists(new)
    store.rename(work, old, new)
    providers.rename_class(work, old, new)
    allocations.rename_class(work, old, new)
    return answer(work, _shown(new))


def delete(work: Work, body: Any, query: Record) -> None:
    """One of the cloud's own that nobody has any of goes."""
    name = work.params["name"]
    check_exists(work, name)
    if name in STANDARD:
        raise BadRequest(f"Error in delete resource class: Cannot delete standard resource class {name}.")
    if providers.has_inventory_of(work, name):
        raise Conflict(
            f"Error in delete resource class: {name} is in use in inventory.", remedy="Delete the inventories first."
        )
    store.remove(work, name)


def check_exists(work: Work, name: str) -> None:
    """Raise NotFound unless there is this class."""
    if name not in STANDARD and not store.get(work, name):
        raise NotFound(f"No such resource class {name}.", remedy="Ask for one of GET /resource_classes.")


def check_known(work: Work, names: Iterable[str]) -> None:
    """Raise BadRequest naming those that are no resource classes."""
    if unknown := [each for each in names if each not in STANDARD and not store.get(work, each)]:
        raise BadRequest(
            f"No such resource class {', '.join(sorted(unknown))[:255]}.",
            field="resources",
            remedy="Use one of GET /resource_classes, or create a CUSTOM_ one.",
        )
