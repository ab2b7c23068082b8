"""Which traits a provider has, and which aggregates it belongs to. Source: Placement API reference, "Resource provider
traits" and "Resource provider aggregates"."""

from collections.abc import Iterable
from typing import Any

from stackyard.kernel.declare.kinds import Integer, ListOf, Object, Text, Uuid, invalid
from stackyard.kernel.errors import BadRequest
from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import answer, since
from stackyard.rooms.placement.resources.resource_provider import rules, store
from stackyard.rooms.placement.resources.trait import rules as known_traits

TRAITS = ListOf(Text(min=1))
_AGGREGATES = ListOf(Uuid(), unique=True)
_WITH_GENERATION = Object(
    {"aggregates": _AGGREGATES, "resource_provider_generation": Integer()},
    required=["aggregates", "resource_provider_generation"],
)


def traits(work: Work, provider: Record, body: Any, query: Record) -> Reply:
    """What it is or can."""
    return _traits_shown(work, provider, store.traits(work, [provider.uuid]).get(provider.uuid, ()))


def _traits_shown(work: Work, provider: Record, found: Iterable[str]) -> Reply:
    body = {"traits": sorted(set(found)), "resource_provider_generation": provider.generation}
    return answer(work, body, [provider.updated_at])


def set_traits(work: Work, provider: Record, body: Record, query: Record) -> Reply:
    """It is or can this, and nothing else."""
    rules.check_generation(provider, body.resource_provider_generation)
    if unknown := known_traits.unknown(work, body.traits):
        raise BadRequest(
            f"No such trait {', '.join(unknown)}.", field="traits", remedy="Create CUSTOM_ traits with PUT /traits."
        )
    store.set_traits(work, provider.uuid, body.traits)
    return _traits_shown(work, rules.advanced(work, provider), body.traits)


def delete_traits(work: Work, provider: Record, body: Any, query: Record) -> None:
    """It is nothing in particular any more."""
    store.set_traits(work, provider.uuid, [])
    rules.advanced(work, provider)


def aggregates(work: Work, provider: Record, body: Any, query: Record) -> Reply:
    """What it belongs to."""
    return _aggregates_shown(work, provider, sorted(store.aggregates(work, [provider.uuid]).get(provider.uuid, ())))


def _aggregates_shown(work: Work, provider: Record, found: Iterable[str]) -> Reply:
    generation = {"resource_provider_generation": provider.generation} if since(work, 19) else {}
    return answer(work, {"aggregates": list(found), **generation})


def set_aggregates(work: Work, provider: Record, body: Any, query: Record) -> Reply:
    """It belongs to these, and no other. The provider's generation is asked for and kept since 1.19."""
    if not isinstance(body, list | dict):
        raise invalid("aggregates", "give a list of UUIDs, in an object with the provider's generation since 1.19.")
    if not since(work, 19):
        wanted = _AGGREGATES.parse(body, "aggregates", True)
        store.set_aggregates(work, provider.uuid, wanted)
        return _aggregates_shown(work, provider, wanted)
    given = _WITH_GENERATION.parse(body, "body", True)
    rules.check_generation(provider, given["resource_provider_generation"])
    store.set_aggregates(work, provider.uuid, given["aggregates"])
    return _aggregates_shown(work, rules.advanced(work, provider), given["aggregates"])
