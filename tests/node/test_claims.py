"""A journalled call runs once at a time on a node, and never for a claim that has been taken over."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

import pytest

from stackyard.kernel.nodes import CURRENT_CALL, CallId
from stackyard.kernel.steps import Cancelled, Transient
from stackyard.node.contract import Superseded
from tests.node.conftest import Yard, wait_until


def made_by(operation: str | None, epoch: int, call: Callable[[], Any], step: str = "press it") -> Any:
    """The result of a call as the journal makes it; of no operation: as a rule does."""

    def run() -> Any:
        CURRENT_CALL.set(CallId(operation=operation, step=step, epoch=epoch) if operation else None)
        return call()

    return copy_context().run(run)


def begin(operation: str | None, epoch: int, call: Callable[[], Any], step: str = "press it") -> "Future[Any]":
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(made_by(operation, epoch, call, step))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def wait_until_claimed(yard: Yard, operation: str, epoch: int) -> None:
    """Until a call of that claim has reached the node, so that it refuses the claim before."""

    def refuses() -> bool:
        try:
            made_by(operation, epoch - 1, partial(yard.driver.add, 1))
        except Superseded:
            return True
        return False

    wait_until(refuses)


def test_an_older_claim_of_the_same_operation_is_refused(yard: Yard) -> None:
    assert made_by("op", 2, lambda: yard.driver.add(1)) == 11
    with pytest.raises(Superseded, match="operation op is at claim 2, this call of claim 1") as raised:
        made_by("op", 1, lambda: yard.driver.press("late"))
    assert isinstance(raised.value, Cancelled)
    assert yard.bench.pressed == []


def test_the_same_and_a_newer_claim_and_other_operations_go_on(yard: Yard) -> None:
    for operation, epoch in [("op", 2), ("op", 2), ("op", 3), ("other", 1)]:
        assert made_by(operation, epoch, lambda: yard.driver.add(1)) == 11


def test_a_duplicate_of_a_call_in_flight_waits_for_its_answer(yard: Yard) -> None:
    first = begin("op", 1, lambda: yard.driver.press("button"))
    assert yard.bench.waiting.wait(30)
    second = begin("op", 2, lambda: yard.driver.press("button"))
    wait_until_claimed(yard, "op", 2)
    yard.bench.may_press.set()
    assert (first.result(30), second.result(30)) == (1, 1)
    assert yard.bench.pressed == ["button"]


def test_many_duplicates_run_once(yard: Yard) -> None:
    answers = []
    for epoch in range(1, 9):
        answers.append(begin("op", epoch, lambda: yard.driver.press("button")))
        wait_until_claimed(yard, "op", epoch)
    yard.bench.may_press.set()
    assert {each.result(30) for each in answers} == {1}
    assert yard.bench.pressed == ["button"]


@pytest.mark.parametrize(
    ("operation", "step", "name"), [("op2", "press it", "a"), ("op", "other", "a"), ("op", "press it", "b")]
)
def test_another_operation_step_or_argument_is_another_call(
    yard: Yard, operation: str, step: str, name: str
) -> None:
    first = begin("op", 1, lambda: yard.driver.press("a"))
    assert yard.bench.waiting.wait(30)
    second = begin(operation, 1, lambda: yard.driver.press(name), step)
    wait_until(lambda: len(yard.bench.pressed) == 2)
    yard.bench.may_press.set()
    assert first.result(30) == second.result(30) == 2


def test_calls_without_an_operation_are_never_joined(yard: Yard) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(yard.driver.press, "button") for _ in range(2)]
        wait_until(lambda: len(yard.bench.pressed) == 2)
        yard.bench.may_press.set()
        assert [each.result(30) for each in answers] == [2, 2]


def test_a_call_that_is_over_runs_again_when_asked_again(yard: Yard) -> None:
    yard.bench.may_press.set()
    assert [made_by("op", epoch, lambda: yard.driver.press("button")) for epoch in (1, 2)] == [1, 2]


def test_a_server_that_comes_back_joins_what_its_predecessor_began(yard: Yard) -> None:
    first = begin("op", 1, lambda: yard.driver.press("button"))
    assert yard.bench.waiting.wait(30)
    yard.connect(yard.node)
    with pytest.raises(Transient):
        first.result(30)
    second = begin("op", 2, lambda: yard.driver.press("button"))
    wait_until_claimed(yard, "op", 2)
    yard.bench.may_press.set()
    assert second.result(30) == 1
    assert yard.bench.pressed == ["button"]


def test_a_join_does_not_read_the_second_stream(yard: Yard) -> None:
    gate = threading.Event()

    def slow() -> Any:
        yield b"first"
        yard.bench.waiting.set()
        assert gate.wait(30)

    first = begin("op", 1, lambda: yard.driver.swallow(slow()))
    assert yard.bench.waiting.wait(30)
    second = begin("op", 2, lambda: yard.driver.swallow(iter([b"second"] * 1000)))
    wait_until_claimed(yard, "op", 2)
    gate.set()
    assert first.result(30) == second.result(30) == b"first"
