"""A cloud without sockets or threads, in which operations are performed when the test says so, and the server can die.

It stands on fake worlds that outlive it, as hosts outlive a server. Requests go through the whole chain, in process.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
import yaml

from stackyard.assemble import Cloud
from stackyard.kernel.journal.tables import OPERATIONS, STEPS
from stackyard.kernel.journal.worker import Workers
from stackyard.kernel.settings import Settings
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import SystemClock
from stackyard.rooms.container.driver import Image
from stackyard.rooms.container.drivers.fake.driver import FakeDriver as FakeContainers
from stackyard.rooms.network.drivers.fake import FakeDriver as FakeNetworks
from stackyard.testing.cloud import FACTS, Worlds, begin_at_this_version
from stackyard.testing.faults import Faults, ServerDied
from stackyard.testing.transitions import Transitions

#: Tables whose rows tell what happened.
_HISTORY = ("journal_", "alembic", "changes", "identity_revocation_event")


class MovingClock(SystemClock):
    """The real clock, which a test can put forward instead of waiting."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        """The present moment, UTC, as the test would have it."""
        return super().now() + self._ahead

    def pass_(self, seconds: float) -> None:
        """Let time go by."""
        self._ahead += timedelta(seconds=seconds)


class Stage:
    """One cloud after another over the same state and the same worlds."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(state_dir=folder, port=1, password_cost=4)
        self.worlds = Worlds()
        self.clock = MovingClock()
        self.faults = Faults()
        self.transitions = Transitions(threads=0)
        self._loop = asyncio.new_event_loop()
        # One for all requests: to make one costs more than most requests.
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self._serve), base_url=self.settings.base_url, verify=False
        )
        self._tokens: dict[str, str] = {}
        for name in ("web", "db"):
            self.worlds.container.registry[f"{name}:latest"] = Image(
                id=f"sha256:{name}", names=[f"{name}:latest"], size=3
            )
            self.worlds.container.registry[name] = self.worlds.container.registry[f"{name}:latest"]
        begin_at_this_version(self.settings)
        self._build()
        self.cloud.prepare()
        self._come_up()

    def _build(self) -> None:
        drivers = {
            "container": FakeContainers(self.worlds.container),
            "network": FakeNetworks(self.settings.cloud_id, self.worlds.network),
        }
        self.cloud = Cloud(
            settings=self.settings, drivers=drivers, facts=FACTS, threads=0, clock=self.clock,
            crash_hook=self._reach,
        )  # fmt: skip
        self.cloud.services.nodes = self.transitions.nodes(self.cloud.nodes)

    def _reach(self, operation: Record, step: str, moment: str) -> None:
        """The crash hook: whichever faults are planned now."""
        self.faults(operation, step, moment)

    def _come_up(self) -> None:
        self.cloud.connect()
        self.cloud.reconcilers.run_once("hosts")
        self.cloud.workers.recover()

    def restart(self) -> None:
        """The server is gone, and another comes up over the same state and worlds. A server that died has not given
        back its claims, and this one does not either. The first rows are there already, so nothing is seeded again."""
        self.cloud.stop(0)
        self._build()
        for room in self.cloud.rooms:
            if room.start:
                room.start(self.cloud.services)
        self._come_up()

    def close(self) -> None:
        """End."""
        self.cloud.stop(0)
        self._loop.run_until_complete(self._client.aclose())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    # -- requests

    def request(
        self, method: str, path: str, body: Any = None, *, user: str = "demo", **headers: str
    ) -> httpx.Response:
        """A request of a seeded user (demo, admin), at the newest version of the container API."""
        sent = {"X-Auth-Token": self._token(user), "OpenStack-API-Version": "container 1.40", **headers}
        return self._send(method, path, sent, json=body) if body is not None else self._send(method, path, sent)

    def ask(self, method: str, path: str, body: Any = None, *, user: str = "demo") -> Any:
        """A request that must be accepted; its JSON."""
        answer = self.request(method, path, body, user=user)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def upload(self, path: str, data: bytes) -> None:
        """A PUT of bytes that must be accepted."""
        headers = {"X-Auth-Token": self._token("demo"), "Content-Type": "application/octet-stream"}
        answer = self._send("PUT", path, headers, content=data)
        assert answer.is_success, f"PUT {path}: {answer.status_code} {answer.text}"

    def _send(self, method: str, path: str, headers: dict[str, str], **body: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._client.request(method, path, headers=headers, **body))

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application: whichever cloud is up."""
        await self.cloud.front(scope, receive, send)

    def _token(self, user: str) -> str:
        if user not in self._tokens:
            name = {"demo": "stackyard", "admin": "stackyard-admin"}[user]
            auth = yaml.safe_load((self.settings.state_dir / "clouds.yaml").read_text())["clouds"][name]["auth"]
            person = {"name": auth["username"], "domain": {"id": "default"}, "password": auth["password"]}
            scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
            asked = {"auth": {"identity": {"methods": ["password"], "password": {"user": person}}, "scope": scope}}
            answer = self._send("POST", "/identity/v3/auth/tokens", {}, json=asked)
            assert answer.status_code == 201, answer.text
            self._tokens[user] = answer.headers["X-Subject-Token"]
        return self._tokens[user]

    # -- time

    def perform(self) -> None:
        """Perform all operations, pauses passed over, until none is live. Raises ServerDied where that was planned."""
        for _ in range(60):
            self.cloud.workers.run_all()
            if not self.operations(OPERATIONS.c.due_at.is_not(None)):
                return
            self.clock.pass_(1)
        raise AssertionError(f"still live: {self.operations(OPERATIONS.c.due_at.is_not(None))}")

    def perform_through_deaths(self) -> int:
        """Perform all; after every death of the server another one takes over. Returns how many deaths that took."""
        for deaths in range(10):
            with suppress(ServerDied):
                self.perform()
                return deaths
            self.restart()
        raise AssertionError("the server dies again and again")

    def let_another_server_take_over(self) -> None:
        """Another server takes over what this one is at, and performs it to its end: its epochs are the newer ones."""
        other = Workers(self.cloud.services, self.cloud.book, threads=0)
        assert other.recover(), "there is nothing to take over"
        self.let_another_server_perform(other)

    def let_another_server_perform(self, other: Workers | None = None) -> None:
        """Perform all operations, on another server than this one."""
        other = other or Workers(self.cloud.services, self.cloud.book, threads=0)
        for _ in range(60):
            other.run_all()
            if not self.operations(OPERATIONS.c.due_at.is_not(None)):
                return
            self.clock.pass_(1)
        raise AssertionError("the other server does not come to an end")

    def reconcile(self) -> None:
        """One round of every reconciler, and what they begin."""
        for name in self.cloud.reconcilers.names():
            self.cloud.reconcilers.run_once(name)
        self.perform()

    def mismatches(self) -> list[str]:
        """What `stackyard check` would print."""
        return [each.text for each in self.cloud.reconcilers.mismatches()]

    # -- looks

    def operations(self, *where: Any) -> list[Record]:
        """Rows of the journal, oldest first."""
        with self.cloud.database.read() as tx:
            return tx.all(sa.select(OPERATIONS).where(*where).order_by(OPERATIONS.c.number))

    def kinds_of_steps(self, operation: str) -> list[str]:
        """What kind each recorded step of an operation is, in order."""
        with self.cloud.database.read() as tx:
            mine = sa.select(STEPS.c.kind).where(STEPS.c.operation == operation, STEPS.c.phase == "do")
            return [row.kind for row in tx.all(mine.order_by(STEPS.c.position))]

    def on_hosts(self) -> dict[str, Any]:
        """What is in the worlds."""
        world, networks = self.worlds.container, self.worlds.network.clouds.get(self.settings.cloud_id)
        return {
            "engine containers": sorted(world.containers),
            "engine sandboxes": sorted(world.sandboxes),
            "engine images": sorted(name for image, _ in world.images.values() for name in image.names),
            "plugs": sorted(networks.plugs if networks else []),
            "ports on the host": sorted(port for ports in networks.ports.values() for port in ports)
            if networks
            else [],
            "image files": sorted(
                each.name for each in (self.settings.state_dir / "images").rglob("*") if each.is_file()
            ),
        }

    def slate(self) -> dict[str, Any]:
        """All that could be left over: what is in the worlds, and how many rows each table of the rooms has."""
        left = self.on_hosts()
        with self.cloud.database.read() as tx:
            names = sa.inspect(tx.connection).get_table_names()
            for name in sorted(names):
                if not name.startswith(_HISTORY):
                    left[f"rows of {name}"] = tx.value(sa.select(sa.func.count()).select_from(sa.table(name)))
        return left


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A stage with its state in `folder`."""
    made = Stage(folder)
    try:
        yield made
    finally:
        made.close()
