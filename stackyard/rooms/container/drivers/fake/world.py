"""The engine of the fake driver: what is in it, what happens behind the cloud's back, and what goes wrong.

A world outlives its drivers, as an engine outlives the server: give the same one to the next driver to play a restart.
"""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

import msgspec

from stackyard.rooms.container.driver import (
    ContainerSpec,
    ContainerState,
    EngineRefused,
    EngineUnavailable,
    Event,
    Happening,
    Image,
    Sandbox,
    Status,
)

LIVE = (Status.RUNNING, Status.PAUSED)


@dataclass(frozen=True)
class Program:
    """What a command does when it runs in this world."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int | None = None
    """None: it goes on until it is stopped."""
    missing: bool = False
    """There is no such command: starting it is refused."""


@dataclass
class FakeContainer:
    """A container in a world."""

    spec: ContainerSpec
    state: ContainerState
    output: list[tuple[float, bool, bytes]] = field(default_factory=list)
    """Lines: when, whether on standard error, what."""


class World:
    """All that is in one engine. What is started, stays, until it is told otherwise."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.containers: dict[str, FakeContainer] = {}
        self.sandboxes: dict[str, Sandbox] = {}
        self.images: dict[str, tuple[Image, bytes]] = {}
        self.programs: dict[tuple[str, ...], Program] = {}
        """By command line. An unknown one goes on until it is stopped, and says nothing."""
        self.registry: dict[str, Image | str] = {}
        """What a pull finds: an image, or the reason for its failure. Anything else is not found."""
        self.engine_answers = True
        self.calls: list[str] = []
        """The methods called so far, in order."""
        self.listeners: list[FakeEvents] = []
        self._delays: dict[str, float] = {}
        self._next_pid = 1000

    # --- what goes wrong

    def delay(self, method: str, seconds: float) -> None:
        """Let every call of a method take this much longer at the host."""
        self._delays[method] = seconds

    # --- what happens behind the cloud's back

    def dies(self, id: str, exit_code: int = 137) -> None:
        """A container's process ends."""
        with self.lock:
            found = self.containers[id]
            if found.state.status not in LIVE:
                return
            found.state = msgspec.structs.replace(
                found.state, status=Status.STOPPED, pid=0, exit_code=exit_code, finished_at=now()
            )
            self.tell(id, Happening.DIED, exit_code=exit_code)

    def loses_sandbox(self, id: str) -> None:
        """A sandbox's process ends; its namespace is gone."""
        with self.lock:
            self.sandboxes[id] = Sandbox(id=id, running=False)
            self.tell(id, Happening.DIED, sandbox=True)

    def restarts_host(self) -> None:
        """All processes end; what was created is still there."""
        with self.lock:
            for id in self.containers:
                self.dies(id)
            for id in self.sandboxes:
                self.loses_sandbox(id)

    # --- for the driver

    @contextmanager
    def call(self, method: str) -> Iterator[None]:
        """One call of a method, with the delay that was ordered for it."""
        self.calls.append(method)
        time.sleep(self._delays.get(method, 0))
        if not self.engine_answers:
            raise EngineUnavailable("the fake engine is down")
        with self.lock:
            yield

    def runs(self, id: str) -> None:
        """A container's command starts; it has ended already when that is what the command does."""
        found = self.containers[id]
        program = self.programs.get(tuple(found.spec.entrypoint + found.spec.command), Program())
        if program.missing:
            reason = f'exec: "{found.spec.command[0]}": executable file not found in $PATH: unknown'
            found.state = msgspec.structs.replace(found.state, error=reason, exit_code=127)
            raise EngineRefused(reason, id)
        found.state = msgspec.structs.replace(
            found.state, status=Status.RUNNING, pid=self.new_pid(), exit_code=None, started_at=now(), finished_at=None
        )
        found.output += [(time.time(), False, line) for line in program.stdout.splitlines(keepends=True)]
        found.output += [(time.time(), True, line) for line in program.stderr.splitlines(keepends=True)]
        self.tell(id, Happening.STARTED)
        if program.exit_code is not None:
            self.dies(id, program.exit_code)

    def tell(self, id: str, what: Happening, sandbox: bool = False, exit_code: int | None = None) -> None:
        event = Event(id=id, what=what, sandbox=sandbox, at=time.time(), exit_code=exit_code)
        for listener in self.listeners:
            listener.put(event)

    def new_pid(self) -> int:
        self._next_pid += 1
        return self._next_pid


class FakeEvents:
    """Events of one world, from the moment it was made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._queue: queue.Queue[Event | None] = queue.Queue()
        world.listeners.append(self)

    def put(self, event: Event) -> None:
        self._queue.put(event)

    def breaks_off(self) -> None:
        """The engine goes away."""
        self._queue.put(None)

    def __iter__(self) -> Iterator[Event]:
        while event := self._queue.get():
            yield event
        if self in self._world.listeners:
            raise EngineUnavailable("the engine's events broke off")

    def close(self) -> None:
        if self in self._world.listeners:
            self._world.listeners.remove(self)
        self._queue.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def now() -> str:
    """This moment, as the contract writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
