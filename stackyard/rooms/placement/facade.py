"""What other rooms may ask of placement: to say what their hosts provide, and to claim it for what they make.

Every function joins the caller's transaction, so that an object and its claim are committed together or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stackyard.kernel.errors import Conflict
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.capacity import Inventory
from stackyard.rooms.placement.dialect import DUPLICATE_NAME
from stackyard.rooms.placement.resources.allocation import rules as allocations
from stackyard.rooms.placement.resources.allocation import store as allocated
from stackyard.rooms.placement.resources.allocation.rules import Wanted
from stackyard.rooms.placement.resources.resource_class import rules as classes
from stackyard.rooms.placement.resources.resource_provider import rules, store
from stackyard.rooms.placement.resources.usage import store as usages

__all__ = [
    "Candidate", "Claim", "Consumer", "Inventory", "NoHost", "change", "claim", "claims", "offer", "record", "release",
    "used",
]  # fmt: skip

#: Amounts by resource class. What is not needed may be there as nothing.
Needs = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """For whom something is claimed: the object's id, whose it is, and its type, in capitals."""

    id: str
    project_id: str
    user_id: str
    type: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A provider that could be claimed from. refusal: why it may not, as the caller knows; empty when it may."""

    provider: str
    name: str
    refusal: str = ""


@dataclass(frozen=True)
class Claim:
    """What a consumer has of one provider."""

    provider: str
    needs: Needs


class NoHost(Conflict):
    """No candidate can give what is needed. `lacks`: by the candidate's name, everything that keeps it from that."""

    def __init__(self, lacks: Mapping[str, str]) -> None:
        said = "; ".join(f"{name}: {why}" for name, why in lacks.items()) or "there is none yet"
        super().__init__(f"No valid host was found. {said}.", remedy="Ask for less, or make room.")
        self.lacks = dict(lacks)


# -- what there is --


def offer(work: Work, uuid: str, name: str, totals: Mapping[str, Inventory]) -> None:
    """Say what a host provides: a new provider, or the known one made current. What an operator has chosen of an
    inventory (reserved, allocation_ratio, units, step) stays, and so do classes that this does not name. Raises
    Conflict when another provider has the name."""
    classes.make_sure_of(work, totals)
    provider = store.get(work, uuid) or _new(work, uuid, name)
    have = store.inventories(work, [uuid]).get(uuid, {})
    wanted = have | {each: _current(have.get(each), one) for each, one in totals.items() if one.total > 0}
    if wanted != have:
        store.set_inventories(work, uuid, wanted)
        rules.advanced(work, provider)


def _new(work: Work, uuid: str, name: str) -> Record:
    other = store.named(work, name)
    if other is not None:
        raise Conflict(
            f"Resource provider {other.uuid} has the name of the host {name}.",
            remedy="Rename or delete it; then the host gets a provider of its own.",
            kind=DUPLICATE_NAME,
        )
    return rules.add(work, Record(uuid=uuid, name=name))


def _current(known: Inventory | None, now: Inventory) -> Inventory:
    """The known inventory with the total of now. `max_unit` follows the total unless it was set apart from it."""
    if known is None:
        return now
    follows = known.max_unit == known.total
    return replace(known, total=now.total, max_unit=now.total if follows else known.max_unit)


def used(work: Work, providers: Sequence[str]) -> dict[str, dict[str, int]]:
    """What is claimed of each class, by provider."""
    return usages.of(work, providers)


# -- claims --


def claim(work: Work, consumer: Consumer, needs: Needs, candidates: Sequence[Candidate], *, spread: str) -> str:
    """Claim everything that is needed of one candidate, the one with most of the class `spread` free, and return its
    provider. A consumer that has claimed before moves there: what it has counts as free, and is let go. Raises NoHost
    naming each candidate and what it lacks, by how much."""
    wanted = _positive(needs)
    # Who is refused may have any number of consumers, which nobody needs to add up.
    uuids = [each.provider for each in candidates if not each.refusal]
    before = allocated.of_consumers(work, [consumer.id])
    have, taken = store.inventories(work, uuids), _used_by_others(work, before, uuids)
    lacks = {
        each.name: each.refusal or _lacks(have.get(each.provider, {}), taken.get(each.provider, {}), wanted)
        for each in candidates
    }
    fitting = [each for each in candidates if not lacks[each.name]]
    if not fitting:
        raise NoHost(lacks)

    def room(each: Candidate) -> int:
        inventory = have[each.provider].get(spread)
        return inventory.capacity - taken.get(each.provider, {}).get(spread, 0) if inventory else 0

    chosen = max(fitting, key=room)
    _write(work, consumer, {chosen.provider: wanted}, before)
    said = ", ".join(f"{amount} {name}" for name, amount in wanted.items())
    work.event(consumer.id, "claimed", f"{said} of {chosen.name} are claimed for it")
    return chosen.provider


def _positive(needs: Needs) -> dict[str, int]:
    return {name: amount for name, amount in needs.items() if amount > 0}


def _used_by_others(work: Work, own: Sequence[Record], providers: Sequence[str]) -> dict[str, dict[str, int]]:
    found = usages.of(work, providers)
    for row in own:
        if row.provider in found:
            found[row.provider][row.resource_class] -= row.used
    return found


def _lacks(have: Mapping[str, Inventory], taken: Mapping[str, int], needs: Needs) -> str:
    """Every need that a provider does not meet, and by how much."""
    said = {
        name: have[name].lacks(amount, taken.get(name, 0)) if name in have else f"needs {amount}, it has none"
        for name, amount in needs.items()
    }
    return ", ".join(f"{name}: {why}" for name, why in said.items() if why)


def _write(
    work: Work, consumer: Consumer, having: Mapping[str, Mapping[str, int]], before: Sequence[Record]
) -> None:
    wanted = Wanted(
        consumer=consumer.id, having=having, project_id=consumer.project_id, user_id=consumer.user_id,
        consumer_type=consumer.type,
    )  # fmt: skip
    # Who has nothing is not known as a consumer.
    known = allocated.consumers(work, [consumer.id]) if before else {}
    allocations.write(work, [wanted], known, before)


def change(work: Work, consumer: Consumer, needs: Needs, candidate: Candidate) -> None:
    """The consumer needs another amount where it is. Raises NoHost saying what is lacking, by how much."""
    claim(work, consumer, needs, [candidate], spread="")


def record(work: Work, consumer: Consumer, provider: str, needs: Needs) -> None:
    """Write down what a consumer has already, whether there was room for it or not: what a host does is so."""
    _write(work, consumer, {provider: _positive(needs)}, allocated.of_consumers(work, [consumer.id]))


def release(work: Work, consumer: str) -> None:
    """Let go of everything that is claimed for a consumer. Content if it is nothing."""
    allocations.release(work, consumer)


def claims(work: Work, consumer_type: str) -> dict[str, list[Claim]]:
    """What is claimed for all consumers of a type, by consumer, each provider once."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in allocated.of_type(work, consumer_type):
        found.setdefault(row.consumer, {}).setdefault(row.provider, {})[row.resource_class] = row.used
    return {consumer: [Claim(*each) for each in having.items()] for consumer, having in found.items()}
