"""Workers with threads: no polls on the happy path, graceful stops, and calls that do not come back."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from stackyard.kernel.journal import Pace
from stackyard.kernel.steps import Cancelled, Refused, Transient
from stackyard.kernel.work import SystemClock


@pytest.fixture
def real(toy: Any) -> Any:
    """The toy by the real clock: threads wait for real moments."""
    toy.clock = SystemClock()
    toy.pace = Pace(first_delay=timedelta(milliseconds=5), grace=timedelta(milliseconds=50))
    toy.start_server(threads=3)
    toy.workers.start()
    return toy


def until(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not come to pass within 30 s"
        time.sleep(0.005)


def test_an_operation_starts_when_it_is_committed(real: Any) -> None:
    time.sleep(0.1)
    began = time.monotonic()
    thing = real.create_thing()
    real.workers.drain(30)
    assert real.thing(thing).status == "Ready"
    assert time.monotonic() - began < 9


def test_a_pause_before_the_next_try_ends_by_itself(real: Any) -> None:
    real.faults.fail("create", "make the body", Transient("busy"), times=4)
    thing = real.create_thing()
    real.workers.drain(30)
    assert real.thing(thing).status == "Ready"


def test_a_stop_lets_the_step_end_and_the_next_server_goes_on(real: Any) -> None:
    in_call, may_end = threading.Event(), threading.Event()

    def make(thing: str, part: str) -> str:
        in_call.set()
        assert may_end.wait(30)
        return f"{part} of {thing}"

    real.world.make, was = make, real.world.make
    thing = real.create_thing()
    assert in_call.wait(30)
    stopper = threading.Thread(target=real.workers.stop)
    stopper.start()
    may_end.set()
    stopper.join(30)
    (operation,) = real.operations(thing)
    assert (operation.state, operation.server) == ("queued", None)
    assert ("do", "make the body", "done", 1) in real.steps(thing)
    real.world.make = was
    real.start_server(threads=2)
    real.workers.start()
    real.workers.drain(30)
    assert real.thing(thing).status == "Ready"


def test_a_stop_says_when_a_call_outlasts_it(real: Any) -> None:
    in_call, may_end = threading.Event(), threading.Event()

    def make(thing: str, part: str) -> None:
        in_call.set()
        may_end.wait(30)

    real.world.make = make
    real.begin(real.ready_thing(), "polish")
    assert in_call.wait(30)
    assert not real.workers.stop(0.05)
    may_end.set()
    assert real.workers.stop(5)


def test_parents_do_not_hold_threads_while_their_children_run(real: Any) -> None:
    things = [real.ready_thing() for _ in range(8)]
    for thing in things:
        real.begin(thing, "adopt", child="create")
    real.workers.drain(30)
    assert {each.state for each in real.operations()} == {"done"}


def test_delete_ends_a_call_in_flight_that_listens(real: Any) -> None:
    in_call, told = threading.Event(), threading.Event()
    real.book.on_interrupt(lambda operation: told.set())

    def make(thing: str, part: str) -> str:
        in_call.set()
        assert told.wait(30)
        raise Cancelled("the link ended the call")

    real.world.make = make
    thing = real.create_thing()
    assert in_call.wait(30)
    real.begin(thing, "delete")
    real.workers.drain(30)
    assert real.thing(thing) is None


def test_delete_goes_on_without_a_call_that_does_not_listen(real: Any) -> None:
    in_call, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def make(thing: str, part: str) -> str:
        in_call.set()
        may_end.wait(30)
        ended.set()
        return "late"

    real.world.make = make
    thing = real.create_thing()
    assert in_call.wait(30)
    real.begin(thing, "delete")
    real.workers.drain(30)
    assert real.thing(thing) is None
    may_end.set()
    assert ended.wait(30)
    assert [each.state for each in real.operations(thing)] == ["cancelled", "done"]
    assert real.workers.stop(5)


def test_past_its_deadline_an_operation_is_undone_although_its_call_hangs(real: Any) -> None:
    may_end = threading.Event()
    calls = []

    def make(thing: str, part: str) -> None:
        calls.append(part)
        may_end.wait(30)

    real.world.make = make
    planned = real.resource.operations["create"]
    object.__setattr__(planned, "within", timedelta(seconds=1))
    thing = real.create_thing()
    until(lambda: real.thing(thing).status == "Error")
    assert "within 1 s" in real.thing(thing).status_reason
    assert "'make the body'" in real.thing(thing).status_reason
    may_end.set()


@pytest.mark.thorough
def test_an_undo_that_hangs_ends_as_a_dead_letter(real: Any) -> None:
    may_end = threading.Event()
    real.pace = Pace(first_delay=timedelta(milliseconds=1), grace=timedelta(milliseconds=20), undo_tries=2, crashes=0)
    real.workers.stop()
    real.start_server(threads=2)
    real.workers.start()
    planned = real.resource.operations["create"]
    object.__setattr__(planned, "within", timedelta(seconds=1))
    real.world.remove = lambda thing, part: may_end.wait(20)
    real.faults.fail("create", "make the body", Refused("no steel"))
    thing = real.create_thing()
    until(lambda: real.thing(thing).status == "Error")
    (operation,) = real.operations(thing)
    assert operation.state == "dead"
    assert operation.reason.startswith("no steel; and 'remove the body' could not be undone")
    may_end.set()


def test_drain_names_what_is_left(real: Any) -> None:
    real.faults.fail("create", "make the body", Transient("busy"), times=999)
    thing = real.create_thing()
    with pytest.raises(TimeoutError, match=f"create of thing {thing}"):
        real.workers.drain(0.05)
