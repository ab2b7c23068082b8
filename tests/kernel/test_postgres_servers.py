"""Several servers on one PostgreSQL: each operation once, one writer, one clock, and none is missed for long."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stackyard.kernel.bulletin import Bulletin, DatabaseClock
from stackyard.kernel.errors import Conflict, Unavailable
from stackyard.kernel.storage.database import Database, Transaction, table
from stackyard.testing.postgres import Postgres, postgres

pytestmark = pytest.mark.thorough

VICTIM = Path(__file__).parent / "journal" / "victim.py"
NUMBERS = table("numbers", sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.BigInteger))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def url(server: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database."""
    name = f"d{abs(hash(request.node.name)) % 10**8}"
    yield server.database(name)
    server.drop(name)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = Database(url)
    NUMBERS.create(made.engine)
    yield made
    made.close()


@pytest.fixture
def other(url: str, database: Database) -> Iterator[Database]:
    """The same database as another server has it."""
    made = Database(url)
    yield made
    made.close()


def eventually(holds: Any, within: float = 30) -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"not so after {within:g} s"
        time.sleep(0.02)


# ------------------------------------------------------------------------------------------------------- one writer


def test_what_a_rule_read_is_still_true_when_it_commits(database: Database, other: Database) -> None:
    """Each adds one only while there are less than 20: no count may be lost, none too many."""
    with database.write() as tx:
        tx.insert(NUMBERS, {"name": "n", "value": 0})

    def add(mine: Database) -> None:
        for _ in range(10):
            with mine.write() as tx:
                seen = tx.value(sa.select(NUMBERS.c.value))
                time.sleep(0.001)
                if seen < 20:
                    tx.update(NUMBERS, {"value": seen + 1}, name="n")

    threads = [threading.Thread(target=add, args=(mine,)) for mine in (database, other) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as tx:
        assert tx.value(sa.select(NUMBERS.c.value)) == 20


def test_a_reader_waits_for_no_writer_and_sees_one_moment(database: Database, other: Database) -> None:
    with database.write() as tx:
        tx.insert(NUMBERS, {"name": "n", "value": 1})
    with database.read() as reading:
        assert reading.value(sa.select(NUMBERS.c.value)) == 1
        with other.write() as writing:
            writing.update(NUMBERS, {"value": 2}, name="n")
            assert reading.value(sa.select(NUMBERS.c.value)) == 1
        assert reading.value(sa.select(NUMBERS.c.value)) == 1


def test_a_reading_transaction_cannot_write(database: Database) -> None:
    with pytest.raises(sa.exc.InternalError, match="read-only"), database.read() as tx:
        tx.insert(NUMBERS, {"name": "n", "value": 1})


def test_what_is_there_already_is_a_conflict(database: Database) -> None:
    with database.write() as tx:
        tx.insert(NUMBERS, {"name": "n", "value": 1})
        tx.insert(NUMBERS, {"name": "m", "value": 1})
    with pytest.raises(Conflict), database.write() as tx:
        tx.insert(NUMBERS, {"name": "n", "value": 1})
    with pytest.raises(Conflict), database.write() as tx:
        tx.update(NUMBERS, {"name": "n"}, name="m")


def test_a_server_that_dies_in_a_transaction_holds_up_nobody(database: Database, url: str) -> None:
    holds = (
        "import sys, time; from stackyard.kernel.storage.database import Database\n"
        "with Database(sys.argv[1]).write(): print('mine', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", holds, url], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    child.kill()
    child.wait()
    began = time.monotonic()
    with database.write() as tx:
        tx.insert(NUMBERS, {"name": "n", "value": 1})
    assert time.monotonic() - began < 25


# --------------------------------------------------------------------------------------------- one server at a time


def test_work_of_one_name_is_done_by_one_server_at_a_time(database: Database, other: Database) -> None:
    told: list[str] = []

    def second() -> None:
        with other.alone("repair"):
            told.append("second")

    with database.alone("repair"):
        thread = threading.Thread(target=second)
        thread.start()
        with other.alone("something else"):
            told.append("first")
        time.sleep(0.1)
    thread.join(30)
    assert told == ["first", "second"]


def test_a_name_is_held_by_one_server_until_it_lets_go(database: Database, other: Database) -> None:
    assert database.locks.take("image")
    assert not other.locks.take("image")
    assert other.locks.take("another image")
    assert database.locks.stands("image")
    database.locks.release("image")
    assert not database.locks.stands("image")
    assert other.locks.take("image")


def test_a_name_is_held_no_longer_than_its_server_lives(database: Database, url: str) -> None:
    holds = (
        "import sys, time; from stackyard.kernel.storage.database import Database\n"
        "print(Database(sys.argv[1]).locks.take('image'), flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", holds, url], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "True\n"
    assert not database.locks.take("image")
    child.kill()
    child.wait()
    eventually(lambda: database.locks.take("image"))


def test_a_name_does_not_stand_once_the_database_was_away(server: Postgres, database: Database) -> None:
    assert database.locks.take("image")
    server.stop()
    with pytest.raises(Unavailable):
        database.locks.take("another image")
    server.start()
    database.wait_for_answer(10)
    assert not database.locks.stands("image")
    database.locks.release("image")
    assert database.locks.take("image")
    assert database.locks.stands("image")


# ------------------------------------------------------------------------------------------ what one tells the others


def test_a_post_reaches_the_other_server_when_it_is_committed_and_never_before(
    database: Database, other: Database
) -> None:
    heard: list[str] = []
    here, there = Bulletin(database), Bulletin(other)
    here.on("topic", lambda word: heard.append(f"here {word}"))
    there.on("topic", lambda word: heard.append(f"there {word}"))
    for each in (here, there):
        each.start()
    try:
        eventually(lambda: _posted(database, here, heard))
        heard.clear()
        with suppress(ZeroDivisionError), database.write() as tx:
            here.post(tx, "topic", "rolled back")
            raise ZeroDivisionError
        with database.write() as tx:
            here.post(tx, "topic", "committed")
        eventually(lambda: "there committed" in heard)
        assert [each for each in heard if "now" not in each] == ["there committed"]
    finally:
        for each in (here, there):
            each.stop()


def _posted(database: Database, bulletin: Bulletin, heard: list[str]) -> bool:
    """The other one listens by now."""
    with database.write() as tx:
        bulletin.post(tx, "topic", "now")
    time.sleep(0.05)
    return bool(heard)


# ------------------------------------------------------------------------------------------------------------ clocks


def test_servers_whose_own_clocks_differ_by_minutes_have_one_time(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 600)

    def agree() -> bool:
        here, there = DatabaseClock(database), DatabaseClock(other)
        apart = abs(here.now() - there.now()), abs(there.now() - datetime.now(UTC))
        return apart[0] < timedelta(seconds=0.2) and apart[1] < timedelta(seconds=1)

    # A look at the database is as precise as its answer is quick, so on a busy machine they look again.
    eventually(agree)


def test_the_time_goes_on_while_the_database_is_away(server: Postgres, database: Database) -> None:
    clock = DatabaseClock(database, every=timedelta(0))
    before = clock.now()
    server.stop()
    try:
        assert before < clock.now() < before + timedelta(seconds=30)
    finally:
        server.start()


# ---------------------------------------------------------------------------------------------- a database that goes


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_database_that_goes_away_is_unavailable_until_it_is_back(
    server: Postgres, database: Database, how: str
) -> None:
    with database.write() as tx:
        tx.insert(NUMBERS, {"name": "n", "value": 1})
    try:
        with pytest.raises(Unavailable), database.write() as tx:
            _change_twice(tx, getattr(server, how))
        with pytest.raises(Unavailable) as refused, database.read() as tx:
            tx.all(sa.select(NUMBERS))
        told = refused.value
        assert told.message == "The database does not answer. Try again shortly.", "a stranger learns no more"
        assert "socket" in told.for_operators
        assert told.headers == {"Retry-After": "1"}
    finally:
        server.start()
    database.wait_for_answer(10)
    with database.write() as tx:
        assert tx.value(sa.select(NUMBERS.c.value)) == 1
        tx.update(NUMBERS, {"value": 4}, name="n")
    with database.read() as tx:
        assert tx.value(sa.select(NUMBERS.c.value)) == 4


def _change_twice(tx: Transaction, between: Callable[[], None]) -> None:
    tx.update(NUMBERS, {"value": 2}, name="n")
    between()
    tx.update(NUMBERS, {"value": 3}, name="n")


# --------------------------------------------------------------------------------------------- killed in mid-operation


@pytest.mark.parametrize(("moment", "times"), [("before", 1), ("after_effect", 2), ("after_record", 1)])
def test_when_one_of_two_servers_is_killed_the_other_finishes_its_work_once(
    tmp_path: Path, url: str, moment: str, times: int
) -> None:
    place, marker = f"create:make the body:{moment}", str(tmp_path / "crashed")
    one = _victim(tmp_path, url, "begin", "one", STACKYARD_CRASH_AT=place, STACKYARD_CRASH_MARKER=marker)
    # It runs beside the first one, ten minutes ahead by its own clock: by that, every lease of the other is over.
    two = _victim(tmp_path, url, "watch", "two", VICTIM_CLOCK_AHEAD="600")
    assert one.wait(60) == -signal.SIGKILL, one.communicate()
    said, trouble = two.communicate(timeout=60)
    assert (two.returncode, said) == (0, "Ready"), trouble
    assert len((tmp_path / "body").read_text().splitlines()) == times
    assert len((tmp_path / "wheels").read_text().splitlines()) == 1


def _victim(folder: Path, url: str, what: str, place: str, **more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(VICTIM), str(folder), what, url, place],
        env=os.environ | {"VICTIM_LINGERS": "2"} | more, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
