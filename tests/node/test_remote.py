"""Nodes on the far side of a network: it breaks, falls silent, repeats itself; servers and nodes go and come back."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from stackyard.kernel.steps import Transient
from stackyard.kernel.storage.database import Database
from stackyard.node import admission, memory
from stackyard.node.authority import ServerList
from stackyard.node.dialler import Dialler
from stackyard.node.home import Home
from stackyard.node.messages import HostFacts
from stackyard.node.neighbours import Neighbours
from stackyard.node.runtime import Node
from stackyard.node.server import CONNECTED, GONE
from stackyard.node.tls import TlsTransport
from stackyard.node.transport import TransportClosed
from stackyard.testing.cloud import free_port
from tests.node.bench import RealBench
from tests.node.conftest import _certified, tls_pair, wait_until
from tests.node.premises import CONTRACTS, Premises, new_database, premises
from tests.node.test_claims import begin


class Wire:
    """A relay between nodes and a server. While it is `cut`, nothing passes and nobody is told."""

    def __init__(self, address: str) -> None:
        self.passes = threading.Event()
        self.passes.set()
        self._target = admission.split(address)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def dial(self, address: str, timeout: float) -> socket.socket:
        """Whatever server is asked for, the way to it leads through here."""
        return admission.dial(self.address, timeout)

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                node, _ = self._listening.accept()
                server = socket.create_connection(self._target)
                for one, other in ((node, server), (server, node)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                self.passes.wait()
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = new_database(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server(database: Database) -> Iterator[Premises]:
    with premises(database) as made:
        yield made


@pytest.fixture
def wire(server: Premises) -> Iterator[Wire]:
    made = Wire(server.address)
    yield made
    made.passes.set()
    made.close()


def test_a_server_that_comes_back_is_found_again(server: Premises, tmp_path: Path) -> None:
    agent = server.agent(server.joined(tmp_path))
    for _ in range(3):
        assert server.nodes.wait_for("yard1", 30)
        assert server.driver().add(1) == 11
        server.stop()
        wait_until(lambda: agent.states()[server.address] != "connected")
        server.start()


def test_a_node_that_comes_back_is_the_same_node(server: Premises, tmp_path: Path) -> None:
    home = server.joined(tmp_path)
    for _ in range(3):
        agent = server.agent(home)
        assert server.nodes.wait_for("yard1", 30)
        agent.close()
        wait_until(lambda: server.nodes.names() == [])
    assert [each.name for each in server.authority.nodes()] == ["yard1"]


@pytest.mark.thorough
def test_silence_is_noticed_within_seconds_and_fails_the_calls_under_way(
    server: Premises, wire: Wire, tmp_path: Path
) -> None:
    joined = server.joined(tmp_path)
    bench = RealBench()
    agent = server.agent(Home(joined.folder, wire.dial), bench)
    assert server.nodes.wait_for("yard1", 30)
    call = begin("op", 1, lambda: server.driver().press("button"))
    wait_until(lambda: bench.pressed == ["button"])
    wire.passes.clear()
    began = time.monotonic()
    assert isinstance(call.exception(30), Transient)
    assert time.monotonic() - began < 25
    wait_until(lambda: server.nodes.names() == [])
    wait_until(lambda: "silent" in agent.states()[server.address])


@pytest.mark.thorough
def test_after_a_partition_a_call_asked_again_joins_the_one_that_ran_on(
    server: Premises, wire: Wire, tmp_path: Path
) -> None:
    bench = RealBench()
    agent = server.agent(Home(server.joined(tmp_path).folder, wire.dial), bench)
    assert server.nodes.wait_for("yard1", 30)
    first = begin("op", 1, lambda: server.driver().press("button"))
    wait_until(lambda: bench.pressed == ["button"])
    wire.passes.clear()
    assert isinstance(first.exception(30), Transient)
    wire.passes.set()
    assert server.nodes.wait_for("yard1", 25)
    again = begin("op", 1, lambda: server.driver().press("button"))
    wait_until(lambda: len(agent.node._dispatcher._callers) == 2)
    bench.may_press.set()
    assert again.result(30) == 1
    assert bench.pressed == ["button"], "it was pressed once"


def test_coming_and_going_are_told(server: Premises, tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    for topic in (CONNECTED, GONE):
        server.nodes.subscribe(topic, lambda host, _, topic=topic: told.append((topic, host)))  # type: ignore[misc]
    agent = server.agent(server.joined(tmp_path))
    wait_until(lambda: told == [(CONNECTED, "yard1")])
    agent.close()
    wait_until(lambda: told == [(CONNECTED, "yard1"), (GONE, "yard1")])


def test_a_node_dials_every_server_and_learns_of_new_ones(server: Premises, database: Database, tmp_path: Path) -> None:
    home = server.joined(tmp_path)
    server.agent(home)
    assert server.nodes.wait_for("yard1", 30)
    with premises(database) as second:
        assert second.nodes.wait_for("yard1", 30)
        assert second.driver().add(1) == server.driver().add(1) == 11
        wait_until(lambda: home.record().servers == sorted([server.address, second.address]))
    assert server.driver().add(1) == 11
    wait_until(lambda: home.record().servers == [server.address])


def test_each_servers_own_node_serves_the_other_servers_too(server: Premises, database: Database) -> None:
    with premises(database) as second:
        started: list[tuple[Node, Neighbours]] = []
        for each, name in ((server, "brain1"), (second, "brain2")):
            facts = partial(HostFacts, hostname=name)
            node = Node(name, {"workbench": RealBench()}, CONTRACTS, facts, {"servers": ServerList})
            here, there = memory.pair()
            each.nodes.attach(here)
            node.connect(there)
            started.append((node, Neighbours(node, each.authority, each.address, every=0.1)))
            started[-1][1].start()
        wait_until(lambda: server.nodes.names() == second.nodes.names() == ["brain1", "brain2"])
        assert server.driver("brain2").add(1) == second.driver("brain1").add(1) == 11
        for node, neighbours in started:
            neighbours.close()
            node.close()


@pytest.mark.thorough
def test_in_a_hurry_a_server_that_could_not_be_reached_is_dialled_without_a_further_pause() -> None:
    tried: list[float] = []

    def connect(address: str) -> NoReturn:
        tried.append(time.monotonic())
        raise OSError("nobody is there yet")

    node = Node("brain1", {}, {}, lambda: HostFacts(hostname="brain1"), {"servers": ServerList})
    dialler = Dialler(node, connect, ["192.0.2.1:8801"], lambda states: None)
    dialler.start()
    wait_until(lambda: len(tried) == 5)  # the next one is due in 1.6 seconds, or later
    dialler.hurry()
    wait_until(lambda: len(tried) == 6)
    dialler.close()
    assert tried[5] - tried[4] < 1.5


def test_a_revocation_at_one_server_is_heeded_by_the_others(
    server: Premises, database: Database, tmp_path: Path
) -> None:
    server.agent(server.joined(tmp_path))
    with premises(database) as second:
        assert second.nodes.wait_for("yard1", 30)
        server.authority.revoke("yard1")
        wait_until(lambda: second.nodes.names() == server.nodes.names() == [])


@pytest.mark.thorough
def test_large_streams_pass_both_ways_at_once(server: Premises, tmp_path: Path) -> None:
    server.agent(server.joined(tmp_path))
    assert server.nodes.wait_for("yard1", 30)
    driver, piece = server.driver(), bytes(1 << 20)
    with ThreadPoolExecutor(8) as pool:
        up = [pool.submit(driver.measure, (piece for _ in range(20))) for _ in range(4)]
        down = [pool.submit(lambda: sum(map(len, driver.unroll([piece] * 20)))) for _ in range(4)]
        assert [each.result(60) for each in up + down] == [20 << 20] * 8


def test_a_stranger_that_says_nothing_or_nonsense_keeps_nobody_out(server: Premises, tmp_path: Path) -> None:
    strangers = [admission.dial(server.address, 5) for _ in range(20)]
    for each in strangers[:10]:
        each.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
    server.agent(server.joined(tmp_path))
    assert server.nodes.wait_for("yard1", 30)
    for each in strangers:
        each.close()


def test_who_has_nothing_to_say_is_not_taken_for_dead() -> None:
    here, there = tls_pair(pulse=0.1, patience=0.5)
    closed = threading.Event()
    there.when_closed(closed.set)
    waiting = ThreadPoolExecutor(1).submit(there.receive)
    assert not closed.wait(1.5)
    here.send(b"at last")
    assert waiting.result(5) == b"at last"
    here.close()


def test_a_server_of_another_version_is_said_to_be_one() -> None:
    server_context, client_context = _certified.__wrapped__()  # not those of other tests
    server_context.set_alpn_protocols(["stackyard-link/2"])
    one, other = socket.socketpair()
    here = TlsTransport(one, server_context, is_server=True)
    threading.Thread(target=here.handshake, args=(5,), daemon=True).start()
    there = TlsTransport(other, client_context, is_server=False)
    with pytest.raises(TransportClosed, match="another version"):
        there.handshake(5)
    assert other.fileno() == -1
    here.close()


def test_a_frame_beyond_any_measure_ends_the_connection() -> None:
    here, there = tls_pair()
    there._queue.put(b"\xff\xff\xff\xff")
    with pytest.raises(TransportClosed, match="announced a frame"):
        here.receive()
    with pytest.raises(TransportClosed):
        there.receive()
    wait_until(lambda: here._socket.fileno() == -1)  # its descriptor is given back


def test_nothing_older_than_tls_1_3_is_spoken(server: Premises) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        old.wrap_socket(admission.dial(server.address, 5))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("192.0.2.1", ("192.0.2.1", 8801)), ("192.0.2.1:9", ("192.0.2.1", 9)),
        ("https://a.example:9/", ("a.example", 9)),
        ("[2001:db8::1]:9", ("2001:db8::1", 9)), ("[2001:db8::1]", ("2001:db8::1", 8801)),
    ],
)  # fmt: skip
def test_addresses_of_servers(said: str, meant: tuple[str, int]) -> None:
    assert admission.split(said) == meant


@pytest.mark.parametrize("said", ["", ":9", "a:0", "a:70000", "a:b", "https://a/path", "[::1", "2001:db8::1"])
def test_what_is_no_address_of_a_server(said: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        admission.split(said)


def test_a_port_nobody_listens_on_is_out_of_reach() -> None:
    with pytest.raises(Transient, match="cannot be reached"):
        admission.authority_of(f"127.0.0.1:{free_port()}", "0" * 64)
