"""One writer at a time against serializable transactions that are run again when they fail, on PostgreSQL.

    .venv/bin/python -m bench.writers

The same unit of work (read a quota, count rows, insert a row, raise the quota's use) from eight threads of two servers,
commits on disk, for two seconds at a time, three rounds. The fewer projects share the work, the more units meet. The
ratio is of one writer to serializable. Decision 4 has the results.
"""

import random
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Database, table
from stackyard.testing.postgres import postgres

QUOTAS = table("quotas", sa.Column("project", sa.String(32), primary_key=True), sa.Column("used", sa.BigInteger))
THINGS = table(
    "things", sa.Column("id", sa.String(64), primary_key=True), sa.Column("project", sa.String(32), index=True)
)
SECONDS, ROUNDS, THREADS = 2.0, 3, 8


def unit(execute: Callable[[Any], sa.CursorResult[Any]], project: str, name: str) -> None:
    """Read, then write what was read and one more."""
    used = execute(sa.select(QUOTAS.c.used).where(QUOTAS.c.project == project)).scalar_one()
    execute(sa.select(sa.func.count()).select_from(THINGS).where(THINGS.c.project == project)).scalar_one()
    execute(sa.insert(THINGS).values(id=name, project=project))
    execute(sa.update(QUOTAS).where(QUOTAS.c.project == project).values(used=used + 1))


def alone(database: Database, project: str, name: str) -> int:
    """As Stackyard does it; never run again."""
    with database.write() as tx:
        unit(tx.execute, project, name)
    return 0


def serializable(database: Database, project: str, name: str) -> int:
    """Run again until no other unit was in the way; returns how often."""
    failures = 0
    while True:
        try:
            with database.engine.connect() as connection:
                connection.execution_options(isolation_level="SERIALIZABLE")
                unit(connection.execute, project, name)
                connection.commit()
                return failures
        except sa.exc.OperationalError:
            failures += 1


def measure(url: str, projects: int, way: Callable[[Database, str, str], int]) -> tuple[float, float]:
    """Units per second, and how often each was run again."""
    servers = [Database(url) for _ in range(2)]
    done, again = [0] * THREADS, [0] * THREADS
    end = time.monotonic() + SECONDS

    def work(number: int) -> None:
        while time.monotonic() < end:
            project = f"p{random.randrange(projects)}"
            again[number] += way(servers[number % 2], project, f"{number}-{time.monotonic_ns()}")
            done[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for server in servers:
        server.close()
    return sum(done) / SECONDS, sum(again) / max(1, sum(done))


def main() -> None:
    """Print the table."""
    with postgres(durable=True) as server:
        url = server.database("bench")
        database = Database(url)
        with database.write() as tx:
            QUOTAS.create(tx.connection)
            THINGS.create(tx.connection)
            tx.insert_many(QUOTAS, [{"project": f"p{number}", "used": 0} for number in range(1000)])
        database.close()
        print("projects  one writer  serializable  ratio  run again, per unit")
        for projects in (1, 10, 1000):
            rounds = [(measure(url, projects, alone), measure(url, projects, serializable)) for _ in range(ROUNDS)]
            one, other, again = (
                statistics.median(each) for each in zip(*((a[0], b[0], b[1]) for a, b in rounds), strict=True)
            )
            print(f"{projects:8}  {one:8.0f}/s  {other:10.0f}/s  {one / other:5.2f}  {again:5.2f}")


if __name__ == "__main__":
    main()
