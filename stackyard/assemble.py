"""The only composition root: settings → host → database → rooms → node → workers → application.

Everything is bound here, in order, in plain calls; nothing else in the project knows which rooms and drivers there are.
"""

import os
import platform
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from stackyard.hosts import machine
from stackyard.hosts.dockerd import Engine, ExistingEngine, PrivateEngine
from stackyard.kernel.bulletin import Bulletin, cloud_clock
from stackyard.kernel.caller import Caller, service_caller
from stackyard.kernel.declare.room import Room
from stackyard.kernel.holdings import Holdings
from stackyard.kernel.journal import Book, Pace, Workers, auditing, from_environment, pruning
from stackyard.kernel.journal.crash import CrashHook
from stackyard.kernel.observe.health import Health
from stackyard.kernel.observe.observer import Observer, tracer
from stackyard.kernel.observe.pages import Observers, pages
from stackyard.kernel.observe.sinks import sink
from stackyard.kernel.observe.standing import Standing
from stackyard.kernel.observe.trail import Trail
from stackyard.kernel.repair.reconcilers import Reconcilers
from stackyard.kernel.request.app import Front
from stackyard.kernel.request.chain import Chain
from stackyard.kernel.request.endpoints import endpoints
from stackyard.kernel.request.policy import Policies
from stackyard.kernel.request.routing import Router
from stackyard.kernel.settings import Settings
from stackyard.kernel.storage import changes, migrations
from stackyard.kernel.storage.database import Database, Transaction
from stackyard.kernel.work import Clock, Services, Work
from stackyard.node.agent import Agent
from stackyard.node.authority import Authority, ServerList
from stackyard.node.home import Home
from stackyard.node.listener import Listener
from stackyard.node.memory import pair
from stackyard.node.messages import HostFacts
from stackyard.node.neighbours import Neighbours
from stackyard.node.runtime import Node
from stackyard.node.server import ConnectedNodes
from stackyard.rooms.container.driver import ContainerDriver
from stackyard.rooms.container.room import ROOM as CONTAINER
from stackyard.rooms.identity import facade as identity
from stackyard.rooms.identity.room import ROOM as IDENTITY
from stackyard.rooms.image import facade as image
from stackyard.rooms.image.driver import SharedStore
from stackyard.rooms.image.room import ROOM as IMAGE
from stackyard.rooms.network import facade as network
from stackyard.rooms.network.driver import NetworkDriver
from stackyard.rooms.network.room import ROOM as NETWORK
from stackyard.rooms.placement.room import ROOM as PLACEMENT

if TYPE_CHECKING:
    from stackyard.rooms.container.drivers.docker.driver import DockerDriver
    from stackyard.rooms.network.drivers.native.driver import NativeDriver

ROOMS: Sequence[Room] = (IDENTITY, PLACEMENT, IMAGE, NETWORK, CONTAINER)
CONTRACTS: Mapping[str, type] = {
    "container": ContainerDriver, "network": NetworkDriver, IMAGE.name: SharedStore,
}  # fmt: skip
#: What servers tell each other: to have a repair run soon, that one of them listens for nodes from now on.
_REPAIR, _LISTENING = "repair", "listening"

#: The image every cloud starts with, built on the machine itself: no registry is needed.
FIRST_IMAGE = "cirros"


class Host:
    """What this cloud has on this machine, whether its server runs or not: its engine and its drivers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.engine = _engine(settings)

    # The drivers are imported when they are first asked for: their libraries are a third of what a server loads, and
    # the API answers before it needs them.

    @cached_property
    def container(self) -> "DockerDriver":
        """The driver of its engine."""
        from stackyard.rooms.container.drivers.docker.driver import DockerDriver

        return DockerDriver(self.engine.url, self._settings.cloud_id, spool=self._settings.state_dir)

    @cached_property
    def network(self) -> "NativeDriver":
        """The driver of its networks."""
        from stackyard.rooms.network.drivers.native.driver import NativeDriver

        return NativeDriver(self._settings.cloud_id, self._settings.state_dir / "network")

    def drivers(self) -> Mapping[str, object]:
        """The drivers by room."""
        return {"container": self.container, "network": self.network}

    def stop(self, grace: float) -> None:
        """Stop the cloud's containers, its own engine, and take its networks from the host. Nothing stored is lost."""
        if isinstance(self.engine, ExistingEngine):
            for each in self.container.inventory().containers:
                self.container.stop(each.id, grace)
        self.engine.stop(grace)
        self.network.remove_all()

    def purge(self) -> None:
        """Leave the host as it was before the cloud came, state folder included."""
        if isinstance(self.engine, ExistingEngine):
            self.container.remove_all()
        self.container.close()
        self.engine.purge()
        self.network.remove_all()
        for folder in (self._settings.run_dir, self._settings.state_dir):
            shutil.rmtree(folder, ignore_errors=True)


