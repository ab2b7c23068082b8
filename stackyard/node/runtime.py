"""A node: the drivers of one host, reached by every server it is connected to."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

import msgspec

from stackyard.kernel.observe.observer import Observer
from stackyard.kernel.steps import Transient
from stackyard.node import messages
from stackyard.node.contract import Contract
from stackyard.node.dispatch import Dispatcher, Target
from stackyard.node.link import Link
from stackyard.node.messages import Call, Event, Hello, HostFacts
from stackyard.node.proxy import Proxy
from stackyard.node.streams import Incoming
from stackyard.node.transport import Transport

log = logging.getLogger(__name__)


class Watched(Protocol):
    """A driver whose contract has `events`: an endless stream of what happens on the host."""

    def events(self) -> Iterable[Any]:
        """Events from now on; fails or ends when the engine goes away."""


class Node:
    """Runs the calls of its servers on its drivers, tells them what the host has, and what happens on it.

    contracts: the Protocol of each room's driver. services: the Protocols of what the server offers its nodes. facts:
    what the host has, asked anew every `announce_every` seconds. A driver whose contract has a stream `events` is
    watched: each of its events is told to all servers, under the room's name.
    """

    def __init__(
        self,
        name: str,
        drivers: Mapping[str, object],
        contracts: Mapping[str, type],
        facts: Callable[[], HostFacts],
        services: Mapping[str, type] | None = None,
        *,
        workers: int = 64,
        announce_every: float = 15.0,
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self._contracts = contracts
        self._targets: dict[str, Target] = {}
        self.carry(drivers)
        self._services = {service: Contract(protocol) for service, protocol in (services or {}).items()}
        self._facts = facts
        self._announce_every = announce_every
        self._dispatcher = Dispatcher(self._targets, workers, partial((observer or Observer()).serving, name))
        # Read without the lock: it is replaced, never changed.
        self._links: list[Link] = []
        self._changing = threading.Lock()
        self._closed = threading.Event()
        self._streams: dict[str, Any] = {}

    def carry(self, drivers: Mapping[str, object]) -> None:
        """Run these drivers too. To be called before it is connected or started."""
        self._targets.update({room: Target(Contract(self._contracts[room]), each) for room, each in drivers.items()})

    def start(self) -> None:
        """Begin to announce and to watch; `connect` may come before or after."""
        threading.Thread(target=self._announce, name=f"announce {self.name}", daemon=True).start()
        for room, target in self._targets.items():
            if "events" in target.contract.methods:
                threading.Thread(
                    target=self._watch, args=(room, target.implementation), name=f"watch {room}", daemon=True
                ).start()

    def connect(self, transport: Transport) -> Link:
        """Serve a server over this connection, beside those there are. A broken one is forgotten: connect again."""
        link = Link(transport, self, f"the server of {self.name}")
        link.tell(self._hello())
        with self._changing:
            self._links = [*self._links, link]
        link.start()
        if self._closed.is_set():
            link.close()
        return link

    def server(self, service: str) -> Any:
        """A stand-in for a service that the server offers (the newest connection's). Its calls raise the service's own
        errors, Transient when no server is connected."""
        return Proxy(self._newest_link, _no_attribute, service, self._services[service])

    def emit(self, topic: str, value: object) -> None:
        """Tell all servers that something happened; nobody hears it while none is connected."""
        event = Event(topic, messages.raw(value))
        for link in self._links:
            link.tell(event)

    def close(self) -> None:
        """Cut all connections, ask calls in flight to end, stop watching. What runs on the host goes on."""
        self._closed.set()
        # Links first: for the server the calls then failed because the node went, not because they were cancelled.
        for link in self._links:
            link.close()
        self._dispatcher.close()
        for stream in list(self._streams.values()):
            _close(stream)

    def called(self, link: Link, call: Call, streams: dict[str, Incoming]) -> None:
        """A server's call."""
        self._dispatcher.called(link, call, streams)

    def cancelled(self, link: Link, call: int) -> None:
        """A server wants a call ended."""
        self._dispatcher.cancelled(link, call)

    def told(self, link: Link, message: Hello | Event) -> None:
        """Servers tell nodes nothing."""
        log.warning("%s sent a node's message", link.name)

    def gone(self, link: Link) -> None:
        """A server went away; what it asked for durably runs on."""
        with self._changing:
            self._links = [each for each in self._links if each is not link]
        self._dispatcher.gone(link)

    def _newest_link(self) -> Link:
        if not self._links:
            raise Transient(f"node {self.name} is connected to no server")
        return self._links[-1]

    def _hello(self) -> Hello:
        return Hello(self.name, self._facts(), {room: _attributes(target) for room, target in self._targets.items()})

    def _announce(self) -> None:
        while not self._closed.wait(self._announce_every):
            try:
                hello = self._hello()
            except Exception:
                log.exception("the facts of this host cannot be read")
                continue
            for link in self._links:
                link.tell(hello)

    def _watch(self, room: str, driver: Watched) -> None:
        pause = 0.0
        while not self._closed.wait(pause):
            try:
                self._streams[room] = stream = driver.events()
                for event in stream:
                    self.emit(room, event)
                    pause = 0.0
            except Exception as lost:
                log.info("the events of %s broke off: %s", room, lost)
            pause = min(max(pause * 2, 0.5), 30.0)


def _attributes(target: Target) -> dict[str, msgspec.Raw]:
    driver = target.implementation
    return {name: messages.raw(getattr(driver, name)) for name in target.contract.attributes if hasattr(driver, name)}


def _no_attribute(name: str) -> msgspec.Raw:
    raise AttributeError(f"a server's service has no attribute {name!r}")


def _close(stream: object) -> None:
    close = getattr(stream, "close", None)
    if close is not None:
        close()
