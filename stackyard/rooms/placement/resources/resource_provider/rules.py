"""Making, moving and removing providers, and keeping what was read apart from what has changed since."""

from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.request.shapes import show
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import (
    CANNOT_DELETE_PARENT,
    CONCURRENT_UPDATE,
    DIALECT,
    DUPLICATE_NAME,
    PROVIDER_IN_USE,
    answer,
    since,
)
from stackyard.rooms.placement.resources.resource_provider import resource, store
from stackyard.rooms.placement.resources.usage import store as usages


def create(work: Work, wanted: Record) -> Reply:
    """A new provider, alone or as a part of another. Shown since 1.20; before that, named in a header only."""
    made = add(work, wanted)
    location = f"{work.base_url}/placement/resource_providers/{made.uuid}"
    if not since(work, 20):
        return Reply(status=201, headers={"Location": location})
    shown = show(work, resource.RESOURCE_PROVIDER, made, DIALECT, "")
    return answer(work, shown, [made.updated_at], Location=location)


def add(work: Work, wanted: Record) -> Record:
    """Write a new provider. Raises Conflict when its name or id is taken, BadRequest when its parent is not there."""
    values = Record({"uuid": work.new_id(), **wanted})
    for name in ("name", "uuid"):
        if work.tx.get(resource.RESOURCE_PROVIDER.table, **{name: values[name]}):
            raise _duplicate(name, values[name])
    parent = values.get("parent_provider_uuid")
    root = _parent(work, values.uuid, parent).root_provider_uuid if parent else values.uuid
    return rows.insert(
        work, resource.RESOURCE_PROVIDER, {**values, "root_provider_uuid": root, "updated_at": work.now}
    )


def _duplicate(name: str, value: str) -> Conflict:
    return Conflict(
        f"Conflicting resource provider {name}: {value} already exists.",
        field=name,
        remedy="Choose another, or use the one that exists.",
        kind=DUPLICATE_NAME,
    )


def _parent(work: Work, uuid: str, parent: str) -> Record:
    found = store.get(work, parent)
    if found is None:
        raise BadRequest(
            f"The parent of provider {uuid} does not exist: {parent}.",
            field="parent_provider_uuid",
            remedy="Create the parent first, or give null for a provider of its own.",
        )
    return found


def update(work: Work, provider: Record, changes: Record) -> Record:
    """Rename a provider, or (since 1.37; before that once, from none) give it another place in another tree."""
    if "name" not in changes:
        raise BadRequest("Invalid input for field 'name': is required.", field="name")
    other = store.named(work, changes.name)
    if other and other.uuid != provider.uuid:
        raise _duplicate("name", changes.name)
    parent = changes.get("parent_provider_uuid", provider.parent_provider_uuid)
    if parent != provider.parent_provider_uuid:
        _move(work, provider, parent)
    found = store.get(work, provider.uuid)
    assert found is not None
    return rows.change(
        work,
        resource.RESOURCE_PROVIDER,
        found,
        {"name": changes.name, "parent_provider_uuid": parent, "updated_at": work.now},
    )


def _move(work: Work, provider: Record, parent: str | None) -> None:
    """Put a provider and all below it under another parent."""
    if provider.parent_provider_uuid and not since(work, 37):
        raise BadRequest(
            f"Provider {provider.uuid} has a parent: before version 1.37 it keeps it.", field="parent_provider_uuid"
        )
    below = _below(work, provider)
    if parent in below:
        raise BadRequest(
            f"Provider {parent} is {provider.uuid} itself or a part of it: a tree has no circles.",
            field="parent_provider_uuid",
            remedy="Choose a provider outside of its subtree.",
        )
    root = _parent(work, provider.uuid, parent).root_provider_uuid if parent else provider.uuid
    store.set_root(work, below, root)


def _below(work: Work, provider: Record) -> set[str]:
    """The provider and its parts, and theirs."""
    tree, found = store.tree(work, provider.root_provider_uuid), {provider.uuid}
    for _ in tree:
        found |= {each.uuid for each in tree if each.parent_provider_uuid in found}
    return found


def delete(work: Work, provider: Record, query: Record) -> None:
    """Remove a provider. Raises Conflict while it has parts, or something of it is allocated."""
    if store.children(work, provider.uuid):
        raise Conflict(
            f"Unable to delete parent resource provider {provider.uuid}: It has child resource providers.",
            remedy="Delete them first.",
            kind=CANNOT_DELETE_PARENT,
        )
    if used := usages.of(work, [provider.uuid]).get(provider.uuid):
        said = ", ".join(f"{amount} {name}" for name, amount in sorted(used.items()))
        raise Conflict(
            f"Unable to delete resource provider {provider.uuid}: Resource provider has allocations: {said}.",
            remedy="Delete them, or move them elsewhere, first.",
            kind=PROVIDER_IN_USE,
        )
    store.forget(work, provider.uuid)
    usages.forget(work, provider.uuid)
    rows.remove(work, resource.RESOURCE_PROVIDER, provider)


def check_generation(provider: Record, given: int) -> None:
    """Raise Conflict when the provider has changed since the caller read it."""
    if provider.generation != given:
        raise Conflict(
            f"resource provider generation conflict for provider {provider.uuid}: actual: {provider.generation}, "
            f"given: {given}.",
            field="resource_provider_generation",
            remedy="Read it again and repeat the change.",
            kind=CONCURRENT_UPDATE,
        )


def advanced(work: Work, provider: Record) -> Record:
    """The provider with its next generation, written down."""
    store.advance(work, [provider.uuid])
    return Record({**provider, "generation": provider.generation + 1, "updated_at": work.now})
