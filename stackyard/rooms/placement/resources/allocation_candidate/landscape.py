"""Providers as a search sees them: in trees, and across trees where one shares what it has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from stackyard.rooms.placement.capacity import Inventory
from stackyard.rooms.placement.resources.trait.rules import SHARES


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One provider: what it has, what of it is used, what it is."""

    uuid: str
    parent: str | None
    root: str
    inventories: Mapping[str, Inventory]
    used: Mapping[str, int]
    traits: frozenset[str]
    aggregates: frozenset[str]

    def can(self, resource_class: str, amount: int) -> bool:
        """Whether it has this amount free."""
        have = self.inventories.get(resource_class)
        return have is not None and not have.lacks(amount, self.used.get(resource_class, 0))

    def could(self, resource_class: str, amount: int) -> bool:
        """Whether this amount, put together from several groups, is free and not more than one consumer may have."""
        have = self.inventories[resource_class]
        return self.used.get(resource_class, 0) + amount <= have.capacity and amount <= have.max_unit


class Landscape:
    """All providers."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self.providers = {each.uuid: each for each in providers}

    @cached_property
    def anchors(self) -> dict[str, set[str]]:
        """The trees, by their tops, that may use a provider that shares: those with a part in one of its aggregates."""
        members: dict[str, set[str]] = {}
        for each in self.providers.values():
            for aggregate in each.aggregates:
                members.setdefault(aggregate, set()).add(each.root)
        sharing = [each for each in self.providers.values() if SHARES in each.traits]
        return {each.uuid: set().union(*(members[one] for one in each.aggregates)) for each in sharing}

    @cached_property
    def nested(self) -> bool:
        """Whether any provider is a part of another."""
        return any(each.parent for each in self.providers.values())

    def root_of(self, uuid: str) -> str | None:
        """The top of the tree that a provider stands in; None when there is no such provider."""
        found = self.providers.get(uuid)
        return found.root if found else None

    def ancestors(self, uuid: str) -> set[str]:
        """The provider and all that it is a part of."""
        found: set[str] = set()
        at: str | None = uuid
        while at is not None:
            found.add(at)
            at = self.providers[at].parent
        return found

    def trees(self, roots: set[str]) -> list[Provider]:
        """The providers of these trees."""
        return [each for each in self.providers.values() if each.root in roots]
