"""Every way in which a request could be satisfied.

Each group is answered by options: who would give what, and in which tree (its anchor) that is. Options of all groups in
one tree make a candidate, unless together they ask too much of a provider, or the request says how providers must lie
to one another. Source: Placement API reference, "Allocation candidates"; user guide, "Modeling with provider trees".
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from stackyard.rooms.placement.resources.allocation_candidate.asked import Asked, Group
from stackyard.rooms.placement.resources.allocation_candidate.landscape import Landscape, Provider

#: So many candidates are enough for anyone.
MOST = 10_000
#: How many combinations are tried. Where that is not enough, what was found by then is the answer.
PATIENCE = 300_000

#: Amounts by provider and class.
Amounts = dict[tuple[str, str], int]


@dataclass(frozen=True)
class Option:
    """One way to satisfy a group."""

    group: Group
    providers: frozenset[str]
    amounts: tuple[tuple[tuple[str, str], int], ...]


@dataclass(frozen=True)
class Candidate:
    """One way to satisfy a request: who gives what, and which providers answer which group."""

    amounts: Amounts
    mappings: dict[str, list[str]]

    @property
    def key(self) -> object:
        """What makes two of them the same."""
        return frozenset(self.amounts.items()), tuple((name, *each) for name, each in sorted(self.mappings.items()))


def find(landscape: Landscape, asked: Asked, *, nested: bool = True) -> list[Candidate]:
    """The candidates. nested: whether several providers of one tree may be in one (not before 1.29)."""
    found: dict[object, Candidate] = {}
    for candidate in _candidates(landscape, asked):
        if nested or not landscape.nested or _one_per_tree(landscape, candidate):
            found.setdefault(candidate.key, candidate)
        if len(found) >= (asked.limit or MOST):
            break
    return list(found.values())


def _one_per_tree(landscape: Landscape, candidate: Candidate) -> bool:
    used = {uuid for uuid, _ in candidate.amounts}
    return len({landscape.providers[uuid].root for uuid in used}) == len(used)


def _candidates(landscape: Landscape, asked: Asked) -> Iterator[Candidate]:
    by_anchor: dict[str, list[list[Option]]] = {}
    for number, group in enumerate(asked.groups.values()):
        for anchor, options in _options(landscape, asked, group).items():
            before = by_anchor.setdefault(anchor, [])
            if len(before) == number:
                before.append(options)
    complete = [options for options in by_anchor.values() if len(options) == len(asked.groups)]
    walk = _Walk(landscape, asked)
    walks = [walk.combined(sorted(options, key=len), (), {}) for options in complete]
    # In turn from each tree, so that the first few are not all from one.
    yield from (each for turn in itertools.zip_longest(*walks) for each in turn if each is not None)


class _Walk:
    """Tries options of all groups together, as long as they go together and there is patience left."""

    def __init__(self, landscape: Landscape, asked: Asked) -> None:
        self._landscape = landscape
        self._asked = asked
        self._patience = PATIENCE

    def combined(
        self, options: list[list[Option]], chosen: tuple[Option, ...], amounts: Amounts
    ) -> Iterator[Candidate]:
        """The candidates that begin with what is chosen."""
        if len(chosen) == len(options):
            if _in_subtrees(self._landscape, self._asked, chosen):
                yield Candidate(amounts, {each.group.suffix: sorted(each.providers) for each in chosen})
            return
        for option in options[len(chosen)]:
            self._patience -= 1
            if self._patience < 0:
                return
            together = self._with(option, chosen, amounts)
            if together is not None:
                yield from self.combined(options, (*chosen, option), together)

    def _with(self, option: Option, chosen: tuple[Option, ...], amounts: Amounts) -> Amounts | None:
        """The amounts with those of one option more; None when it does not go with the others."""
        if self._asked.isolate and option.group.suffix and not _apart(option, chosen):
            return None
        together = dict(amounts)
        for key, amount in option.amounts:
            together[key] = together.get(key, 0) + amount
        providers = self._landscape.providers
        fits = all(providers[uuid].could(name, together[uuid, name]) for (uuid, name), _ in option.amounts)
        return together if fits else None


def _apart(option: Option, chosen: tuple[Option, ...]) -> bool:
    return all(option.providers.isdisjoint(each.providers) for each in chosen if each.group.suffix)


def _in_subtrees(landscape: Landscape, asked: Asked, chosen: tuple[Option, ...]) -> bool:
    """Whether of the providers that must lie together one is above all others."""
    for suffixes in asked.same_subtrees:
        together = set[str]().union(*(each.providers for each in chosen if each.group.suffix in suffixes))
        if not any(all(top in landscape.ancestors(uuid) for uuid in together) for top in together):
            return False
    return True


# -- options of one group, by anchor --


def _options(landscape: Landscape, asked: Asked, group: Group) -> dict[str, list[Option]]:
    found = _from_one(landscape, group) if group.suffix else _from_tree(landscape, group)
    return {
        anchor: options
        for anchor, options in found.items()
        if options and asked.root.holds(landscape.providers[anchor].traits)
    }


def _from_one(landscape: Landscape, group: Group) -> dict[str, list[Option]]:
    """All of a group from a single provider, for its own tree and those that it shares with."""
    found: dict[str, list[Option]] = {}
    for each in landscape.providers.values():
        if not _suits(landscape, group, each):
            continue
        option = Option(
            group,
            frozenset([each.uuid]),
            tuple(((each.uuid, name), amount) for name, amount in group.resources.items()),
        )
        for anchor in {each.root, *landscape.anchors.get(each.uuid, ())}:
            found.setdefault(anchor, []).append(option)
    return found


def _suits(landscape: Landscape, group: Group, each: Provider) -> bool:
    return (
        group.traits.holds(each.traits)
        and group.aggregates.holds(each.aggregates)
        and (group.in_tree is None or each.root == landscape.root_of(group.in_tree))
        and all(each.can(name, amount) for name, amount in group.resources.items())
    )


def _from_tree(landscape: Landscape, group: Group) -> dict[str, list[Option]]:
    """Each class from some provider of a tree, or one that shares with it; traits are required of all together."""
    able: dict[str, dict[str, list[str]]] = {}
    for name, amount in group.resources.items():
        for uuid, anchor in _able(landscape, group, name, amount):
            able.setdefault(anchor, {}).setdefault(name, []).append(uuid)
    complete = {anchor: each for anchor, each in able.items() if len(each) == len(group.resources)}
    return {
        anchor: list(itertools.islice(_chosen(landscape, group, each), MOST)) for anchor, each in complete.items()
    }


def _able(landscape: Landscape, group: Group, name: str, amount: int) -> Iterator[tuple[str, str]]:
    """Who can give so much of a class, and in which trees. In an aggregate is a member, or whose tree's top is one."""
    for each in landscape.providers.values():
        if not each.can(name, amount) or not group.traits.forbidden.isdisjoint(each.traits):
            continue
        if group.in_tree is not None:
            anchors = {each.root} & {landscape.root_of(group.in_tree)}
        else:
            anchors = {each.root} | _shared(landscape, group, each)
        for anchor in anchors:
            if anchor is not None and _belongs(landscape, group, each, anchor):
                yield each.uuid, anchor


def _shared(landscape: Landscape, group: Group, each: Provider) -> set[str]:
    """The other trees that may use it; with `member_of`, only if it is a member itself."""
    return landscape.anchors.get(each.uuid, set()) if group.aggregates.met(each.aggregates) else set()


def _belongs(landscape: Landscape, group: Group, each: Provider, anchor: str) -> bool:
    top = landscape.providers[anchor]
    inside = group.aggregates.met(each.aggregates) or group.aggregates.met(top.aggregates)
    return inside and group.aggregates.forbidden.isdisjoint(each.aggregates | top.aggregates)


def _chosen(landscape: Landscape, group: Group, able: dict[str, list[str]]) -> Iterator[Option]:
    names = list(group.resources)
    for chosen in itertools.product(*(able[name] for name in names)):
        together = frozenset[str]().union(*(landscape.providers[uuid].traits for uuid in chosen))
        if group.traits.met(together):
            amounts = tuple(
                ((uuid, name), group.resources[name]) for uuid, name in zip(chosen, names, strict=True)
            )
            yield Option(group, frozenset(chosen), amounts)