class RemoteHost:
    """This machine as a node of a cloud whose servers are elsewhere: what its folder says, its engine and drivers."""

    def __init__(self, folder: Path) -> None:
        self._home = Home(folder)
        joined = self._home.record()
        self.host = Host(Settings(state_dir=folder, cloud_id=joined.cloud_id, engine=joined.engine))

    def agent(self, changed: Callable[[dict[str, str]], None]) -> Agent:
        """The node, its engine up. changed: see Agent."""
        self.host.engine.start().wait_ready(60)
        observer = Observer()
        observer.tracer = tracer("", os.environ, "stackyard-node", self._home.record().name)
        return Agent(self._home, self.host.drivers(), CONTRACTS, self._facts, changed, observer=observer)

    def _facts(self) -> HostFacts:
        return cast(HostFacts, machine.facts(self._home.folder))


def _place(settings: Settings) -> str:
    """What tells this server from the others of the cloud, the same after each restart."""
    return f"{zlib.crc32(f'{platform.node()}:{settings.state_dir}'.encode()):08x}"


def _engine(settings: Settings) -> Engine:
    if settings.engine != "private":
        return ExistingEngine(settings.engine)
    return PrivateEngine(settings.cloud_id, settings.state_dir / "engine", settings.run_dir / "engine")


