"""Use cases of registered limits."""

from typing import Any

from stackyard.kernel.errors import Forbidden
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render
from stackyard.rooms.identity.errors import duplicate, invalid
from stackyard.rooms.identity.resources.limit import store as limits
from stackyard.rooms.identity.resources.registered_limit import resource, store


def create(work: Work, body: Record, query: Record) -> dict[str, Any]:
    """Make all of them or none. Raises BadRequest for an unknown service or region, Conflict for one that is there."""
    if not body["registered_limits"]:
        raise invalid("registered_limits", "must have at least one item.")
    made = [_made(work, each) for each in body["registered_limits"]]
    return {"registered_limits": [render.item(work, resource.REGISTERED_LIMIT, each) for each in made]}


def _made(work: Work, wanted: Record) -> Record:
    store.check_catalog(work, wanted)
    _check_free(work, wanted)
    return kernel_rows.insert(work, resource.REGISTERED_LIMIT, wanted)


def _check_free(work: Work, wanted: Any) -> None:
    if store.registered(work.tx, store.of(wanted)):
        said = f"service {wanted['service_id']}, region {wanted.get('region_id')}, resource {wanted['resource_name']}"
        raise duplicate("registered limit", f"Duplicate entry for {said}")


def update(work: Work, registered: Record, changes: Record) -> Record:
    """Change it. What it is of stays as it is while limits refer to it (Forbidden)."""
    moved = {
        name: changes[name] for name in store.Of._fields if changes.get(name, registered[name]) != registered[name]
    }
    if moved:
        _check_unused(work, registered)
        store.check_catalog(work, moved)
        _check_free(work, {**registered, **moved})
    return kernel_rows.change(work, resource.REGISTERED_LIMIT, registered, changes)


def delete(work: Work, registered: Record, query: Record) -> None:
    """Delete it, unless limits refer to it (Forbidden)."""
    _check_unused(work, registered)
    kernel_rows.remove(work, resource.REGISTERED_LIMIT, registered)


def _check_unused(work: Work, registered: Record) -> None:
    if found := limits.on(work.tx, store.of(registered)):
        raise Forbidden(
            f"Unable to update or delete registered limit {registered.id} because there are project limits associated "
            f"with it: {', '.join(each.id for each in found[:3])}.",
            remedy="Delete those limits first.",
        )
