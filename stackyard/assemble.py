"""The only composition root: settings → host → database → rooms → node → workers → application.

Everything is bound here, in order, in plain calls; nothing else in the project knows which rooms and drivers there are.
A room's modules are imported when it is served: what only some rooms need is imported where they are asked for.
"""

import importlib
import os
import platform
import shutil
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
from stackyard.kernel.settings import ALL, Settings, served
from stackyard.kernel.storage import branches, changes, migrations
from stackyard.kernel.storage.database import Database, Transaction
from stackyard.kernel.work import Clock, Services, Work
from stackyard.node.authority import Authority, ServerList
from stackyard.node.memory import pair
from stackyard.node.messages import HostFacts
from stackyard.node.runtime import Node
from stackyard.node.server import ConnectedNodes
from stackyard.rooms.identity import facade as identity

if TYPE_CHECKING:
    from stackyard.node.agent import Agent
    from stackyard.node.listener import Listener
    from stackyard.node.neighbours import Neighbours
    from stackyard.rooms.container.driver import ContainerDriver
    from stackyard.rooms.container.drivers.docker.driver import DockerDriver
    from stackyard.rooms.network.drivers.native.driver import NativeDriver

#: The rooms there are: each after those whose facades it uses.
ROOMS: Sequence[str] = ("identity", "placement", "image", "network", "container")
#: What a node must be able to do for a room: the name of the Protocol in its `driver` module.
_CONTRACTS: Mapping[str, str] = {"image": "SharedStore", "network": "NetworkDriver", "container": "ContainerDriver"}
_ON_HOSTS: Collection[str] = ("network", "container")
#: What servers tell each other: to have a repair run soon, that one of them listens for nodes from now on.
_REPAIR, _LISTENING = "repair", "listening"

#: The image every cloud starts with, built on the machine itself: no registry is needed.
FIRST_IMAGE = "cirros"


def rooms(chosen: Collection[str] = (ALL,)) -> list[Room]:
    """The manifests of these rooms, in order. Raises ValueError for a room that there is not, and for one that needs
    another that was not chosen; every room needs identity, whose tokens it takes."""
    wanted = ROOMS if ALL in chosen else chosen
    for name in wanted:
        if name not in ROOMS:
            raise ValueError(f"there is no service {name!r}; there are: {ALL}, {', '.join(ROOMS)}")
    if not wanted:
        raise ValueError("choose at least identity")
    found = [_manifest(name) for name in ROOMS if name in wanted]
    for room in found:
        if lacking := [name for name in ROOMS if name in {"identity", *room.uses} and name not in wanted]:
            raise ValueError(f"{room.name} needs {' and '.join(lacking)} too")
    return found


def on_hosts(chosen: Collection[str]) -> bool:
    """Whether some of these rooms do something on hosts: they have drivers there, and need root."""
    return any(served(name, chosen) for name in _ON_HOSTS)


def has_node(chosen: Collection[str]) -> bool:
    """Whether a server of these rooms has a node in it: some room has use for one."""
    return any(served(name, chosen) for name in _CONTRACTS)


def kept(database: Database, serving: Collection[Room]) -> list[Room]:
    """The rooms that are not served, although the database has their tables: from a time when they were."""
    with database.read() as tx:
        there = branches.labels(tx)
    return [_manifest(name) for name in ROOMS if name in there - {room.name for room in serving}]


def _manifest(name: str) -> Room:
    return cast(Room, importlib.import_module(f"stackyard.rooms.{name}.room").ROOM)


