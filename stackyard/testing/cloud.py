"""A whole cloud for tests: every room, on a free port of loopback, on drivers that need no host. See `cloud`."""

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from stackyard.assemble import Cloud
from stackyard.kernel.journal import Pace
from stackyard.kernel.journal.crash import CrashHook
from stackyard.kernel.repair.reconcile import Report
from stackyard.kernel.request import certificates, listener
from stackyard.kernel.settings import Settings
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Clock
from stackyard.node.messages import HostFacts
from stackyard.rooms.container.drivers.fake.driver import FakeDriver as FakeContainers
from stackyard.rooms.container.drivers.fake.world import World as ContainerWorld
from stackyard.rooms.network.drivers.fake import FakeDriver as FakeNetworks
from stackyard.rooms.network.drivers.fake import World as NetworkWorld
from stackyard.testing.personas import Doors, Persona
from stackyard.testing.prepared import begin_at_this_version
from stackyard.testing.transitions import Transitions

__all__ = ["FACTS", "Persona", "RunningCloud", "Worlds", "begin_at_this_version", "cloud", "free_port"]

FACTS = HostFacts(
    hostname="testhost", architecture="x86_64", os="Test", kernel_version="6", cpus=8, memory=16 * 2**30,
    memory_available=8 * 2**30, disk=100 * 2**30, disk_available=50 * 2**30,
)  # fmt: skip

#: Below those that Linux gives to outgoing connections.
_PORTS = range(20_000, 32_768)


@dataclass
class Worlds:
    """What the fake drivers stand on. It outlives the cloud's process, as a host does."""

    container: ContainerWorld = field(default_factory=ContainerWorld)
    network: NetworkWorld = field(default_factory=NetworkWorld)


@dataclass
class RunningCloud(Doors):
    """A cloud under test. `restart()` plays a server that ended and came back over the same host and state."""

    settings: Settings
    worlds: Worlds
    drivers: Mapping[str, object] | None = None
    clock: Clock | None = None
    crash_hook: CrashHook | None = None
    threads: int = 8
    pace: Pace | None = None
    facts: HostFacts = FACTS

    def __post_init__(self) -> None:
        #: When what the cloud does goes on, and whether it succeeds.
        self.transitions = Transitions(self.threads)

    def start(self) -> None:
        """Come up; returns when the API answers."""
        drivers = self.drivers or {
            "container": FakeContainers(self.worlds.container),
            "network": FakeNetworks(self.settings.cloud_id, self.worlds.network),
        }
        facts = self.facts if self.drivers is None else None
        self.cloud = Cloud(
            settings=self.settings, drivers=drivers, clock=self.clock, facts=facts,
            threads=self.threads, pace=self.pace, crash_hook=self._reach,
        )  # fmt: skip
        self.transitions.begin()
        self.cloud.services.nodes = self.transitions.nodes(self.cloud.nodes)
        self.cloud.front.gate = self.transitions.request
        self.cloud.book.on_interrupt(self.transitions.interrupt)
        begin_at_this_version(self.settings)
        self.cloud.prepare()
        self.cloud.connect()
        if self.cloud.serves("container"):
            self.cloud.reconcilers.run_once("hosts")
        if self.threads:
            self.cloud.start()
        else:
            self.cloud.workers.recover()
        tls = certificates.context(self.settings) if self.settings.serves_tls else None
        #: What brings TLS to what is on disk, when a test says so.
        self.renewal = certificates.Renewal(self.settings, tls) if tls else None
        self._server = _Threaded(self.transitions.counting(self.cloud.front), self.settings, tls)
        self._server.start()

    def _reach(self, operation: Record, step: str, moment: str) -> None:
        self.transitions(operation, step, moment)
        if self.crash_hook is not None:
            self.crash_hook(operation, step, moment)

    def stop(self) -> None:
        """Go down in order."""
        self.transitions.stop()
        self.cloud.front.begin_closing()
        self._server.stop()
        self.cloud.stop()

    def restart(self) -> None:
        """Go down and come back."""
        self.stop()
        self.start()

    def follow(self) -> Report:
        """Have hosts follow what changed of networks, ports and routers; returns what was done and what failed. They
        do so by themselves too, a moment after each change."""
        return self.cloud.reconcilers.run_once("network")

    def settle(self, timeout: float = 30) -> None:
        """Wait until no operation is queued or running."""
        self.cloud.workers.drain(timeout)


class _Threaded:
    """The API in a thread with an event loop of its own."""

    def __init__(self, app: Callable[..., Any], settings: Settings, tls: certificates.Serving | None) -> None:
        config = listener.config(app, tls=tls, grace=2, host=settings.host, port=settings.port)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()), name="api", daemon=True)

    def start(self) -> None:
        self._thread.start()
        end = time.monotonic() + 30
        while not self._server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise RuntimeError("the API does not come up")
            time.sleep(0.002)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


def free_port() -> int:
    """A port of loopback that nobody uses now, of those that no outgoing connection is given: a server that is
    restarted finds it free again."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def cloud(
    folder: Path,
    *,
    worlds: Worlds | None = None,
    drivers: Mapping[str, object] | None = None,
    clock: Clock | None = None,
    crash_hook: CrashHook | None = None,
    threads: int = 8,
    pace: Pace | None = None,
    facts: HostFacts = FACTS,
    **settings: Any,
) -> Iterator[RunningCloud]:
    """A cloud with its state in `folder`, on fake drivers unless others are given. `threads=0`: operations wait for
    `running.cloud.workers.run_all()` in the test's thread. `running.transitions` says when others go on. `pace`: the
    journal's patience. `facts`: what the fake host is and has. `settings`: those of `kernel.settings.Settings`."""
    chosen = Settings(state_dir=folder, **{"port": free_port(), "password_cost": 4} | settings)
    running = RunningCloud(
        settings=chosen, worlds=worlds or Worlds(), drivers=drivers, clock=clock,
        crash_hook=crash_hook, threads=threads, pace=pace, facts=facts,
    )  # fmt: skip
    running.start()
    try:
        yield running
    finally:
        running.stop()
