"""A call ends early when a delete has overtaken its operation."""

import threading
import time

import pytest

from stackyard.kernel.steps import Cancelled, Transient
from tests.node.conftest import Yard
from tests.node.test_claims import begin, made_by, wait_until_claimed
from tests.node.workbench import Stopped


def test_an_interrupt_ends_the_operations_call(yard: Yard) -> None:
    call = begin("op", 1, yard.driver.wait)
    assert yard.bench.waiting.wait(30)
    yard.nodes.interrupt("op")
    with pytest.raises(Stopped, match="asked to") as raised:
        call.result(30)
    assert isinstance(raised.value, Cancelled)


def test_an_interrupt_leaves_other_operations_alone(yard: Yard) -> None:
    call = begin("op", 1, yard.driver.wait)
    assert yard.bench.waiting.wait(30)
    yard.nodes.interrupt("another")
    yard.nodes.interrupt("")
    time.sleep(0.05)
    assert not call.done()
    yard.nodes.interrupt("op")
    assert isinstance(call.exception(30), Cancelled)


def test_a_call_that_succeeds_all_the_same_returns_its_result(yard: Yard) -> None:
    call = begin("op", 1, yard.driver.finish_anyway)
    assert yard.bench.waiting.wait(30)
    yard.nodes.interrupt("op")
    assert call.result(30) == "finished"


def test_a_call_that_cannot_be_interrupted_lets_its_caller_go_after_the_grace(yard: Yard) -> None:
    call = begin("op", 1, lambda: yard.driver.press("button"))
    assert yard.bench.waiting.wait(30)
    started = time.monotonic()
    yard.nodes.interrupt("op")
    with pytest.raises(Cancelled, match="node yard1 did not end a call"):
        call.result(30)
    assert time.monotonic() - started >= 0.25
    yard.bench.may_press.set()
    assert yard.driver.add(1) == 11


def test_a_failure_after_an_interrupt_counts_as_the_interrupt(yard: Yard) -> None:
    call = begin("op", 1, yard.driver.break_off)
    assert yard.bench.waiting.wait(30)
    yard.nodes.interrupt("op")
    with pytest.raises(Cancelled, match="vice: torn"):
        call.result(30)


def test_a_caller_may_bring_its_own_cancel(yard: Yard) -> None:
    cancel = threading.Event()
    call = begin(None, 0, lambda: yard.driver.wait(cancel))
    assert yard.bench.waiting.wait(30)
    assert not call.done()
    cancel.set()
    assert isinstance(call.exception(30), Stopped)
    assert isinstance(begin(None, 0, lambda: yard.driver.wait(cancel=cancel)).exception(30), Stopped)


def test_the_undo_of_an_interrupted_operation_can_still_call(yard: Yard) -> None:
    call = begin("op", 1, yard.driver.wait)
    assert yard.bench.waiting.wait(30)
    yard.nodes.interrupt("op")
    assert isinstance(call.exception(30), Cancelled)
    assert made_by("op", 1, lambda: yard.driver.add(1), "undo") == 11


def test_a_call_of_no_operation_ends_on_the_node_when_its_server_is_gone(yard: Yard) -> None:
    call = begin(None, 0, yard.driver.wait)
    assert yard.bench.waiting.wait(30)
    yard.connect(yard.node)
    assert call.exception(30) is not None
    assert yard.bench.closed.wait(30)


def test_what_an_operation_began_runs_on_when_its_server_is_gone(yard: Yard) -> None:
    call = begin("op", 1, yard.driver.wait)
    assert yard.bench.waiting.wait(30)
    yard.connect(yard.node)
    assert call.exception(30) is not None
    assert not yard.bench.closed.wait(0.1)
    again = begin("op", 2, yard.driver.wait)
    wait_until_claimed(yard, "op", 2)
    yard.nodes.interrupt("op")
    assert isinstance(again.exception(30), Stopped)


def test_a_node_that_closes_ends_its_calls(yard: Yard) -> None:
    call = begin("op", 1, yard.driver.wait)
    assert yard.bench.waiting.wait(30)
    yard.node.close()
    assert isinstance(call.exception(30), Transient)
    assert yard.bench.closed.wait(30)
