"""A contract of every shape that a room's can have, so that the link is tested without any room."""

import threading
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Protocol

import msgspec

from stackyard.kernel.steps import Cancelled, Refused, Transient


class ToolError(Exception):
    """A call failed."""

    def __init__(self, reason: str, tool: str) -> None:
        super().__init__(f"{tool}: {reason}")
        self.reason = reason
        self.tool = tool
        self.attempts = [1, 2]


class Jammed(ToolError, Transient):
    """Try again."""


class Broken(ToolError, Refused):
    """Do not."""


class Stopped(ToolError, Cancelled):
    """Was asked to."""


class Skill(StrEnum):
    SAW = "saw"
    GLUE = "glue"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    weight: float = 0
    holes: list["Part"] = []
    data: bytes = b""


class Noise(msgspec.Struct, frozen=True):
    loudness: int


class Noises(Protocol):
    def __iter__(self) -> Iterator[Noise]: ...
    def close(self) -> None: ...


class Workbench(Protocol):
    skills: frozenset[Skill]

    def add(self, one: int, other: int = 10, *, negative: bool = False) -> int: ...
    def turn(self, part: Part, skill: Skill = Skill.SAW) -> Part: ...
    def misuse(self, how: str) -> None: ...
    def press(self, name: str) -> int: ...
    def wait(self, cancel: threading.Event | None = None) -> None: ...
    def finish_anyway(self, cancel: threading.Event | None = None) -> str: ...
    def break_off(self, cancel: threading.Event | None = None) -> None: ...
    def count(self, end: int, break_at: int = -1) -> Iterator[int]: ...
    def unroll(self, pieces: list[bytes]) -> Iterator[bytes]: ...
    def measure(self, data: Iterable[bytes], at_most: int = -1) -> int: ...
    def swallow(self, data: Iterable[bytes], cancel: threading.Event | None = None) -> bytes: ...
    def events(self) -> Noises: ...


class Clock(Protocol):
    """What the server offers its nodes."""

    def read(self, zone: str) -> str: ...
    def image(self, name: str) -> Iterator[bytes]: ...
