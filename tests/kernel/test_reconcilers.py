"""Reconcilers run at start, by signal, by period and by hand, one run of each at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from stackyard.kernel.errors import NotFound
from stackyard.kernel.observe.observer import Observer
from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.repair.reconcilers import Reconcilers
from stackyard.kernel.work import SystemClock

SERVICES: Any = SimpleNamespace(
    clock=SystemClock(), database=SimpleNamespace(alone=lambda name: nullcontext()), observer=Observer()
)


class Counted:
    """A repair that counts its runs and lets a test wait for them."""

    def __init__(self) -> None:
        self.runs = 0
        self.at_once = 0
        self.most_at_once = 0
        self.change = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, services: Any) -> Report:
        with self.change:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.gate.wait(30)
        with self.change:
            self.at_once -= 1
            self.runs += 1
            self.change.notify_all()
        if self.error:
            raise self.error
        return Report(examined=self.runs, repaired=[f"run {self.runs}"])

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.change:
            assert self.change.wait_for(condition, 30)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def running(counted: Counted) -> Iterator[Callable[[timedelta], Reconcilers]]:
    started: list[Reconcilers] = []

    def start(every: timedelta = timedelta(hours=1)) -> Reconcilers:
        made = Reconcilers(SERVICES, [Reconciler(name="parts", run=counted, check=lambda services: [], every=every)])
        made.start()
        started.append(made)
        return made

    yield start
    counted.gate.set()
    for each in started:
        assert each.stop(5)


def test_it_runs_at_start(counted: Counted, running: Any) -> None:
    running()
    counted.wait_for(lambda: counted.runs == 1)


def test_it_runs_by_its_period(counted: Counted, running: Any) -> None:
    running(timedelta(milliseconds=5))
    counted.wait_for(lambda: counted.runs >= 3)


def test_signals_during_a_run_make_it_run_once_more(counted: Counted, running: Any) -> None:
    counted.gate.clear()
    reconcilers = running()
    counted.wait_for(lambda: counted.at_once == 1)
    for _ in range(5):
        reconcilers.signal("parts")
    counted.gate.set()
    counted.wait_for(lambda: counted.runs == 2)
    assert reconcilers.run_once("parts").examined == 3


def test_a_run_by_hand_waits_for_the_run_under_way(counted: Counted, running: Any) -> None:
    counted.gate.clear()
    reconcilers = running()
    counted.wait_for(lambda: counted.at_once == 1)
    by_hand = threading.Thread(target=reconcilers.run_once, args=("parts",))
    by_hand.start()
    counted.gate.set()
    by_hand.join(30)
    assert counted.runs == 2
    assert counted.most_at_once == 1


def test_the_report_of_the_last_run_is_kept(counted: Counted) -> None:
    mending = Reconciler(name="parts", run=counted, check=lambda services: [], doc="Mends parts.")
    reconcilers = Reconcilers(SERVICES, [mending])
    reconcilers.run_once("parts")
    (status,) = reconcilers.statuses()
    assert (status.name, status.doc, status.runs, status.error) == ("parts", "Mends parts.", 1, None)
    assert status.report == Report(examined=1, repaired=["run 1"])
    assert status.began_at is not None


def test_a_failing_run_keeps_its_error_and_runs_again(counted: Counted, running: Any) -> None:
    counted.error = RuntimeError("the engine is out")
    reconcilers = running(timedelta(milliseconds=5))
    counted.wait_for(lambda: counted.runs >= 2)
    with pytest.raises(RuntimeError):
        reconcilers.run_once("parts")
    assert reconcilers.statuses()[0].error == "RuntimeError: the engine is out"


def test_an_unknown_name_is_refused_with_the_known_ones(counted: Counted) -> None:
    reconcilers = Reconcilers(SERVICES, [Reconciler(name="parts", run=counted, check=lambda services: [])])
    with pytest.raises(NotFound, match="'wheels'") as refused:
        reconcilers.run_once("wheels")
    assert "parts" in refused.value.message


def test_two_reconcilers_of_one_name_are_refused(counted: Counted) -> None:
    one = Reconciler(name="parts", run=counted, check=lambda services: [])
    with pytest.raises(ValueError, match="parts"):
        Reconcilers(SERVICES, [one, one])


def test_checks_list_what_runs_would_mend_and_a_check_that_fails_is_listed_too(counted: Counted) -> None:
    def broken(services: Any) -> list[Mismatch]:
        raise RuntimeError("no engine")

    missing = Mismatch(kind="missing", object_id="1", text="part 1 is missing")
    reconcilers = Reconcilers(
        SERVICES,
        [
            Reconciler(name="parts", run=counted, check=lambda services: [missing]),
            Reconciler(name="engine", run=counted, check=broken),
        ],
    )
    assert [each.text for each in reconcilers.mismatches()] == [
        "part 1 is missing", "could not be checked: RuntimeError: no engine",
    ]
    assert counted.runs == 0
