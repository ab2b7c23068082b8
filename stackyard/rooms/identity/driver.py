"""The contract with directories: where the users and groups of a domain are kept, when not in the database.

A driver reads; it writes nothing, decides nothing and remembers nothing that the directory does not say. Every method
takes part in a request, so each must end within seconds. What it says is mirrored into rows (mirror.py), by which
tokens and assignments are judged.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec


class Away(Exception):
    """The directory does not answer; trying again later can help. The text says which server, and why."""


class Misconfigured(Exception):
    """The directory answers, but not to what its domain's configuration says. The text says what is wrong with which
    option."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A user of the directory. `local_id`: what the directory calls them for ever; `place`: where it keeps them."""

    local_id: str
    name: str
    place: str
    enabled: bool = True
    description: str | None = None
    email: str | None = None
    default_project_id: str | None = None
    extra: Mapping[str, Any] = {}


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A group of the directory. `members`: the local ids of its people, those of groups within it too where the
    configuration says so; empty where they were not asked for."""

    local_id: str
    name: str
    description: str | None = None
    extra: Mapping[str, Any] = {}
    members: Sequence[str] = ()


class Everything(msgspec.Struct, frozen=True, kw_only=True):
    """All that a directory holds at one time."""

    people: Sequence[Person]
    teams: Sequence[Team]


class Directory(Protocol):
    """A directory. Every method raises Away or Misconfigured. What people say (a name, a password) may hold anything
    and must be taken as it is."""

    def find(self, *, name: str | None = None, local_id: str | None = None) -> Person | None:
        """The one user of that name, or of that local id; None when there is none, or several."""

    def prove(self, person: Person | None, password: str) -> bool:
        """Whether that is their password. For nobody (None) it is not, which takes as long to say."""

    def teams_of(self, person: Person) -> Sequence[Team]:
        """The groups that somebody is in, without their members."""

    def everything(self) -> Everything:
        """All users and groups."""

    def close(self) -> None:
        """Let go of connections."""
