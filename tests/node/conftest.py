"""A server and a node, linked in memory and, to keep the protocol apart from its transport, over a socket."""

import contextlib
import functools
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Any

import pytest

from stackyard.node import certificates, memory
from stackyard.node.certificates import Signer
from stackyard.node.messages import HostFacts
from stackyard.node.runtime import Node
from stackyard.node.server import ConnectedNodes
from stackyard.node.tls import LINK, TlsTransport
from stackyard.node.transport import Transport, TransportClosed
from tests.node.bench import RealBench, WallClock
from tests.node.workbench import Clock, Workbench


class SocketTransport:
    """Frames with their length before them, written by a thread of its own."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._closed = threading.Event()
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()

    def send(self, frame: bytes) -> None:
        if self._closed.is_set():
            raise TransportClosed("closed")
        self._queue.put(struct.pack("!I", len(frame)) + frame)

    def receive(self) -> bytes:
        (length,) = struct.unpack("!I", self._exactly(4))
        return self._exactly(length)

    def close(self) -> None:
        self._closed.set()
        self._queue.put(b"")
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _write(self) -> None:
        try:
            while data := self._queue.get():
                self._socket.sendall(data)
        except OSError:
            self.close()

    def _exactly(self, length: int) -> bytes:
        try:
            data = self._socket.recv(length, socket.MSG_WAITALL) if length else b""
        except OSError as broken:
            raise TransportClosed(str(broken)) from broken
        if len(data) < length:
            raise TransportClosed("end of stream")
        return data


def socket_pair() -> tuple[Transport, Transport]:
    here, there = socket.socketpair()
    return SocketTransport(here), SocketTransport(there)


@functools.cache
def _certified() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server and a node of one cloud show each other."""
    now = datetime.now(UTC)
    signer = Signer(*Signer.create(now))
    key = certificates.new_key()
    server = certificates.server_context(signer.certificate, signer.issue_to_server(now, timedelta(days=1)))
    identity = key + signer.issue_to_node(certificates.request_for(key), "yard1", now, timedelta(days=1)).pem
    return server, certificates.client_context(LINK, signer.certificate, identity)


def tls_pair(**how: float) -> tuple[TlsTransport, TlsTransport]:
    """Two ends of a TLS connection over real sockets. `how`: see TlsTransport."""
    server, client = _certified()
    one, other = socket.socketpair()
    here = TlsTransport(one, server, is_server=True, **how)
    there = TlsTransport(other, client, is_server=False, **how)
    shaking = threading.Thread(target=here.handshake, args=(5,))
    shaking.start()
    there.handshake(5)
    shaking.join()
    return here, there


#: Every transport there is, and one of the tests' own.
PAIRS = {"memory": memory.pair, "socket": socket_pair, "tls": tls_pair}


@dataclass
class Yard:
    """One server, and nodes that come and go."""

    nodes: ConnectedNodes
    pair: Callable[[], tuple[Transport, Transport]]
    bench: RealBench
    made: list[Node]

    @property
    def node(self) -> Node:
        return self.made[0]

    @property
    def driver(self) -> Any:
        return self.nodes.driver("yard1", "workbench")

    def new_node(self, bench: RealBench | None = None, name: str = "yard1") -> Node:
        drivers = {"workbench": bench or self.bench}
        node = Node(name, drivers, {"workbench": Workbench}, facts, {"clock": Clock}, announce_every=0.05)
        self.made.append(node)
        return node

    def connect(self, node: Node) -> Transport:
        here, there = self.pair()
        self.nodes.attach(here)
        node.connect(there)
        assert self.nodes.wait_for(node.name, 30)
        return there


def facts() -> HostFacts:
    return HostFacts(hostname="yard1.example", cpus=2, memory=1 << 30)


def make_yard(pair: Callable[[], tuple[Transport, Transport]]) -> Iterator[Yard]:
    """A server with one node connected, taken down afterwards."""
    contracts = {"workbench": Workbench, "elsewhere": Clock}
    nodes = ConnectedNodes(contracts, {"clock": (Clock, WallClock())}, grace=0.3)
    made = Yard(nodes, pair, RealBench(), [])
    made.connect(made.new_node())
    yield made
    made.bench.may_press.set()
    for node in made.made:
        node.close()
    nodes.close()


@pytest.fixture(params=list(PAIRS.values()), ids=list(PAIRS))
def yard(request: pytest.FixtureRequest) -> Iterator[Yard]:
    yield from make_yard(request.param)


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Come back when it holds; fail when it does not in time."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "it did not come to pass"
        time.sleep(0.002)
