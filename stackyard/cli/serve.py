"""`stackyard serve`: the server in the foreground. `stackyard up` starts it in the background."""

import argparse
import asyncio
import fcntl
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec
import uvicorn
import uvloop

from stackyard import __version__
from stackyard.assemble import Cloud, Host
from stackyard.cli import unit
from stackyard.cli.identity_verbs import identity_verbs
from stackyard.cli.node_verbs import node_verbs
from stackyard.cli.operator import SOCKET, CommandFailed
from stackyard.kernel import logs
from stackyard.kernel.journal import why
from stackyard.kernel.operate import Operate
from stackyard.kernel.request import listener
from stackyard.kernel.settings import Settings, load, served
from stackyard.kernel.storage import apart

if TYPE_CHECKING:
    from stackyard.kernel.request.certificates import Serving

log = logging.getLogger("stackyard.serve")
LOCK = "server.lock"
#: Seconds between two looks at the API's certificate, and at whose certificates clients may present.
_RENEWAL = 30


def run(asked: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or `stackyard down`."""
    reopen = logs.begin(asked.log)
    settings = load(asked.state)
    if settings is None:
        raise CommandFailed(f"there is no cloud in {asked.state}. Make one with: stackyard up")
    with only_server(settings.state_dir), api_socket(settings) as api, operator_socket(settings.state_dir) as operator:
        server = Server(settings, reopen)
        uvloop.run(server.serve(api, operator))
    return 0


@contextmanager
def only_server(state: Path) -> Iterator[TextIO]:
    """Hold the lock that says that a server uses this state folder. Raises CommandFailed when another does."""
    with (state / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandFailed(f"another server uses {state}") from None
        yield file


@contextmanager
def api_socket(settings: Settings) -> Iterator[socket.socket]:
    """The socket the API listens on. Raises CommandFailed when the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, settings.port))
        except OSError as error:
            raise CommandFailed(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}") from error
        yield listening


@contextmanager
def operator_socket(state: Path) -> Iterator[socket.socket]:
    """The operator's socket, which only its owner can open."""
    path = state / SOCKET
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        try:
            yield listening
        finally:
            path.unlink(missing_ok=True)


