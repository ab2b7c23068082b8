"""What keeps the contracts of the workbench: a driver that does as the test says, and a service of the server."""

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue

import msgspec

from stackyard.kernel.steps import Refused, Transient
from tests.node.workbench import Broken, Jammed, Noise, Part, Skill, Stopped


class _SplitInTwo(Broken):
    """The driver's own: the contract's reader has never heard of it."""


class WallClock:
    def read(self, zone: str) -> str:
        if zone == "nowhere":
            raise Refused("no such zone")
        return f"noon in {zone}"

    def image(self, name: str) -> Iterator[bytes]:
        yield from (name.encode(), b" is large")


class Radio:
    """Noises on demand; None makes the engine behind it fail."""

    def __init__(self) -> None:
        self.noises: SimpleQueue[Noise | None] = SimpleQueue()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Noise]:
        while (noise := self.noises.get()) is not None:
            yield noise
        raise Jammed("static", "radio")

    def close(self) -> None:
        self.closed.set()
        self.noises.put(None)


class RealBench:
    skills = frozenset({Skill.SAW})

    def __init__(self) -> None:
        self.pressed: list[str] = []
        self.may_press = threading.Event()
        self.waiting = threading.Event()
        self.produced = 0
        self.closed = threading.Event()
        self.radios: SimpleQueue[Radio] = SimpleQueue()

    def add(self, one: int, other: int = 10, *, negative: bool = False) -> int:
        return -(one + other) if negative else one + other

    def turn(self, part: Part, skill: Skill = Skill.SAW) -> Part:
        assert isinstance(part, Part)
        assert isinstance(skill, Skill)
        return msgspec.structs.replace(part, name=f"{part.name} by {skill.name}", holes=[part])

    def misuse(self, how: str) -> None:
        errors: dict[str, BaseException] = {
            "jam": Jammed("splinters", "saw"),
            "break": Broken("rust", "hammer"),
            "split": _SplitInTwo("an accident", "table"),
            "exit": SystemExit("now"),
            "surprise": ZeroDivisionError("by zero"),
            "plain": Transient("busy"),
            "gibber": Broken("\udcff", "terminal"),
        }
        if how == "marked":
            error = OSError("flaky")
            error.transient = True  # type: ignore[attr-defined]
            raise error
        raise errors[how]

    def press(self, name: str) -> int:
        self.pressed.append(name)
        self.waiting.set()
        assert self.may_press.wait(20)
        return len(self.pressed)

    def wait(self, cancel: threading.Event | None = None) -> None:
        assert cancel is not None
        self.waiting.set()
        assert cancel.wait(20)
        self.closed.set()
        raise Stopped("asked to", "bench")

    def finish_anyway(self, cancel: threading.Event | None = None) -> str:
        assert cancel is not None
        self.waiting.set()
        assert cancel.wait(20)
        return "finished"

    def break_off(self, cancel: threading.Event | None = None) -> None:
        assert cancel is not None
        self.waiting.set()
        assert cancel.wait(20)
        raise Broken("torn", "vice")

    def count(self, end: int, break_at: int = -1) -> Iterator[int]:
        if end < 0:
            raise Broken("cannot count down", "abacus")
        return self._count(end, break_at)

    def _count(self, end: int, break_at: int) -> Iterator[int]:
        try:
            for number in range(end):
                if number == break_at:
                    raise Jammed("lost count", "abacus")
                self.produced += 1
                yield number
        finally:
            self.closed.set()

    def unroll(self, pieces: list[bytes]) -> Iterator[bytes]:
        yield from pieces

    def measure(self, data: Iterable[bytes], at_most: int = -1) -> int:
        seen = 0
        for piece in data:
            seen += len(piece)
            if 0 <= at_most <= seen:
                raise Broken("too long", "ruler")
        return seen

    def swallow(self, data: Iterable[bytes], cancel: threading.Event | None = None) -> bytes:
        return b"".join(data)

    def events(self) -> Radio:
        radio = Radio()
        self.radios.put(radio)
        return radio
