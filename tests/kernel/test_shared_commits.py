"""Transactions that wait for their turn share one durable commit, and each is as if it had committed for itself."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from stackyard.kernel.errors import Conflict, Unavailable
from stackyard.kernel.storage import writer
from stackyard.kernel.storage.database import Database, Transaction, table
from stackyard.kernel.storage.engines import say
from tests.commits import before_commits, counted_commits

WORDS = table("words", sa.Column("word", sa.String(64), primary_key=True))

Write = Callable[[Transaction], Any]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database whose groups may take as long as they like, so that a busy machine parts none."""
    made = Database(database_url)
    made.writer.longest = 600
    WORDS.create(made.engine)
    yield made
    made.close()


@pytest.fixture
def commits(database: Database) -> Iterator[list[int]]:
    """Grows by one with each commit."""
    with counted_commits(database) as seen:
        yield seen


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "not so after 30 s"
        time.sleep(0.001)


def add(word: str) -> Write:
    return lambda tx: tx.insert(WORDS, {"word": word})


def fail_after(word: str, error: Exception) -> Write:
    def change(tx: Transaction) -> None:
        tx.insert(WORDS, {"word": word})
        raise error

    return change


def hooking(word: str, hook: Callable[[], None], error: Exception | None = None) -> Write:
    """Adds the word, has the hook run once that is durable, and fails if there is an error."""

    def change(tx: Transaction) -> None:
        tx.insert(WORDS, {"word": word})
        tx.after_commit(hook)
        if error is not None:
            raise error

    return change


def write(database: Database, change: Write) -> Any:
    with database.write() as tx:
        return change(tx)


@contextmanager
def together(database: Database, *changes: Write) -> Iterator[list[Future[Any]]]:
    """The first change is made when all others wait for their turn, in the order given."""
    with ThreadPoolExecutor(len(changes)) as pool:
        begun, may_go_on = threading.Event(), threading.Event()

        def lead(tx: Transaction) -> Any:
            begun.set()
            assert may_go_on.wait(60)
            return changes[0](tx)

        futures = [pool.submit(write, database, lead)]
        assert begun.wait(30)
        for number, change in enumerate(changes[1:], 1):
            futures.append(pool.submit(write, database, change))
            until(lambda number=number: database.writer.waiting == number)  # type: ignore[misc]
        may_go_on.set()
        yield futures


def words(database: Database) -> set[str]:
    with database.read() as tx:
        return {row.word for row in tx.find(WORDS)}


def test_those_that_wait_commit_once_for_all(database: Database, commits: list[int]) -> None:
    with together(database, *(add(str(number)) for number in range(6))) as futures:
        assert [each.result(30) for each in futures] == [None] * 6
    assert words(database) == {str(number) for number in range(6)}
    assert len(commits) == 1


