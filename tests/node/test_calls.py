"""Calls on a driver over the link: typed both ways, from many threads, with the contract's own errors."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stackyard.kernel.steps import Refused, Transient
from stackyard.node.contract import BadCall, Contract, DriverError
from tests.node.conftest import Yard
from tests.node.workbench import Broken, Jammed, Part, Skill, ToolError, Workbench


def test_arguments_and_results_have_the_types_of_the_contract(yard: Yard) -> None:
    part = Part(name="leg", weight=1.5, data=b"\x00\xff")
    turned = yard.driver.turn(part, skill=Skill.GLUE)
    assert turned == Part(name="leg by GLUE", weight=1.5, data=b"\x00\xff", holes=[part])


def test_defaults_and_keywords_mean_what_they_mean_in_a_direct_call(yard: Yard) -> None:
    driver = yard.driver
    assert [driver.add(1), driver.add(1, 2), driver.add(1, other=3), driver.add(1, negative=True)] == [11, 3, 4, -11]


def test_what_a_driver_says_of_itself_is_read_without_a_call(yard: Yard) -> None:
    assert yard.driver.skills == {Skill.SAW}


def test_a_wrong_use_of_the_contract_fails_on_the_callers_side(yard: Yard) -> None:
    with pytest.raises(TypeError):
        yard.driver.add()
    with pytest.raises(AttributeError, match="smash"):
        yard.driver.smash()
    with pytest.raises(KeyError):
        yard.nodes.driver("yard1", "kitchen")


def test_an_argument_of_another_type_never_reaches_the_driver(yard: Yard) -> None:
    with pytest.raises(BadCall, match="Expected `int`"):
        yard.driver.add("one")


def test_a_host_without_such_a_driver_refuses(yard: Yard) -> None:
    with pytest.raises(Refused, match="yard1 has no elsewhere driver"):
        yard.nodes.driver("yard1", "elsewhere").read("utc")


@pytest.mark.parametrize(("how", "kind", "retry"), [("jam", Jammed, True), ("break", Broken, False)])
def test_the_contracts_errors_arrive_as_they_were_raised(
    yard: Yard, how: str, kind: type[ToolError], retry: bool
) -> None:
    with pytest.raises(kind) as raised:
        yard.driver.misuse(how)
    error = raised.value
    assert type(error) is kind
    assert isinstance(error, Transient) is retry
    assert str(error) == f"{error.tool}: {error.reason}"
    assert error.attempts == [1, 2]


def test_an_error_of_the_drivers_own_arrives_as_the_contracts_nearest(yard: Yard) -> None:
    with pytest.raises(Broken) as raised:
        yard.driver.misuse("split")
    assert type(raised.value) is Broken
    assert raised.value.reason == "an accident"


def test_an_unknown_error_arrives_in_words_and_is_logged_where_it_happened(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(DriverError, match=r"^ZeroDivisionError: by zero$") as raised:
        yard.driver.misuse("surprise")
    assert not isinstance(raised.value, Transient | Refused)
    assert "in misuse" in caplog.text


def test_a_driver_that_wants_to_exit_still_answers(yard: Yard) -> None:
    with pytest.raises(DriverError, match="SystemExit: now"):
        yard.driver.misuse("exit")
    assert yard.driver.add(1) == 11


def test_a_reason_that_is_no_text_arrives_as_far_as_it_can_be_read(yard: Yard) -> None:
    with pytest.raises(Broken, match=r"^terminal: \?$") as raised:
        yard.driver.misuse("gibber")
    assert raised.value.reason == "?"


@pytest.mark.parametrize("how", ["plain", "marked"])
def test_an_error_that_says_so_is_worth_another_try(yard: Yard, how: str) -> None:
    with pytest.raises(Transient):
        yard.driver.misuse(how)


def test_many_threads_get_each_their_own_answer(yard: Yard) -> None:
    driver = yard.driver
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(driver.add, range(1000), range(1000, 2000))) == [1000 + 2 * each for each in range(1000)]


def test_a_contract_that_cannot_be_sent_is_found_when_it_is_read() -> None:
    class Bad:
        def give(self, things: list[int] | tuple[str, ...]) -> None: ...

    with pytest.raises(TypeError, match="more than one array-like"):
        Contract(Bad)


def test_a_contract_knows_streams_from_values() -> None:
    methods = Contract(Workbench).methods
    assert {name for name, method in methods.items() if method.items} == {"count", "unroll", "events"}
    assert {name for name, method in methods.items() if method.streams} == {"measure", "swallow"}
    cancellable = {name for name, method in methods.items() if method.cancellable}
    assert cancellable == {"wait", "finish_anyway", "break_off", "swallow"}


def test_a_call_costs_little(yard: Yard, record_property: Any, capsys: pytest.CaptureFixture[str]) -> None:
    add, calls = yard.driver.add, 2000
    # The processor's time, for others may be at work on this machine too.
    started = time.process_time()
    for each in range(calls):
        add(each)
    rate = calls / (time.process_time() - started)
    record_property("calls_per_second", round(rate))
    with capsys.disabled():
        print(f" [{rate:,.0f} calls/s] ", end="")
    assert rate > 300
