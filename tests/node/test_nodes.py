"""Nodes that come, speak, go and come back."""

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from stackyard.kernel.nodes import Nodes
from stackyard.kernel.steps import Refused, Transient
from stackyard.node import memory, messages
from stackyard.node.messages import Chunk, Event, HostFacts
from stackyard.node.runtime import Node
from stackyard.node.server import CONNECTED, GONE, ConnectedNodes
from tests.node.bench import RealBench
from tests.node.conftest import Yard, facts, wait_until
from tests.node.test_claims import begin
from tests.node.workbench import Noise, Workbench


def test_a_node_is_known_by_its_hello(yard: Yard) -> None:
    nodes: Nodes = yard.nodes
    assert nodes.names() == ["yard1"]
    (state,) = yard.nodes.states()
    assert (state.name, state.facts, state.rooms, state.connected) == ("yard1", facts(), ["workbench"], True)


def test_a_host_never_seen_is_out_of_reach(yard: Yard) -> None:
    assert not yard.nodes.wait_for("yard2", 0)
    with pytest.raises(Transient, match="yard2 is out of reach"):
        yard.nodes.driver("yard2", "workbench").add(1)


def test_a_node_that_goes_in_mid_call_is_a_transient_failure_and_no_hang(yard: Yard) -> None:
    calls = [begin("op", 1, lambda: yard.driver.press("button"), f"step {number}") for number in range(4)]
    wait_until(lambda: len(yard.bench.pressed) == 4)
    yard.node.close()
    for call in calls:
        assert isinstance(call.exception(30), Transient)
    wait_until(lambda: yard.nodes.names() == [])
    with pytest.raises(Transient, match="not connected"):
        yard.driver.add(1)


def test_a_node_that_comes_back_is_used_by_the_stand_ins_there_are(yard: Yard) -> None:
    driver = yard.driver
    assert driver.add(1) == 11
    yard.node.close()
    wait_until(lambda: yard.nodes.names() == [])
    bench = RealBench()
    yard.connect(yard.new_node(bench))
    assert driver.add(1) == 11
    bench.may_press.set()
    assert driver.press("again") == 1
    assert yard.bench.pressed == []


