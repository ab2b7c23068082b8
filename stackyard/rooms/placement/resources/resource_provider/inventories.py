"""What a provider has of each resource class. Source: Placement API reference, "Resource provider inventories"."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.kinds import Integer, MapOf, Number, Object, Text
from stackyard.kernel.declare.resource import Field
from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.capacity import MOST, Inventory, inventory
from stackyard.rooms.placement.dialect import CONCURRENT_UPDATE, INVENTORY_IN_USE, answer, since
from stackyard.rooms.placement.resources.resource_class import rules as classes
from stackyard.rooms.placement.resources.resource_provider import rules, store
from stackyard.rooms.placement.resources.usage import store as usages

CLASS = Text(min=1, pattern="[A-Z0-9_]+")
_COUNT = Integer(min=1, max=MOST)
_RATIO = Number(min=0, max=3.4e38)
_PARTS = {
    "total": _COUNT, "reserved": Integer(min=0, max=MOST), "min_unit": _COUNT, "max_unit": _COUNT,
    "step_size": _COUNT, "allocation_ratio": _RATIO,
}  # fmt: skip
#: The body's generation is optional here: who gives it is held to it.
FIELDS = [
    Field(name="resource_provider_generation", kind=Integer()),
    *(Field(name=name, kind=kind, required=name == "total") for name, kind in _PARTS.items()),
]
INVENTORIES = MapOf(Object({"resource_provider_generation": Integer(), **_PARTS}, required=["total"]), key=CLASS)


def _of(work: Work, provider: Record) -> dict[str, Inventory]:
    return store.inventories(work, [provider.uuid]).get(provider.uuid, {})


def _one(work: Work, provider: Record) -> tuple[str, Inventory | None]:
    """The class that the path names, and what the provider has of it."""
    name = work.params["resource_class"]
    return name, _of(work, provider).get(name)


def _shown(provider: Record, each: Inventory) -> dict[str, Any]:
    return {**each.shown(), "resource_provider_generation": provider.generation}


def _all_shown(work: Work, provider: Record, found: Mapping[str, Inventory]) -> Reply:
    shown = {name: each.shown() for name, each in found.items()}
    body = {"inventories": shown, "resource_provider_generation": provider.generation}
    return answer(work, body, [provider.updated_at])


def show_all(work: Work, provider: Record, body: Any, query: Record) -> Reply:
    """Everything it has."""
    return _all_shown(work, provider, _of(work, provider))


def show(work: Work, provider: Record, body: Any, query: Record) -> Reply:
    """What it has of one class."""
    name, found = _one(work, provider)
    if found is None:
        raise NotFound(f"No inventory of class {name} for {provider.uuid}.")
    return answer(work, _shown(provider, found), [provider.updated_at])


def create(work: Work, provider: Record, body: Record, query: Record) -> Reply:
    """It has something of one class more."""
    name, have = body.resource_class, _of(work, provider)
    if name in have:
        raise Conflict(
            f"Update conflict: provider {provider.uuid} has an inventory of {name} already.",
            remedy="Change it with PUT.",
            kind=CONCURRENT_UPDATE,
        )
    made = inventory(body)
    after = put(work, provider, {**have, name: made})
    url = f"{work.base_url}/placement/resource_providers/{provider.uuid}/inventories/{name}"
    return answer(work, _shown(after, made), [after.updated_at], status=201, Location=url)


def replace(work: Work, provider: Record, body: Record, query: Record) -> Reply:
    """It has this and nothing else."""
    rules.check_generation(provider, body.resource_provider_generation)
    wanted = {name: inventory(each) for name, each in body.inventories.items()}
    return _all_shown(work, put(work, provider, wanted), wanted)


def update(work: Work, provider: Record, body: Record, query: Record) -> Reply:
    """It has another amount of one class, or under other conditions."""
    rules.check_generation(provider, body.resource_provider_generation)
    name, found = _one(work, provider)
    if found is None:
        raise BadRequest(
            f"No inventory record with resource class {name} for resource provider {provider.uuid}.",
            remedy="Create it with POST.",
        )
    made = inventory(body)
    after = put(work, provider, {**_of(work, provider), name: made})
    return answer(work, _shown(after, made), [after.updated_at])


def delete_all(work: Work, provider: Record, body: Any, query: Record) -> None:
    """It has nothing any more."""
    put(work, provider, {})


def delete(work: Work, provider: Record, body: Any, query: Record) -> None:
    """It has nothing of one class any more."""
    name, found = _one(work, provider)
    if found is None:
        raise NotFound(f"No inventory of class {name} found for delete on {provider.uuid}.")
    put(work, provider, {each: one for each, one in _of(work, provider).items() if each != name})


def put(work: Work, provider: Record, wanted: Mapping[str, Inventory]) -> Record:
    """Replace what a provider has; returns it with its next generation. Raises BadRequest for an unknown class or an
    inventory without capacity, Conflict when something that is used would go."""
    classes.check_known(work, wanted)
    for name, each in wanted.items():
        _check_capacity(work, provider, name, each)
    used = usages.of(work, [provider.uuid]).get(provider.uuid, {})
    if gone := [f"{amount} {name}" for name, amount in sorted(used.items()) if name not in wanted]:
        raise Conflict(
            f"Inventory on resource provider {provider.uuid} is in use: {', '.join(gone)} are allocated.",
            remedy="Delete these allocations, or move them elsewhere, first.",
            kind=INVENTORY_IN_USE,
        )
    store.set_inventories(work, provider.uuid, wanted)
    return rules.advanced(work, provider)


def _check_capacity(work: Work, provider: Record, name: str, each: Inventory) -> None:
    """All of it may be reserved since 1.26; before that, something had to be left."""
    if each.capacity < 0 or each.reserved > each.total or (each.capacity == 0 and not since(work, 26)):
        raise BadRequest(
            f"Invalid inventory for '{name}' on resource provider '{provider.uuid}'. The reserved value is greater "
            f"than {'' if since(work, 26) else 'or equal to '}total: {each.reserved} of {each.total}.",
            field="reserved",
            remedy="Reserve less.",
        )
