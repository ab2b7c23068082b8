"""Writers that share commits against writers that each commit for themselves.

    .venv/bin/python -m bench.commits [--postgresql]

Threads of one server each read a row, insert one and change one, commits on disk, for half a second at a time, in seven
rounds of turns. The ratio is of shared commits to own ones: 1.00 for the lone writer, who must pay nothing. Decision 14
has the results.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from stackyard.kernel.storage.database import Database, table
from stackyard.testing.postgres import postgres

THINGS = table("things", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
COUNTS = table("counts", sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", sa.BigInteger))
SECONDS, ROUNDS = 0.5, 7


@contextmanager
def opened(postgresql: bool) -> Iterator[Database]:
    """A database on disk with the tables."""
    if postgresql:
        with postgres(durable=True) as server:
            yield _filled(Database(server.database("bench")))
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield _filled(Database(f"sqlite:///{folder}/bench.db"))


def _filled(database: Database) -> Database:
    for each in (THINGS, COUNTS):
        each.create(database.engine)
    with database.write() as tx:
        tx.insert(COUNTS, {"id": 1, "value": 0})
    return database


def measure(database: Database, threads: int, longest: float) -> float:
    """Transactions per second. longest: how old a group may get; 0: nobody shares."""
    database.writer.longest = longest
    done, end = [0] * threads, time.monotonic() + SECONDS

    def work(number: int) -> None:
        while time.monotonic() < end:
            with database.write() as tx:
                found = tx.get(COUNTS, id=1)
                assert found is not None
                tx.insert(THINGS, {"text": "x" * 200})
                tx.update(COUNTS, {"value": found.value + 1}, id=1)
            done[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    return sum(done) / SECONDS


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", action="store_true", help="on a server of PostgreSQL instead of SQLite")
    with opened(parser.parse_args().postgresql) as database:
        shared = database.writer.longest
        print("threads     shared      own  ratio")
        for threads in (1, 2, 8, 24):
            rounds = [(measure(database, threads, shared), measure(database, threads, 0)) for _ in range(ROUNDS)]
            ours, own = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(f"{threads:7} {ours:8.0f}/s {own:6.0f}/s {ours / own:6.2f}", flush=True)
        database.close()


if __name__ == "__main__":
    main()