def test_who_writes_alone_commits_at_once_and_without_a_savepoint(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(writer, "say", lambda connection, text: said.append(text) or say(connection, text))
    write(database, add("one"))
    assert words(database) == {"one"}
    assert said[1:] == ["COMMIT"]
    database.write_each([add("two"), add("three")])
    assert said[3:] == ["SAVEPOINT member", "COMMIT"]


def test_a_group_that_is_old_is_left_to_nobody(database: Database, commits: list[int]) -> None:
    database.writer.longest = 0
    with together(database, add("one"), add("two"), add("three")) as futures:
        assert [each.result(30) for each in futures] == [None] * 3
    assert len(commits) == 3


def test_nobody_goes_on_before_the_commit(database: Database) -> None:
    first: list[Future[Any]] = []

    def look(tx: Transaction) -> tuple[bool, set[str]]:
        tx.insert(WORDS, {"word": "two"})
        until(lambda: bool(first))
        return first[0].done(), words(database)

    with together(database, add("one"), look) as futures:
        first.append(futures[0])
        assert futures[1].result(30) == (False, set())
    assert words(database) == {"one", "two"}


def test_a_member_reads_what_those_before_it_wrote(database: Database) -> None:
    with together(database, add("one"), lambda tx: [row.word for row in tx.find(WORDS)]) as futures:
        assert futures[1].result(30) == ["one"]


def test_who_fails_takes_back_its_own_only(database: Database) -> None:
    with together(database, add("one"), fail_after("bad", KeyError("bad")), add("one"), add("two")) as futures:
        futures[0].result(30)
        with pytest.raises(KeyError):
            futures[1].result(30)
        with pytest.raises(Conflict):
            futures[2].result(30)
        futures[3].result(30)
    assert words(database) == {"one", "two"}


def test_when_the_first_one_fails_the_others_begin_anew(database: Database) -> None:
    with together(database, fail_after("bad", KeyError("bad")), add("one"), add("two")) as futures:
        with pytest.raises(KeyError):
            futures[0].result(30)
        futures[2].result(30)
    assert words(database) == {"one", "two"}


def test_hooks_run_after_the_commit_and_not_for_who_failed(database: Database) -> None:
    seen: list[tuple[str, set[str]]] = []

    def hooked(word: str, error: Exception | None = None) -> Write:
        return hooking(word, lambda: seen.append((word, words(database))), error)

    with together(database, hooked("one"), hooked("bad", KeyError()), hooked("two")):
        pass
    assert sorted(seen) == [("one", {"one", "two"}), ("two", {"one", "two"})]


def test_when_the_commit_fails_every_member_is_told(database: Database) -> None:
    ran: list[str] = []

    def break_off() -> None:
        raise Unavailable("the disk is away")

    def hooked(tx: Transaction) -> None:
        tx.insert(WORDS, {"word": "one"})
        tx.after_commit(lambda: ran.append("one"))

    with before_commits(database, break_off), together(database, hooked, add("two"), add("three")) as futures:
        for each in futures:
            with pytest.raises(Unavailable, match="the disk is away"):
                each.result(30)
    assert (words(database), ran) == (set(), [])
    write(database, add("later"))
    assert words(database) == {"later"}


def test_what_the_database_gave_up_is_not_said_to_be_written(database: Database) -> None:
    """An error that a rule swallows: on PostgreSQL it breaks the transaction, a full disk rolls SQLite's back."""

    def swallow(tx: Transaction) -> None:
        tx.insert(WORDS, {"word": "lost"})
        tx.connection.exec_driver_sql("ROLLBACK")

    with together(database, swallow, add("one")) as futures:
        with pytest.raises(Unavailable, match="gave up"):
            futures[0].result(30)
        futures[1].result(30)
    assert words(database) == {"one"}


CHILD = """
import os, signal, sys, threading, time
from tests.kernel.test_shared_commits import WORDS
from stackyard.kernel.storage.database import Database

database = Database(sys.argv[1])
database.writer.longest = 600
begun = threading.Event()

def first():
    with database.write() as tx:
        tx.insert(WORDS, {"word": "one"})
        begun.set()
        while not database.writer.waiting:
            time.sleep(0.001)
    print("answered", flush=True)

def second():
    begun.wait()
    with database.write() as tx:
        tx.insert(WORDS, {"word": "two"})
        print([row.word for row in tx.find(WORDS)], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

threads = [threading.Thread(target=each) for each in (first, second)]
for each in threads: each.start()
for each in threads: each.join()
"""


# -- several transactions of one thread --


def test_a_row_of_transactions_commits_once_and_each_reads_what_those_before_it_wrote(
    database: Database, commits: list[int]
) -> None:
    results = database.write_each([add("one"), lambda tx: [row.word for row in tx.find(WORDS)], add("two")])
    assert results == [None, ["one"], None]
    assert words(database) == {"one", "two"}
    assert len(commits) == 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_of_a_row_that_fails_takes_back_its_own_only(database: Database, place: int) -> None:
    error = KeyError("bad")
    changes = [add("one"), add("two")]
    changes.insert(place, fail_after("bad", error))
    results = database.write_each(changes)
    assert results.pop(place) is error
    assert results == [None, None]
    assert words(database) == {"one", "two"}


def test_the_hooks_of_a_row_run_after_the_commit_and_not_for_who_failed(database: Database) -> None:
    seen: list[tuple[str, set[str]]] = []

    def hooked(word: str, error: Exception | None = None) -> Write:
        return hooking(word, lambda: seen.append((word, words(database))), error)

    database.write_each([hooked("one"), hooked("bad", KeyError()), hooked("two")])
    assert seen == [("one", {"one", "two"}), ("two", {"one", "two"})]


def test_a_hook_that_fails_is_told_to_its_own_transaction_only(database: Database) -> None:
    error = KeyError("hook")

    def hooked(tx: Transaction) -> None:
        tx.insert(WORDS, {"word": "one"})
        tx.after_commit(lambda: (_ for _ in ()).throw(error))

    assert database.write_each([hooked, add("two")]) == [error, None]
    assert words(database) == {"one", "two"}


def test_when_the_commit_of_a_row_fails_each_is_told(database: Database) -> None:
    def break_off() -> None:
        raise Unavailable("the disk is away")

    with before_commits(database, break_off):
        results = database.write_each([add("one"), add("two")])
    assert [str(each) for each in results] == ["the disk is away"] * 2
    assert words(database) == set()
    write(database, add("later"))
    assert words(database) == {"later"}


def test_those_of_a_row_that_follow_a_lost_one_begin_anew(database: Database) -> None:
    def swallow(tx: Transaction) -> None:
        tx.insert(WORDS, {"word": "lost"})
        tx.connection.exec_driver_sql("ROLLBACK")

    before, lost, after = database.write_each([add("one"), swallow, add("two")])
    assert isinstance(before, Unavailable)
    assert isinstance(lost, Unavailable)
    assert after is None
    assert words(database) == {"two"}


def test_a_row_joins_those_that_wait_for_their_turn(database: Database, commits: list[int]) -> None:
    with ThreadPoolExecutor(2) as pool:
        begun, may_go_on = threading.Event(), threading.Event()

        def lead(tx: Transaction) -> None:
            begun.set()
            assert may_go_on.wait(60)
            tx.insert(WORDS, {"word": "lead"})

        leading = pool.submit(write, database, lead)
        assert begun.wait(30)
        row = pool.submit(database.write_each, [add("one"), add("two")])
        until(lambda: database.writer.waiting == 1)
        may_go_on.set()
        assert row.result(30) == [None, None]
        leading.result(30)
    assert words(database) == {"lead", "one", "two"}
    assert len(commits) == 1


def test_no_row_is_written_within_a_transaction(database: Database) -> None:
    with database.write(), pytest.raises(RuntimeError, match="already open"):
        database.write_each([add("one")])


def test_a_server_that_dies_before_the_commit_has_answered_nobody(database: Database) -> None:
    """The first has ended its savepoint; the second is killed in its own."""
    died = subprocess.run([sys.executable, "-c", CHILD, str(database.engine.url)], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert died.stdout == "['one', 'two']\n"
    assert words(database) == set()
    write(database, add("after"))
    assert words(database) == {"after"}


def test_many_threads_that_fail_at_random_lose_nothing_and_come_to_an_end(database: Database) -> None:
    database.writer.longest = 0.02
    kept: list[str] = []

    def work(name: int) -> None:
        chance = random.Random(name)
        for number in range(15):
            word = f"{name}-{number}"
            try:
                with database.write() as tx:
                    tx.insert(WORDS, {"word": word})
                    if chance.random() < 0.3:
                        raise KeyError(word)
            except KeyError:
                continue
            assert word in words(database)
            kept.append(word)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert words(database) == set(kept)
