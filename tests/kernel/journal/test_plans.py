"""How the database finds what the journal asks for: by indexes, also when nearly all operations have ended and the
planner knows it. SQLite with statistics once read the whole journal whenever an operation ended."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa

from stackyard.kernel.journal.pruning import prune
from stackyard.kernel.journal.tables import OPERATIONS, STEPS, TABLES
from stackyard.kernel.steps import Refused
from stackyard.kernel.storage import migrations
from stackyard.kernel.storage.database import Transaction
from stackyard.kernel.storage.statements import Compiled
from stackyard.kernel.work import Work

#: Objects with a past, and how many operations each has in it.
_OBJECTS, _EACH = 400, 5
_ALL_OF_IT = re.compile(r"SCAN (?:journal_\w+|older)|Seq Scan on journal_")


@pytest.fixture
def old(toy: Any) -> Any:
    """The toy with the journal that a cloud has, made by migrations, and many operations in it that have ended."""
    for each in TABLES:
        each.drop(toy.database.engine)
    migrations.upgrade(toy.database, [])
    give_past(toy)
    return toy


def give_past(toy: Any) -> None:
    """Operations that have ended, each with a step and a line."""
    thing = toy.create_thing()
    toy.run()
    (done,) = toy.operations(thing)

    def change(work: Work) -> None:
        (step, *_) = work.tx.find(STEPS, operation=done.id)
        for number in range(_OBJECTS * _EACH):
            own, of = f"past-{number}", f"thing-{number % _OBJECTS}"
            copy = {name: value for name, value in done.items() if name != "number"}
            work.tx.insert(OPERATIONS, copy | {"id": own, "object_id": of, "request_id": f"req-past-{number}"})
            work.tx.insert(STEPS, step | {"operation": own})
            work.event(of, "noted", "something")

    toy.work(change)


@contextmanager
def watched(toy: Any) -> Iterator[list[tuple[str, Any]]]:
    """Every statement on the journal's tables, as the driver gets it, with its values."""
    seen: dict[str, tuple[str, Any]] = {}
    run = Compiled.run

    def watching(compiled: Compiled, cursor: Any, values: Any) -> Any:
        return run(compiled, _Watched(cursor, seen), values)

    def executed(connection: Any, cursor: Any, text: str, values: Any, *more: Any) -> None:
        seen.setdefault(text, (text, values))

    found: list[tuple[str, Any]] = []
    sa.event.listen(toy.database.engine, "before_cursor_execute", executed)
    with mock.patch.object(Compiled, "run", watching):
        yield found
    sa.event.remove(toy.database.engine, "before_cursor_execute", executed)
    found += [each for each in seen.values() if "journal_" in each[0] and not each[0].startswith("INSERT")]


class _Watched:
    def __init__(self, cursor: Any, seen: dict[str, tuple[str, Any]]) -> None:
        self._cursor = cursor
        self._seen = seen

    def execute(self, text: str, values: Any) -> Any:
        self._seen.setdefault(text, (text, values))
        return self._cursor.execute(text, values)


def plan(toy: Any, text: str, values: Any) -> str:
    explain = "EXPLAIN QUERY PLAN" if toy.database.is_sqlite else "EXPLAIN"
    with toy.database.read() as tx:
        cursor = tx.connection.connection.cursor()
        return "\n".join(str(row[-1]) for row in cursor.execute(f"{explain} {text}", values).fetchall())


def live_through(toy: Any) -> None:
    """All that the journal does: operations that end, are undone, wait and are overtaken; what the keeper does and the
    observer asks; forgetting."""
    toy.create_thing()
    toy.workers.run_all()
    toy.faults.fail("create", "make the wheels", Refused("no rubber"))
    toy.create_thing()
    toy.workers.run_all()
    toy.begin(toy.ready_thing(), "adopt", child="create")
    toy.workers.run_all()
    overtaken = toy.ready_thing()
    toy.begin(overtaken, "start")
    toy.begin(overtaken, "delete")
    toy.workers.run_all()
    toy.begin(toy.ready_thing(), "polish")
    claims = toy.workers._claims.take(3)
    assert claims
    toy.workers._claims.extend(claims)
    toy.workers._claims.reclaim(claims)
    toy.workers.recover()
    toy.work(lambda work: (toy.book.counts(work.tx), toy.book.oldest_due(work.tx), toy.book.at_work(work)))
    prune(toy.services, timedelta(days=30))


def _analyze(tx: Transaction) -> None:
    """Of this cloud's tables: on PostgreSQL those of all tests are in one database."""
    for name in sa.inspect(tx.connection).get_table_names():
        tx.connection.exec_driver_sql(f'ANALYZE "{name}"')


@pytest.mark.parametrize("statistics", [False, True], ids=["without statistics", "with statistics"])
def test_nothing_the_journal_does_reads_all_of_the_past(old: Any, statistics: bool) -> None:
    with old.database.write() as tx:
        # PostgreSQL makes them by itself.
        if statistics or not old.database.is_sqlite:
            _analyze(tx)
    old.restart()
    with watched(old) as statements:
        live_through(old)
    assert len(statements) > 15
    plans = {text: plan(old, text, values) for text, values in statements}
    assert not {text: steps for text, steps in plans.items() if _ALL_OF_IT.search(steps)}


def test_who_waits_for_an_operation_is_found_among_those_that_wait(old: Any) -> None:
    with old.database.write() as tx:
        _analyze(tx)
    old.restart()
    with watched(old) as statements:
        old.create_thing()
        old.workers.run_all()
    ((text, values),) = [each for each in statements if re.search(r"WHERE journal_operations.waits_for = ", each[0])]
    assert "ix_journal_operations_waits_for" in plan(old, text, values)
