"""The pool runs everything once, with no more threads than it may have, and ends."""

import threading
import time

from stackyard.node.pool import Pool
from tests.node.conftest import wait_until


def test_tasks_wait_for_a_free_thread_and_none_is_lost() -> None:
    pool, gate, lock = Pool(3, "test"), threading.Event(), threading.Lock()
    done: list[int] = []
    at_once = [0, 0]

    def task(number: int) -> None:
        with lock:
            at_once[0] += 1
            at_once[1] = max(at_once)
        assert gate.wait(30)
        with lock:
            at_once[0] -= 1
            done.append(number)

    for number in range(50):
        assert pool.submit(lambda number=number: task(number))  # type: ignore[misc]
    wait_until(lambda: at_once[0] == 3)
    gate.set()
    wait_until(lambda: len(done) == 50)
    assert sorted(done) == list(range(50))
    assert at_once[1] == 3
    pool.close()


def test_one_thread_keeps_the_order() -> None:
    pool, done = Pool(1, "test"), list[int]()
    for number in range(1000):
        pool.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    wait_until(lambda: len(done) == 1000)
    assert done == list(range(1000))
    pool.close()


def test_an_idle_thread_is_used_before_a_new_one_is_made() -> None:
    pool, names = Pool(10, "reuse"), set[str]()
    for _ in range(100):
        ran = threading.Event()
        pool.submit(lambda ran=ran: (names.add(threading.current_thread().name), ran.set()))  # type: ignore[misc,arg-type,func-returns-value]
        assert ran.wait(30)
        time.sleep(0.001)
    assert len(names) < 5
    pool.close()
    wait_until(lambda: not any(each.name.startswith("reuse") for each in threading.enumerate()))


def test_a_closed_pool_says_so_and_finishes_what_it_took() -> None:
    pool, done = Pool(2, "test"), threading.Event()
    assert pool.submit(done.set)
    pool.close()
    assert not pool.submit(done.clear)
    assert done.wait(30)
