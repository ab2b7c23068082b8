"""Streams over the link, both ways: whole, bounded in memory, and ended from either side."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackyard.kernel.steps import Transient
from stackyard.node import memory
from stackyard.node.streams import PIECE, WINDOW
from tests.node.bench import RealBench
from tests.node.conftest import Yard, make_yard, wait_until
from tests.node.workbench import Broken, Jammed, Noise


def test_a_returned_stream_is_read_to_its_end(yard: Yard) -> None:
    assert list(yard.driver.count(1000)) == list(range(1000))
    assert yard.bench.closed.wait(30)


def test_an_argument_that_is_a_stream_reaches_the_driver_whole(yard: Yard) -> None:
    assert yard.driver.swallow(iter([b"one ", b"", b"two"])) == b"one two"
    assert yard.driver.swallow([]) == b""
    assert yard.driver.measure(data=(b"x" * 1000 for _ in range(500))) == 500_000


@pytest.fixture(scope="module")
def lasting_yard() -> Iterator[Yard]:
    yield from make_yard(memory.pair)


@given(pieces=st.lists(st.integers(0, 3 * PIECE), max_size=6))
def test_data_of_any_size_arrives_in_order_and_in_pieces(lasting_yard: Yard, pieces: list[int]) -> None:
    sent = [bytes([number]) * size for number, size in enumerate(pieces)]
    received = list(lasting_yard.driver.unroll(sent))
    assert b"".join(received) == b"".join(sent)
    assert all(len(piece) <= PIECE for piece in received)
    assert lasting_yard.driver.measure(iter(sent)) == sum(pieces)


def test_a_slow_reader_holds_its_producer_back(yard: Yard) -> None:
    stream = yard.driver.count(10_000)
    for read in range(100):
        assert next(stream) == read
        assert yard.bench.produced <= read + 1 + WINDOW + 1
    wait_until(lambda: yard.bench.produced >= 100 + WINDOW // 2)
    assert yard.bench.produced <= 100 + WINDOW + 1
    stream.close()


def test_a_slow_driver_holds_an_upload_back(yard: Yard) -> None:
    produced = 0
    gate = threading.Event()

    def upload() -> Iterator[bytes]:
        nonlocal produced
        for _ in range(100 * WINDOW):
            produced += 1
            yield b"x"

    class Slow(RealBench):
        def swallow(self, data: object, cancel: object = None) -> bytes:
            assert gate.wait(30)
            return super().swallow(data)  # type: ignore[arg-type]

    slow = yard.new_node(Slow(), "slow")
    yard.connect(slow)
    call = threading.Thread(target=yard.nodes.driver("slow", "workbench").swallow, args=(upload(),))
    call.start()
    wait_until(lambda: produced > WINDOW)
    call.join(0.1)
    assert call.is_alive()
    assert produced == WINDOW + 1
    gate.set()
    call.join(30)
    assert produced == 100 * WINDOW


def test_a_reader_that_closes_stops_the_producer(yard: Yard) -> None:
    with yard.driver.count(10**9) as stream:
        assert next(stream) == 0
    assert yard.bench.closed.wait(30)
    assert list(stream) == []


def test_an_error_before_the_first_value_is_raised_by_the_call_itself(yard: Yard) -> None:
    with pytest.raises(Broken, match="cannot count down"):
        yard.driver.count(-1)


def test_an_error_in_mid_stream_comes_after_what_was_sent(yard: Yard) -> None:
    stream = yard.driver.count(100, break_at=50)
    assert [next(stream) for _ in range(50)] == list(range(50))
    with pytest.raises(Jammed, match="lost count"):
        next(stream)


def test_a_driver_that_refuses_in_mid_upload_ends_it(yard: Yard) -> None:
    produced = 0

    def endless() -> Iterator[bytes]:
        nonlocal produced
        while True:
            produced += 1
            yield b"x" * 100

    with pytest.raises(Broken, match="too long"):
        yard.driver.measure(endless(), at_most=1000)
    assert produced < 10 + 3 * WINDOW


def test_an_upload_that_breaks_off_fails_with_its_own_error_and_leaves_nothing_running(yard: Yard) -> None:
    def upload() -> Iterator[bytes]:
        yield b"some"
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError, match="went away"):
        yard.driver.swallow(upload())
    assert yard.driver.add(1) == 11


def test_a_stream_breaks_with_its_link_after_what_has_come(yard: Yard) -> None:
    stream = yard.driver.count(10**9)
    assert next(stream) == 0
    yard.node.close()
    with pytest.raises(Transient, match="node yard1 is out of reach"):
        list(stream)
    assert yard.bench.closed.wait(30)


def test_an_upload_ends_with_its_link(yard: Yard) -> None:
    def upload() -> Iterator[bytes]:
        for number in range(10**9):
            if number == 100:
                yard.node.close()
            yield b"x"

    with pytest.raises(Transient):
        yard.driver.swallow(upload())


def test_closing_from_another_thread_wakes_a_waiting_reader_and_a_waiting_source(yard: Yard) -> None:
    stream = yard.driver.events()
    radio = yard.bench.radios.get(timeout=30)
    radio.noises.put(Noise(3))
    assert next(stream) == Noise(3)
    threading.Timer(0.05, stream.close).start()
    assert list(stream) == []
    assert radio.closed.wait(30)
    assert yard.driver.add(1) == 11


def test_many_streams_share_a_link_without_waiting_for_each_other(yard: Yard) -> None:
    stalled = [yard.driver.count(1000) for _ in range(20)]
    assert sum(yard.driver.count(1000)) == 499_500
    assert [sum(each) for each in stalled] == [499_500] * 20
