"""The server's end of all node links: which hosts are connected, and their drivers."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from stackyard.kernel.steps import Refused, Transient
from stackyard.node import messages
from stackyard.node.contract import Contract
from stackyard.node.dispatch import Dispatcher, Target
from stackyard.node.link import Link
from stackyard.node.messages import Call, Event, Hello, HostFacts
from stackyard.node.pool import Pool
from stackyard.node.proxy import Proxy, unwatched
from stackyard.node.streams import Incoming
from stackyard.node.transport import Transport

log = logging.getLogger(__name__)

#: Topics of the link itself: a host's node has come or come back, has gone. Their value is None.
CONNECTED = "connected"
GONE = "gone"

Handler = Callable[[str, Any], None]


class NodeState(msgspec.Struct, frozen=True, kw_only=True):
    """A host as last seen. `rooms`: those it has drivers for."""

    name: str
    facts: HostFacts
    rooms: list[str]
    connected: bool
    last_seen: datetime


class _Seen(msgspec.Struct):
    link: Link
    hello: Hello
    connected: bool
    last_seen: datetime


def _now() -> datetime:
    return datetime.now(UTC)


class ConnectedNodes:
    """The kernel's `Nodes`, over links.

    contracts: the Protocol of each room's driver. services: what nodes may call here, each with its Protocol. grace:
    seconds that an interrupted call has to end by itself. watch: gives, for a host, a room
    and a method, the block in which the driver is called.
    """

    def __init__(
        self,
        contracts: Mapping[str, type],
        services: Mapping[str, tuple[type, object]] | None = None,
        *,
        now: Callable[[], datetime] = _now,
        grace: float = 10.0,
        workers: int = 16,
        watch: Callable[[str, str, str], AbstractContextManager[None]] | None = None,
    ) -> None:
        self._contracts = {room: Contract(protocol) for room, protocol in contracts.items()}
        targets = {name: Target(Contract(protocol), value) for name, (protocol, value) in (services or {}).items()}
        self._dispatcher = Dispatcher(targets, workers)
        self._now = now
        self._grace = grace
        self._watch = watch
        self._hosts: dict[str, _Seen] = {}
        self._links: set[Link] = set()
        self._proved: dict[Link, str] = {}
        self._changed = threading.Condition()
        self._handlers: dict[str, list[Handler]] = {}
        # One thread: handlers see a host's events in their order, and never hold up a link.
        self._events = Pool(1, "node events")

    def attach(self, transport: Transport, name: str | None = None) -> None:
        """Take a node's connection; the host counts as connected once its hello has come. `name`: who it has proved to
        be; one that says another name is cut off."""
        link = Link(transport, self, "a node" if name is None else f"node {name}", self._grace)
        with self._changed:
            self._links.add(link)
            if name is not None:
                self._proved[link] = name
        link.start()

    def names(self) -> list[str]:
        """The hosts whose node is connected now, by name."""
        with self._changed:
            return sorted(name for name, seen in self._hosts.items() if seen.connected)

    def driver(self, host: str, room: str) -> Any:
        """A stand-in for the room's driver on a host; it stays good when the node comes back. KeyError: unknown room.

        Calls raise the contract's own errors; Transient when the node is out of reach; Refused when it has no such
        driver; Cancelled when interrupted; DriverError for what the contract does not name.
        """
        contract = self._contracts[room]
        watch = partial(self._watch, host) if self._watch else unwatched
        return Proxy(partial(self._link, host, room), partial(self._attribute, host, room), room, contract, watch)

    def wait_for(self, host: str, timeout: float) -> bool:
        """Wait until the host is connected, at most `timeout` seconds; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: host in self._hosts and self._hosts[host].connected, timeout)

    def states(self) -> list[NodeState]:
        """Every host seen since this process started, connected or not, by name."""
        with self._changed:
            return [_state(name, seen) for name, seen in sorted(self._hosts.items())]

    def interrupt(self, operation_id: str) -> None:
        """End the calls that an operation has under way; does not wait. Its later calls (undo) are not affected."""
        for link in self._all_links():
            link.interrupt(operation_id)

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Call `handler(host, value)` for every event of a topic, one at a time.

        Topics: CONNECTED, GONE, a room's name for what its driver's `events` yields (as the contract's type), else
        whatever a node emits (as plain data).
        """
        self._handlers.setdefault(topic, []).append(handler)

    def close(self) -> None:
        """Cut all links."""
        self._dispatcher.close()
        for link in self._all_links():
            link.close()
        self._events.close()

    def called(self, link: Link, call: Call, streams: dict[str, Incoming]) -> None:
        """A node's request."""
        self._dispatcher.called(link, call, streams)

    def cancelled(self, link: Link, call: int) -> None:
        """A node gives up a request."""
        self._dispatcher.cancelled(link, call)

    def told(self, link: Link, message: Hello | Event) -> None:
        """A node says who it is, or what happened."""
        if isinstance(message, Hello):
            self._greet(link, message)
            return
        host = self._host_of(link)
        if host is None:
            log.warning("dropped a %s event of a node that has not said hello", message.topic)
            return
        contract = self._contracts.get(message.topic)
        events = contract.methods.get("events") if contract is not None else None
        decode = events.items.decode if events is not None and events.items is not None else msgspec.msgpack.decode
        try:
            self._publish(message.topic, host, decode(message.value))
        except messages.MALFORMED as wrong:
            log.warning("dropped a %s event of %s: %s", message.topic, host, wrong)

    def gone(self, link: Link) -> None:
        """A node's link is closed or broken."""
        self._dispatcher.gone(link)
        host = self._host_of(link)
        with self._changed:
            self._links.discard(link)
            self._proved.pop(link, None)
            if host is not None:
                self._hosts[host].connected = False
                self._hosts[host].last_seen = self._now()
        if host is not None:
            log.warning("node %s is gone", host)
            self._publish(GONE, host, None)

    def _greet(self, link: Link, hello: Hello) -> None:
        proved = self._proved.get(link)
        if proved is not None and (hello.node, hello.facts.hostname) != (proved, proved):
            log.warning("%s says that it is %s: it is cut off", link.name, hello.node)
            link.close()
            return
        with self._changed:
            before = self._hosts.get(hello.node)
            twice = before is not None and before.connected and before.link is not link
            self._hosts[hello.node] = _Seen(link, hello, True, self._now())
            self._changed.notify_all()
        if before is not None and before.link is link:
            return
        link.name = f"node {hello.node}"
        if before is not None:
            before.link.close()
        if twice:
            log.warning(
                "node %s has connected anew while connected; if that goes on, two machines have its certificate: "
                "revoke it, and have each join under a name of its own",
                hello.node,
            )
        log.info("node %s is connected", hello.node)
        self._publish(CONNECTED, hello.node, None)

    def _publish(self, topic: str, host: str, value: Any) -> None:
        for handler in self._handlers.get(topic, ()):
            self._events.submit(partial(_handle, handler, topic, host, value))

    def _host_of(self, link: Link) -> str | None:
        with self._changed:
            return next((name for name, seen in self._hosts.items() if seen.link is link), None)

    def _all_links(self) -> list[Link]:
        with self._changed:
            return list(self._links)

    def _seen(self, host: str, room: str) -> _Seen:
        with self._changed:
            seen = self._hosts.get(host)
            if seen is None or not seen.connected:
                raise Transient(f"node {host} is out of reach: it is not connected")
        if room not in seen.hello.drivers:
            raise Refused(f"node {host} has no {room} driver")
        return seen

    def _link(self, host: str, room: str) -> Link:
        return self._seen(host, room).link

    def _attribute(self, host: str, room: str, name: str) -> msgspec.Raw:
        try:
            return self._seen(host, room).hello.drivers[room][name]
        except KeyError:
            raise AttributeError(f"the {room} driver of node {host} has no {name!r}") from None


def _state(name: str, seen: _Seen) -> NodeState:
    return NodeState(
        name=name,
        facts=seen.hello.facts,
        rooms=sorted(seen.hello.drivers),
        connected=seen.connected,
        last_seen=seen.last_seen,
    )


def _handle(handler: Handler, topic: str, host: str, value: Any) -> None:
    try:
        handler(host, value)
    except Exception:
        log.exception("a subscriber of %s failed on an event of %s", topic, host)
