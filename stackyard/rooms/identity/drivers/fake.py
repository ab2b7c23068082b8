"""A directory in memory, for tests and demonstrations: what it stands on outlives it, as a server does its readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from stackyard.rooms.identity.driver import Away, Everything, Person, Team


@dataclass
class World:
    """What the directory holds. `away`: why it does not answer, when it does not."""

    people: dict[str, Person] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    away: str = ""

    def put(self, local_id: str, password: str, *, name: str = "", enabled: bool = True) -> Person:
        """Somebody, new or changed."""
        person = Person(local_id=local_id, name=name or local_id, place=f"people/{local_id}", enabled=enabled)
        self.people[local_id], self.passwords[local_id] = person, password
        return person

    def team(self, local_id: str, members: Sequence[str]) -> None:
        """A group, new or changed."""
        self.teams[local_id] = Team(local_id=local_id, name=local_id, members=sorted(members))

    def remove(self, local_id: str) -> None:
        """A person or a group goes; groups go on naming who is gone, as directories may."""
        self.people.pop(local_id, None)
        self.teams.pop(local_id, None)


class FakeDirectory:
    """See Directory."""

    def __init__(self, world: World, options: Mapping[str, object] | None = None) -> None:
        self._world = world

    def find(self, *, name: str | None = None, local_id: str | None = None) -> Person | None:
        """See Directory."""
        self._answers()
        found = [each for each in self._world.people.values() if name in (None, each.name)]
        found = [each for each in found if local_id in (None, each.local_id)]
        return found[0] if len(found) == 1 else None

    def prove(self, person: Person | None, password: str) -> bool:
        """See Directory."""
        self._answers()
        return person is not None and bool(password) and self._world.passwords.get(person.local_id) == password

    def teams_of(self, person: Person) -> Sequence[Team]:
        """See Directory."""
        self._answers()
        theirs = [each for each in self._world.teams.values() if person.local_id in each.members]
        return [msgspec.structs.replace(each, members=()) for each in theirs]

    def everything(self) -> Everything:
        """See Directory."""
        self._answers()
        people = list(self._world.people.values())
        there = {each.local_id for each in people}
        teams = [
            msgspec.structs.replace(each, members=[one for one in each.members if one in there])
            for each in self._world.teams.values()
        ]
        return Everything(people=people, teams=teams)

    def close(self) -> None:
        """See Directory."""

    def _answers(self) -> None:
        if self._world.away:
            raise Away(self._world.away)
