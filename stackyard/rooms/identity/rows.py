"""What the rules of this room do with rows beyond the kernel's own verbs: objects a request names, options, domains."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import duplicate, immutable, invalid, unknown


def existing(work: Work, resource: Resource, object_id: str, **also: Any) -> Record:
    """The row with that id (and those values). Raises NotFound."""
    found = work.tx.get(resource.table, id=object_id, **also)
    if found is None:
        raise unknown(resource.name, object_id)
    return found


def free_name(work: Work, resource: Resource, name: str, **within: Any) -> None:
    """Raise Conflict when an object with that name exists within the same domain."""
    if work.tx.get(resource.table, name=name, **within) is not None:
        raise duplicate(resource.name, f"Duplicate entry found with name {name}")


def mutable(resource: Resource, record: Record, changes: Mapping[str, Any] | None = None) -> None:
    """Raise Forbidden when the object's option `immutable` is set, unless the change is to lift it, and no other."""
    if not (record.get("options") or {}).get("immutable"):
        return
    # What the API does not know is gathered in `extra`, which is there though it be empty.
    named = {name for name, value in (changes or {}).items() if (name, value) != ("extra", {})}
    options = (changes or {}).get("options") or {}
    if named != {"options"} or options.get("immutable", True):
        raise immutable(resource.name, record.id)


def unchanged(record: Record, changes: Record, *names: str) -> None:
    """Raise BadRequest when a change touches what is fixed once made; naming it as it is does no harm."""
    for name in names:
        if name in changes and changes.pop(name) != record.get(name):
            raise invalid(name, "cannot be changed.")


def merge_options(record: Record, changes: Record) -> None:
    """Fold changed options into the stored ones, in `changes`: an option not named stays, null takes it away."""
    if "options" in changes:
        both = {**(record.get("options") or {}), **(changes["options"] or {})}
        changes["options"] = {name: value for name, value in both.items() if value is not None}


def in_reach(work: Work, record: Record) -> bool:
    """Whether the caller's token may be shown an object: that of a domain only what is in the domain."""
    return work.caller.domain_id in (None, record.domain_id)


def own_domain(work: Work) -> str:
    """The domain a new object falls into when the request names none: the token's."""
    return work.caller.domain_id or work.caller.project_domain_id or "default"
