"""How much of a provider is used, and by whom. Source: Placement API reference, "Resource provider usages" and
"Resource provider allocations"."""

from typing import Any

from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import answer, since
from stackyard.rooms.placement.resources.allocation import store as allocated
from stackyard.rooms.placement.resources.resource_provider import store
from stackyard.rooms.placement.resources.usage import store as usages


def used(work: Work, provider: Record, body: Any, query: Record) -> Reply:
    """How much of each class that it has is used."""
    have = store.inventories(work, [provider.uuid]).get(provider.uuid, {})
    found = usages.of(work, [provider.uuid]).get(provider.uuid, {})
    shown = {name: found.get(name, 0) for name in have}
    return answer(work, {"usages": shown, "resource_provider_generation": provider.generation})


def allocations(work: Work, provider: Record, body: Any, query: Record) -> Reply:
    """What each consumer has of it."""
    shown: dict[str, dict[str, Any]] = {}
    found = allocated.of_provider(work, provider.uuid)
    for row in found:
        entry = shown.setdefault(row.consumer, {"resources": {}})
        entry["resources"][row.resource_class] = row.used
        if since(work, 28):
            entry["consumer_generation"] = row.consumer_generation
    body = {"allocations": shown, "resource_provider_generation": provider.generation}
    return answer(work, body, [row.created_at for row in found])
