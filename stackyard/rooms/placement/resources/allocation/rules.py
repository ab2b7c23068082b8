"""Claiming and letting go. There is one writer in the cloud, so what is found free here is free at the commit: two
claims never share the last of anything (docs/decisions/0004-one-writer.md)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import CONCURRENT_UPDATE
from stackyard.rooms.placement.resources.allocation import store
from stackyard.rooms.placement.resources.resource_class import rules as classes
from stackyard.rooms.placement.resources.resource_provider import store as providers
from stackyard.rooms.placement.resources.usage import store as usages

#: Whose consumers are that were made without saying it, before 1.8.
NOBODY = "00000000-0000-0000-0000-000000000000"

#: Amounts by provider and resource class.
Having = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What one consumer is to have, in place of whatever it has. generation: what its generation must be now, null if
    it must have nothing; not looked at unless `guarded`. consumer_type: none keeps the one it has."""

    consumer: str
    having: Having
    project_id: str = NOBODY
    user_id: str = NOBODY
    consumer_type: str | None = None
    generation: int | None = None
    guarded: bool = False


def replace(work: Work, wanted: Sequence[Wanted]) -> None:
    """Let each consumer have what is wanted for it, all or none. Raises Conflict when a consumer has changed meanwhile
    or a provider has too little, BadRequest for providers and classes that do not exist."""
    known = store.consumers(work, [each.consumer for each in wanted])
    for each in wanted:
        _check_generation(each, known.get(each.consumer))
    _check_named(work, wanted)
    before = store.of_consumers(work, [each.consumer for each in wanted])
    _check_room(work, wanted, before)
    write(work, wanted, known, before)


def write(work: Work, wanted: Sequence[Wanted], known: Mapping[str, Record], before: Iterable[Record]) -> None:
    """Write it down, whatever there is room for."""
    for each in wanted:
        before_it = known.get(each.consumer)
        store.replace(work, _consumer(each, before_it), each.having, before_it is not None)
    emptied = {each.consumer for each in wanted if not each.having}
    left = {row.provider for row in before if row.consumer in emptied}
    providers.advance(work, left.union(*(each.having for each in wanted)))


def _consumer(wanted: Wanted, known: Record | None) -> Record:
    return Record(
        uuid=wanted.consumer,
        project_id=wanted.project_id,
        user_id=wanted.user_id,
        consumer_type=wanted.consumer_type or (known.consumer_type if known else None),
        generation=(known.generation if known else 0) + 1,
    )


def _check_generation(wanted: Wanted, known: Record | None) -> None:
    actual = known.generation if known else None
    if wanted.guarded and wanted.generation != actual:
        raise Conflict(
            f"consumer generation conflict for {wanted.consumer} - expected {_said(actual)} but got "
            f"{_said(wanted.generation)}.",
            field="consumer_generation",
            remedy="Read its allocations again and repeat the change.",
            kind=CONCURRENT_UPDATE,
        )


def _said(generation: int | None) -> str:
    return "null" if generation is None else str(generation)


def _check_named(work: Work, wanted: Sequence[Wanted]) -> None:
    named = {provider for each in wanted for provider in each.having}
    if missing := sorted(named - set(providers.providers(work, named))):
        raise BadRequest(
            f"Allocation for resource provider '{missing[0]}' that does not exist.",
            field="allocations",
            remedy="Use one of GET /resource_providers.",
        )
    classes.check_known(work, {name for each in wanted for resources in each.having.values() for name in resources})


def _check_room(work: Work, wanted: Sequence[Wanted], before: Sequence[Record]) -> None:
    """Whether everything fits together. Who takes less than before is not kept from it, even where too much is used."""
    named = sorted({provider for each in wanted for provider in each.having})
    inventories, used = providers.inventories(work, named), usages.of(work, named)
    given_back: dict[tuple[str, str], int] = defaultdict(int)
    for row in before:
        given_back[row.provider, row.resource_class] += row.used
    taken: dict[tuple[str, str], int] = defaultdict(int)
    for each in wanted:
        for provider, resources in each.having.items():
            for name, amount in resources.items():
                have = inventories.get(provider, {}).get(name)
                if have is None:
                    raise _refusal(provider, f"it has no inventory of {name}")
                if misfit := have.misfit(amount):
                    raise _refusal(provider, f"{name}: {misfit}")
                taken[provider, name] += amount
    for (provider, name), amount in taken.items():
        now = used.get(provider, {}).get(name, 0)
        others = now - given_back[provider, name]
        too_much = others + amount > inventories[provider][name].capacity
        if too_much and amount > given_back[provider, name]:
            raise _refusal(provider, f"{name}: {_short(inventories[provider][name].capacity - others, amount)}")


def _short(free: int, amount: int) -> str:
    return f"needs {amount}, {max(free, 0)} are free, {amount - max(free, 0)} too few"


def _refusal(provider: str, why: str) -> Conflict:
    return Conflict(
        f"Unable to allocate inventory of resource provider {provider}: {why}.",
        field="allocations",
        remedy="Ask GET /allocation_candidates for what fits.",
    )


def release(work: Work, consumer: str) -> bool:
    """A consumer lets go of everything; whether it had something. Its providers' generations stay, as in Placement."""
    before = store.consumers(work, [consumer])
    store.remove(work, [consumer])
    return bool(before)


def delete(work: Work, consumer: str) -> None:
    """A consumer lets go of everything. Raises NotFound when it has nothing."""
    if not release(work, consumer):
        raise NotFound(f"No allocations for consumer '{consumer[:80]}'.")