@dataclass(kw_only=True)
class Cloud:
    """A whole cloud in this process. `prepare`, `connect`, `start` bring it up, `stop` down; what runs on the host
    stays. drivers: this host's by room, or what gives them when they are connected. clock: instead of the one that all
    servers of the cloud share. pace: the journal's, where not the usual. upgrade: brings the database to this
    version."""

    settings: Settings
    drivers: Mapping[str, object] | Callable[[], Mapping[str, object]]
    clock: Clock | None = None
    rooms: Sequence[Room] = ROOMS
    facts: HostFacts | None = None
    threads: int = 8
    pace: Pace | None = None
    crash_hook: CrashHook | None = None
    upgrade: Callable[[Database, Sequence[Room]], bool] = migrations.upgrade

    def __post_init__(self) -> None:
        self.database = Database(self.settings.database_url)
        self.bulletin = Bulletin(self.database)
        self.book = Book(self.rooms, self.bulletin)
        self.authority = Authority(self.database, self._now)
        observer = self.database.observer
        observer.tracer = tracer(self.settings.traces, os.environ, "stackyard", _place(self.settings))
        self.nodes = ConnectedNodes(CONTRACTS, {"servers": (ServerList, self.authority)}, watch=observer.calling)
        self.book.on_interrupt(self.nodes.interrupt)
        self.bulletin.on(_REPAIR, self._signal)
        name = self._facts().hostname
        self.services = Services(
            database=self.database, journal=self.book, policy=Policies(self.rooms, self.settings.state_dir / "policy"),
            clock=self.clock or cloud_clock(self.database), nodes=self.nodes, settings=self.settings, bound={},
            signal=self._signal, signal_all=self._signal_all, unified_limits=identity.unified_limits,
            holdings=Holdings(self.rooms), bulletin=self.bulletin, host=name,
        )  # fmt: skip
        of_rooms = (each for room in self.rooms for each in room.reconcilers)
        self.reconcilers = Reconcilers(
            self.services, [auditing(self.book), pruning(), changes.forgetting(), *of_rooms]
        )
        self.workers = Workers(
            self.services, self.book, threads=self.threads, pace=self.pace,
            crash_hook=self.crash_hook or from_environment(os.environ),
            place=None if self.database.is_sqlite else _place(self.settings),
        )  # fmt: skip
        self.node = Node(name, {}, CONTRACTS, self._facts, {"servers": ServerList}, observer=observer)
        self.authority.own_node = self.node.name
        self.listener = Listener(self.settings.nodes, self.authority, self.nodes) if self.settings.nodes else None
        self.neighbours = Neighbours(self.node, self.authority, self.settings.nodes)
        self.bulletin.on(_LISTENING, lambda _: self.neighbours.hurry())
        router = Router((each for room in self.rooms for each in endpoints(room)), self.rooms)
        observer.trail = self._trail()
        self.health = Health({
            "database": lambda: migrations.trouble(self.database, self.rooms), "workers": self.workers.trouble,
            "node": self._node_trouble,
        })  # fmt: skip
        self.observers = Observers(self.settings.state_dir)
        self.front = Front(
            Chain(self.services, router, self._validate), most=self.settings.max_requests,
            origins=self.settings.cors_origins, proxies=self.settings.trusted_proxies,
            certificate_header=self.settings.client_certificate_header, beside=pages(
                observer.metrics.registry, self.health, self.observers, [room.path for room in self.rooms]
            ),
        )  # fmt: skip
        observer.metrics.registry.register(
            Standing(
                self.database, self.services.clock, self.book, self.nodes, self.health, lambda: self.front.at_once
            )
        )

    def _now(self) -> datetime:
        return self.services.clock.now()

    def _trail(self) -> Trail | None:
        count = self.database.observer.audited
        sinks = [sink(name, self.settings.state_dir, count) for name in self.settings.audit]
        return Trail(sinks, self.workers.server, count) if sinks else None

    def _node_trouble(self) -> str:
        return "" if self.node.name in self.nodes.names() else f"node {self.node.name} is not connected"

    def _signal(self, name: str) -> None:
        self.reconcilers.signal(name)

    def _signal_all(self, tx: Transaction, name: str) -> None:
        self.bulletin.post(tx, _REPAIR, name)
        tx.after_commit(partial(self._signal, name))

    def _validate(self, tx: Transaction, token: str) -> Caller:
        return cast(Caller, self.services.bound["identity"].validate(tx, token))

    def _facts(self) -> HostFacts:
        return self.facts or cast(HostFacts, machine.facts(self.settings.state_dir))

    def prepare(self) -> None:
        """Bring the database to this version, bind the rooms, write the first rows. Idempotent. Waits for a database
        server that comes up later than this one; raises Unavailable after a minute."""
        self.observers.begin()
        self.database.wait_for_answer(60)
        self.upgrade(self.database, self.rooms)
        changes.install(self.database, self.rooms)
        for room in self.rooms:
            if room.start:
                room.start(self.services)
        with self.database.write() as tx:
            self._seed(self.services.work(tx, service_caller("seed"), "req-seed"))

    def _seed(self, work: Work) -> None:
        for room in self.rooms:
            if room.seed:
                room.seed(work)
        identity.register_services(work, [each for room in self.rooms for each in _catalog(room)])
        admin, demo = (identity.find_project_by_name(work, name) for name in ("admin", "demo"))
        if admin:
            network.seed_public_network(work, self.settings.external_cidr, project_id=admin.id)
        if demo:
            network.seed_demo_network(work, demo.id)

    def connect(self) -> None:
        """Connect this host's node. Its drivers re-attach to what runs."""
        self.node.carry(self.drivers() if callable(self.drivers) else self.drivers)
        self.node.carry({IMAGE.name: image.shared_store(self.services)} if IMAGE in self.rooms else {})
        ours, theirs = pair()
        self.nodes.attach(ours)
        self.node.connect(theirs)
        self.node.start()
        self.nodes.wait_for(self.node.name, 10)
        if self.listener is not None:
            self.listener.start()
            self.neighbours.start()
            with self.database.write() as tx:
                self.bulletin.post(tx, _LISTENING)

    def start(self) -> None:
        """Begin to work in the background: operations, then repair."""
        self.bulletin.start()
        self.workers.start()
        self.reconcilers.start()

    def seed_image(self) -> None:
        """Build the first image on this host and register it, unless there is one."""
        driver = cast(ContainerDriver, self.nodes.driver(self.node.name, "container"))
        with self.database.read() as tx:
            work = self.services.work(tx, service_caller("seed"))
            owner = identity.find_project_by_name(work, "admin")
        if owner is None:
            return
        image.seed_image(
            self.services,
            partial(_built, driver),
            name=FIRST_IMAGE,
            owner=owner.id,
            disk_format="raw",
            container_format="docker",
        )

    def stop(self, grace: float = 10) -> None:
        """Everything down, in reverse; steps under way end at their boundary or are taken up again at the next
        start."""
        self.reconcilers.stop()
        self.workers.stop(grace)
        self.bulletin.stop()
        if self.listener is not None:
            self.neighbours.close()
            self.listener.close()
        self.node.close()
        self.nodes.close()
        self.front.close()
        self.database.close()
        self.database.observer.close()


def _built(driver: ContainerDriver) -> Iterator[bytes]:
    built = driver.build_busybox_image(FIRST_IMAGE)
    return driver.export_image(built.id)


def _catalog(room: Room) -> list[tuple[str, str, str]]:
    return [(kind, name, room.path + path) for kind, name, path in room.services]