class _Uvicorn(uvicorn.Server):
    """A uvicorn server whose signals are handled by us: there are two of them in the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def _uvicorn(app: Any) -> _Uvicorn:
    return _Uvicorn(
        uvicorn.Config(app, loop="uvloop", http="httptools", ws="none", lifespan="off", log_config=None,
                       access_log=False, timeout_graceful_shutdown=5, server_header=False, date_header=False)
    )  # fmt: skip


def _tls(settings: Settings) -> "Serving":
    # Imported here because a server without TLS has no use for what makes certificates.
    from stackyard.kernel.request import certificates

    return certificates.context(settings)


class Server:
    """The process: the cloud, its API and the operator's verbs."""

    def __init__(self, settings: Settings, reopen: Callable[[], None] = lambda: None) -> None:
        """`reopen`: goes on in a new log."""
        self.settings = settings
        self.reopen = reopen
        self.leaving: asyncio.TimerHandle | None = None
        self.began = time.time()
        self.phase = "starting"
        self.prepared = False
        self.trouble: list[str] = []
        self.host = Host(settings)
        # First of all: it comes up while the rest of this is loaded.
        self.engine_starting = self.host.engine.start() if served("container", settings.services) else None
        self.cloud = Cloud(settings=settings, drivers=self.host.drivers, upgrade=apart.upgrade)
        self.tls = _tls(settings) if settings.serves_tls else None
        self.api = _Uvicorn(listener.config(self.cloud.front, tls=self.tls))
        self.operator = _uvicorn(Operate(self.verbs()))

    def verbs(self) -> dict[str, Any]:
        """What the operator can ask."""
        return {
            "status": self.status, "why": self.why, "check": self.check, "reconcile": self.reconcile, "stop": self.stop,
            **node_verbs(self.cloud), **identity_verbs(self.cloud.services),
        }  # fmt: skip

    async def serve(self, api: socket.socket, operator: socket.socket) -> None:
        """Come up, serve, go down."""
        loop = asyncio.get_running_loop()
        self.loop = loop
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._drain)
        loop.add_signal_handler(signal.SIGHUP, self._reopen)
        serving = asyncio.gather(self.operator.serve(sockets=[operator]), self._serve_api(api))
        try:
            await serving
        finally:
            self.phase = "stopping"
            unit.tell("STOPPING=1")
            await asyncio.to_thread(self.cloud.stop)

    async def _serve_api(self, api: socket.socket) -> None:
        self.phase = "preparing the database"
        await asyncio.to_thread(self.cloud.prepare)
        self.prepared = True
        coming = asyncio.create_task(asyncio.to_thread(self._come_up))
        renewing = asyncio.create_task(self._renew_certificate())
        await self.api.serve(sockets=[api])
        renewing.cancel()
        self.operator.should_exit = True
        await coming

    async def _renew_certificate(self) -> None:
        """Serve with what is on disk: the cloud's own certificate is made anew a month before it ends, and what the
        operator names may be replaced."""
        if self.tls is None:
            return
        from stackyard.kernel.request import certificates

        renewal = certificates.Renewal(self.settings, self.tls)
        while True:
            await asyncio.sleep(_RENEWAL)
            try:
                if await asyncio.to_thread(renewal.renew):
                    log.info("the API is served with new certificates")
            except OSError as error:
                log.warning("the new certificates cannot be used", extra={"reason": str(error)})

    def _come_up(self) -> None:
        """What needs the engine, while the API answers already."""
        try:
            if self.engine_starting is not None:
                self.phase = "waiting for the container engine"
                self.engine_starting.wait_ready(60)
            self.phase = "connecting the node"
            self.cloud.connect()
            self.cloud.start()
            self.phase = "looking at the host"
            self.cloud.seed_image()
            self.cloud.reconcilers.wait_for_first_round(30)
            self.phase = "ready"
            unit.tell("READY=1")
        except Exception as error:
            log.exception("the cloud came up in part only")
            self.phase = "in trouble"
            self.trouble.append(str(error))
            # It answers, and `stackyard status` tells what is missing: to end it would help nobody.
            unit.tell(f"READY=1\nSTATUS=In trouble: {error}")

    # -- the operator's verbs --

    def status(self, _: str) -> dict[str, Any]:
        """What runs, and how it is."""
        return {
            "phase": self.phase, "pid": os.getpid(), "version": __version__, "base_url": self.settings.base_url,
            "region": self.settings.region, "state_dir": str(self.settings.state_dir),
            "cloud_id": self.settings.cloud_id, "services": self.cloud.names,
            "engine": self.host.engine.url if self.cloud.serves("container") else None,
            "seconds": round(time.time() - self.began, 3), "memory_mib": _memory_mib(),
            "nodes": [{"name": each.name, "connected": each.connected} for each in self.cloud.nodes.states()],
            "health": self.cloud.health.standing(), "operations": self._operations(),
            "reconcilers": msgspec.to_builtins(self.cloud.reconcilers.statuses()),
            "warnings": [*self.trouble, *self._warnings()],
        }  # fmt: skip

    def _warnings(self) -> list[str]:
        return self.host.network.warnings() if self.phase == "ready" and self.cloud.serves("network") else []

    def _operations(self) -> dict[str, int]:
        if not self.prepared:
            return {}
        with self.cloud.database.read() as tx:
            return self.cloud.book.counts(tx)

    def why(self, asked: str) -> dict[str, Any]:
        """The stories behind an id."""
        with self.cloud.database.read() as tx:
            stories = why(tx, self.cloud.book, asked)
        return {"text": "\n\n".join(each.text() for each in stories), "data": msgspec.to_builtins(stories)}

    def check(self, _: str) -> Any:
        """Every difference between database and host."""
        return msgspec.to_builtins(self.cloud.reconcilers.mismatches())

    def reconcile(self, name: str) -> Any:
        """Run one repair now."""
        return msgspec.to_builtins(self.cloud.reconcilers.run_once(name))

    def stop(self, _: str) -> dict[str, Any]:
        """Begin to go down."""
        self.loop.call_soon_threadsafe(self._drain)
        return {"pid": os.getpid()}

    def _drain(self) -> None:
        """Say that the server is not ready any more, and end after the time that was chosen; asked again, at once."""
        self.cloud.health.drain()
        if self.leaving is not None or not self.settings.drain or self.phase != "ready":
            self._leave()
            return
        self.phase = "draining"
        self.leaving = self.loop.call_later(self.settings.drain, self._leave)

    def _leave(self) -> None:
        self.cloud.front.begin_closing()
        self.api.should_exit = True

    def _reopen(self) -> None:
        """Go on in new files: somebody has put the logs aside."""
        self.reopen()
        self.cloud.database.observer.reopen()


def _memory_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