def test_a_newer_connection_of_a_node_replaces_the_older(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    other = yard.new_node(RealBench())
    yard.connect(other)
    wait_until(lambda: yard.driver.press is not None and len(yard.nodes._links) == 1)
    assert yard.nodes.names() == ["yard1"]
    assert yard.driver.add(1) == 11
    wait_until(lambda: "two machines have its certificate" in caplog.text)


def test_facts_and_the_time_last_seen_follow_the_announcements() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    memory_free = [500]
    nodes = ConnectedNodes({"workbench": Workbench}, now=lambda: now)
    node = Node(
        "yard1", {"workbench": RealBench()}, {"workbench": Workbench},
        lambda: HostFacts(hostname="yard1", memory_available=memory_free[0]), announce_every=0.01,
    )  # fmt: skip
    here, there = memory.pair()
    nodes.attach(here)
    node.connect(there)
    assert nodes.wait_for("yard1", 30)
    assert nodes.states()[0].last_seen == now
    memory_free[0], now = 400, now + timedelta(seconds=15)
    node.start()
    wait_until(lambda: nodes.states()[0].facts.memory_available == 400 and nodes.states()[0].last_seen == now)
    node.close()
    wait_until(lambda: not nodes.states()[0].connected)
    nodes.close()


def heard(yard: Yard, topic: str) -> "SimpleQueue[tuple[str, Any]]":
    events: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    yard.nodes.subscribe(topic, lambda host, value: events.put((host, value)))
    return events


def test_coming_and_going_are_events(yard: Yard) -> None:
    came, went = heard(yard, CONNECTED), heard(yard, GONE)
    yard.node.close()
    assert went.get(timeout=30) == ("yard1", None)
    yard.connect(yard.new_node())
    assert came.get(timeout=30) == ("yard1", None)


def test_what_a_node_emits_is_heard_in_order_by_every_subscriber(yard: Yard) -> None:
    first, second = heard(yard, "weather"), heard(yard, "weather")
    yard.nodes.subscribe("weather", lambda host, value: value["no such"])
    for number in range(100):
        yard.node.emit("weather", {"rain": number})
    for events in (first, second):
        assert [events.get(timeout=30) for _ in range(100)] == [("yard1", {"rain": each}) for each in range(100)]


def test_a_drivers_events_are_watched_and_watched_again_after_they_broke_off(yard: Yard) -> None:
    events = heard(yard, "workbench")
    yard.node.start()
    radio = yard.bench.radios.get(timeout=30)
    radio.noises.put(Noise(1))
    assert events.get(timeout=30) == ("yard1", Noise(1))
    radio.noises.put(None)
    radio = yard.bench.radios.get(timeout=30)
    radio.noises.put(Noise(2))
    assert events.get(timeout=30) == ("yard1", Noise(2))
    yard.node.close()
    assert radio.closed.wait(30)


def test_a_node_asks_its_server(yard: Yard) -> None:
    clock = yard.node.server("clock")
    assert clock.read("utc") == "noon in utc"
    assert b"".join(clock.image("cirros")) == b"cirros is large"
    with pytest.raises(Refused, match="no such zone"):
        clock.read("nowhere")
    yard.node.close()
    wait_until(lambda: yard.node._links == [])
    with pytest.raises(Transient, match="connected to no server"):
        clock.read("utc")


def test_a_node_serves_several_servers(yard: Yard) -> None:
    other = ConnectedNodes({"workbench": Workbench})
    here, there = memory.pair()
    other.attach(here)
    yard.node.connect(there)
    assert other.wait_for("yard1", 30)
    assert other.driver("yard1", "workbench").add(1) == yard.driver.add(1) == 11
    other.close()
    wait_until(lambda: other.names() == [])
    assert yard.driver.add(1) == 11


def test_a_peer_that_speaks_nonsense_is_cut_off_and_nobody_else(yard: Yard) -> None:
    here, there = yard.pair()
    yard.nodes.attach(here)
    there.send(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ConnectionError):
        there.receive()
    assert yard.driver.add(1) == 11


def test_messages_about_streams_and_hosts_nobody_knows_are_ignored(yard: Yard) -> None:
    here, there = yard.pair()
    yard.nodes.attach(here)
    for stray in (Chunk(7, messages.raw(1)), Event("weather", messages.raw("rain"))):
        there.send(messages.encode(stray))
    events = heard(yard, "workbench")
    yard.node.emit("workbench", "not a Noise")
    yard.node.emit("workbench", Noise(1))
    assert events.get(timeout=30) == ("yard1", Noise(1))


def test_closing_leaves_no_thread_behind(yard: Yard) -> None:
    before = {each for each in threading.enumerate() if each.name.startswith(("link", "stream", "watch", "announce"))}
    more = yard.new_node(RealBench(), "yard2")
    more.start()
    yard.connect(more)
    assert next(yard.nodes.driver("yard2", "workbench").count(10**9)) == 0
    more.close()

    def gone() -> bool:
        now = {each for each in threading.enumerate() if each.name.startswith(("link", "stream", "watch", "announce"))}
        return now <= before

    wait_until(gone)


def test_a_call_that_never_comes_back_does_not_keep_the_process_from_ending() -> None:
    script = (
        "import sys, threading; sys.path.insert(0, '.')\n"
        "from tests.node.bench import RealBench\n"
        "from tests.node.conftest import make_yard\n"
        "from stackyard.node import memory\n"
        "yard = next(make_yard(memory.pair))\n"
        "threading.Thread(target=yard.driver.press, args=('button',), daemon=True).start()\n"
        "assert yard.bench.waiting.wait(30)\n"
        "yard.node.close()\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True, timeout=60)
