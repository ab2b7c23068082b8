"""Points in time in the log of changes, which is searched by number."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from stackyard.kernel.storage import changes
from stackyard.kernel.storage.changes import CHANGES
from stackyard.kernel.storage.database import Database, first_before

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    CHANGES.create(made.engine)
    yield made
    made.close()


def note(database: Database, moments: dict[int, datetime]) -> None:
    with database.write() as tx:
        for number, at in moments.items():
            row = {"number": number, "at": at, "kind": "created", "source": "boxes", "object_id": "1", "seen": None}
            tx.insert(CHANGES, row)


@pytest.mark.parametrize("oldest", [1, 40])
def test_the_position_at_a_moment_is_that_of_the_last_change_before_it(database: Database, oldest: int) -> None:
    """Numbers have gaps, several changes one moment, and the first ones may be forgotten."""
    chosen = random.Random(5)
    numbers = [oldest, *sorted(chosen.sample(range(oldest + 1, 200), 60))]
    moments = {number: _BEGINNING + timedelta(seconds=number // 3) for number in numbers}
    note(database, moments)
    with database.read() as tx:
        for second in range(-1, 70):
            moment = _BEGINNING + timedelta(seconds=second)
            last = max((number for number, at in moments.items() if at < moment), default=0)
            found = changes.position_at(tx, moment)
            # Any number up to the next change goes on from the same place.
            assert [number for number in numbers if number <= found] == [number for number in numbers if number <= last]
            assert (found == 0) == (last == 0)


def test_an_empty_log_begins_at_0(database: Database) -> None:
    with database.read() as tx:
        assert changes.position_at(tx, _BEGINNING) == 0


def test_what_is_from_before_a_moment_is_found_from_the_oldest_on(database: Database) -> None:
    note(database, {number: _BEGINNING + timedelta(seconds=number) for number in range(1, 8)})
    with database.read() as tx:
        assert first_before(tx, CHANGES, _BEGINNING + timedelta(seconds=5), 3) == [1, 2, 3]
        assert first_before(tx, CHANGES, _BEGINNING + timedelta(seconds=3), 5) == [1, 2]
        assert first_before(tx, CHANGES, _BEGINNING, 5) == []