def contracts(names: Collection[str]) -> dict[str, type]:
    """What nodes must be able to do for these rooms, by room."""
    modules = {name: importlib.import_module(f"stackyard.rooms.{name}.driver") for name in _CONTRACTS if name in names}
    return {name: getattr(module, _CONTRACTS[name]) for name, module in modules.items()}


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

    def drivers(self, names: Collection[str] = ROOMS) -> Mapping[str, object]:
        """The drivers by room, of those that are served."""
        return {name: getattr(self, name) for name in _ON_HOSTS if name in names}

    def is_used(self) -> bool:
        """Whether the cloud has something here, or had when it served more."""
        folders = (self._settings.state_dir / name for name in ("engine", "network"))
        return on_hosts(self._settings.services) or any(each.exists() for each in folders)

    def stop(self, grace: float) -> None:
        """Stop the cloud's containers, its own engine, and take its networks from the host. Nothing stored is lost."""
        if not self.is_used():
            return
        if isinstance(self.engine, ExistingEngine):
            for each in self.container.inventory().containers:
                self.container.stop(each.id, grace)
        self.engine.stop(grace)
        self.network.remove_all()

    def purge(self) -> None:
        """Leave the host as it was before the cloud came, state folder included."""
        if self.is_used():
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
        # Imported here because the cloud's own servers are no such machines.
        from stackyard.node.home import Home

        self._home = Home(folder)
        joined = self._home.record()
        self.host = Host(Settings(state_dir=folder, cloud_id=joined.cloud_id, engine=joined.engine))

    def agent(self, changed: Callable[[dict[str, str]], None]) -> "Agent":
        """The node, its engine up. changed: see Agent."""
        from stackyard.node.agent import Agent

        self.host.engine.start().wait_ready(60)
        observer = Observer()
        observer.tracer = tracer("", os.environ, "stackyard-node", self._home.record().name)
        return Agent(self._home, self.host.drivers(), contracts(ROOMS), self._facts, changed, observer=observer)

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
    """A whole cloud in this process, or those of its rooms that the settings name. `prepare`, `connect`, `start` bring
    it up, `stop` down; what runs on the host stays. drivers: this host's by room, or what gives them for the rooms that
    are served when they are connected. clock: instead of the one that all servers of the cloud share. pace: the
    journal's, where not the usual. upgrade: brings the database to this version."""

    settings: Settings
    drivers: Mapping[str, object] | Callable[[Collection[str]], Mapping[str, object]]
    clock: Clock | None = None
    facts: HostFacts | None = None
    threads: int = 8
    pace: Pace | None = None
    crash_hook: CrashHook | None = None
    upgrade: Callable[[Database, Sequence[Room]], bool] = migrations.upgrade

    def __post_init__(self) -> None:
        self.rooms = rooms(self.settings.services)
        self.names = [room.name for room in self.rooms]
        #: The rooms that are not served, though the database has what is theirs.
        self.kept: Sequence[Room] = ()
        self.database = Database(self.settings.database_url)
        self.bulletin = Bulletin(self.database)
        self.book = Book(self.rooms, self.bulletin, elsewhere=tuple(self._others()))
        self.authority = Authority(self.database, self._now)
        observer = self.database.observer
        observer.tracer = tracer(self.settings.traces, os.environ, "stackyard", _place(self.settings))
        carried = contracts(self.names)
        self.nodes = ConnectedNodes(carried, {"servers": (ServerList, self.authority)}, watch=observer.calling)
        self.book.on_interrupt(self.nodes.interrupt)
        self.bulletin.on(_REPAIR, self._signal)
        name = self._facts().hostname
        self.services = Services(
            database=self.database, journal=self.book, policy=Policies(self.rooms, self.settings.state_dir / "policy"),
            clock=self.clock or cloud_clock(self.database), nodes=self.nodes, settings=self.settings, bound={},
            signal=self._signal, signal_all=self._signal_all, unified_limits=identity.unified_limits,
            holdings=Holdings(self.rooms, lambda: self.kept), bulletin=self.bulletin, host=name,
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
        self.node = Node(name, {}, carried, self._facts, {"servers": ServerList}, observer=observer)
        self.authority.own_node = self.node.name
        takes_nodes = self.settings.nodes and has_node(self.names)
        self.listener: Listener | None = None
        self.neighbours: Neighbours | None = None
        if takes_nodes:
            self.listener, self.neighbours = self._ways_of_nodes()
        router = Router((each for room in self.rooms for each in endpoints(room)), self.rooms)
        observer.trail = self._trail()
        self.health = Health({
            "database": lambda: migrations.trouble(self.database, self.rooms), "workers": self.workers.trouble,
            **({"node": self._node_trouble} if has_node(self.names) else {}),
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

    def _ways_of_nodes(self) -> "tuple[Listener, Neighbours]":
        from stackyard.node.listener import Listener
        from stackyard.node.neighbours import Neighbours

        neighbours = Neighbours(self.node, self.authority, self.settings.nodes)
        self.bulletin.on(_LISTENING, lambda _: neighbours.hurry())
        return Listener(self.settings.nodes, self.authority, self.nodes), neighbours

    def serves(self, room: str) -> bool:
        """Whether a room is among those that are served."""
        return room in self.names

    def _others(self) -> Iterator[str]:
        return (name for name in ROOMS if name not in self.names)

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
        self.kept = kept(self.database, self.rooms)
        self.upgrade(self.database, [*self.rooms, *self.kept])
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
        if self.serves("network"):
            self._seed_networks(work)

    def _seed_networks(self, work: Work) -> None:
        from stackyard.rooms.network import facade as network

        admin, demo = (identity.find_project_by_name(work, name) for name in ("admin", "demo"))
        if admin:
            network.seed_public_network(work, self.settings.external_cidr, project_id=admin.id)
        if demo:
            network.seed_demo_network(work, demo.id)

    def connect(self) -> None:
        """Connect this host's node, if some room has use for one. Its drivers re-attach to what runs."""
        if not has_node(self.names):
            return
        self.node.carry(self._drivers())
        ours, theirs = pair()
        self.nodes.attach(ours)
        self.node.connect(theirs)
        self.node.start()
        self.nodes.wait_for(self.node.name, 10)
        if self.listener is not None and self.neighbours is not None:
            self.listener.start()
            self.neighbours.start()
            with self.database.write() as tx:
                self.bulletin.post(tx, _LISTENING)

    def _drivers(self) -> Mapping[str, object]:
        given = self.drivers(self.names) if callable(self.drivers) else self.drivers
        found = {room: driver for room, driver in given.items() if self.serves(room)}
        if self.serves("image"):
            from stackyard.rooms.image import facade as image

            found["image"] = image.shared_store(self.services)
        return found

    def start(self) -> None:
        """Begin to work in the background: operations, then repair."""
        self.bulletin.start()
        self.workers.start()
        self.reconcilers.start()

    def seed_image(self) -> None:
        """Build the first image on this host and register it, unless there is one, or nothing here that builds one."""
        if not self.serves("container"):
            return
        from stackyard.rooms.image import facade as image

        driver = cast("ContainerDriver", self.nodes.driver(self.node.name, "container"))
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
        if self.listener is not None and self.neighbours is not None:
            self.neighbours.close()
            self.listener.close()
        self.node.close()
        self.nodes.close()
        self.front.close()
        self.database.close()
        self.database.observer.close()


def _built(driver: "ContainerDriver") -> Iterator[bytes]:
    built = driver.build_busybox_image(FIRST_IMAGE)
    return driver.export_image(built.id)


def _catalog(room: Room) -> list[tuple[str, str, str]]:
    return [(kind, name, room.path + path) for kind, name, path in room.services]
