"""The desk: nobody looks for work in vain, and nothing that is ready is left lying."""

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from stackyard.kernel.errors import Unavailable
from stackyard.kernel.journal.desk import Desk


class Office:
    """Threads at a desk, and the work that is there for them."""

    def __init__(self) -> None:
        self.due: list[Any] = []
        self.looks: list[int] = []
        self.in_hand: list[Any] = []
        self.away = False
        self.may_look, self.may_go_on = threading.Event(), threading.Event()
        self.may_look.set()
        self.desk = Desk(self._take)
        self.threads: list[threading.Thread] = []

    def _take(self, most: int) -> list[Any]:
        taken, self.due = self.due[:most], self.due[most:]
        self.looks.append(most)
        assert self.may_look.wait(30)
        if self.away:
            raise Unavailable("The database is away.")
        return taken

    def open(self, threads: int) -> None:
        self.threads = [threading.Thread(target=self._work) for _ in range(threads)]
        for each in self.threads:
            each.start()

    def _work(self) -> None:
        while (claim := self.desk.next()) is not None:
            self.in_hand.append(claim)
            assert self.may_go_on.wait(30)

    def close(self) -> None:
        self.may_look.set()
        self.may_go_on.set()
        self.desk.close()
        for each in self.threads:
            each.join(30)
            assert not each.is_alive()


@pytest.fixture
def office() -> Iterator[Office]:
    made = Office()
    yield made
    made.close()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not come to pass within 30 s"
        time.sleep(0.002)


def at_rest(office: Office) -> Callable[[], bool]:
    """Whether all threads that have nothing in hand wait."""
    return lambda: len(office.desk._condition._waiters) == len(office.threads) - len(office.in_hand)  # type: ignore[attr-defined]


def work(number: int) -> list[Any]:
    return [SimpleNamespace(number=each) for each in range(number)]


def test_one_look_is_for_all_threads_that_have_nothing(office: Office) -> None:
    office.open(4)
    until(at_rest(office))
    office.looks.clear()
    office.due = work(3)
    office.desk.ring()
    until(lambda: len(office.in_hand) == 3)
    until(at_rest(office))
    assert office.looks == [4]


def test_rings_during_a_look_are_worth_one_more(office: Office) -> None:
    office.open(3)
    until(at_rest(office))
    office.looks.clear()
    office.may_look.clear()
    office.desk.ring()
    until(lambda: office.looks)
    office.due = work(2)
    for _ in range(10):
        office.desk.ring()
    office.may_look.set()
    until(lambda: len(office.in_hand) == 2)
    until(at_rest(office))
    assert office.looks == [3, 3]


def test_what_is_more_than_there_are_threads_is_taken_up_by_the_first_that_is_free(office: Office) -> None:
    office.open(2)
    until(at_rest(office))
    office.due = work(5)
    office.desk.ring()
    until(lambda: len(office.in_hand) == 2)
    assert len(office.due) == 3
    office.may_go_on.set()
    until(lambda: len(office.in_hand) == 5)
    assert sorted(each.number for each in office.in_hand) == [0, 1, 2, 3, 4]


def test_claims_that_were_made_are_handed_out_after_the_desk_has_closed(office: Office) -> None:
    office.open(3)
    until(at_rest(office))
    office.may_look.clear()
    office.due = work(3)
    office.desk.ring()
    until(lambda: not office.due)
    office.desk.close()
    office.may_go_on.set()
    office.may_look.set()
    until(lambda: not any(each.is_alive() for each in office.threads))
    assert len(office.in_hand) == 3


def test_a_look_that_failed_is_made_again_by_who_comes_next(office: Office) -> None:
    office.away = True
    with pytest.raises(Unavailable):
        office.desk.next()
    office.away, office.due = False, work(1)
    assert office.desk.next() is not None
