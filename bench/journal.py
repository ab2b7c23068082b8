"""Operations per second through the journal: containers of the fake driver are paused and unpaused.

    .venv/bin/python -m bench.journal                     with 100, then 100,000 containers
    .venv/bin/python -m bench.journal --objects 100 1000 10000 100000

Each operation is accepted, claimed, performed in two steps and ended: five or six transactions, each synced to disk
(SQLite, WAL, synchronous=FULL). The ratio is to what SQLite alone commits there in the same run: transactions of the
journal per second through bare one-row commits per second. Target: 300 operations a second, and as many with 100,000
objects (and as many finished operations in the journal) as with 100.
"""

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stackyard.assemble import Cloud
from stackyard.kernel.caller import service_caller
from stackyard.kernel.journal.tables import OPERATIONS, STEPS
from stackyard.kernel.storage.database import Record
from stackyard.rooms.container.driver import Image
from stackyard.rooms.container.resources.container.resource import CONTAINER
from stackyard.testing.cloud import Worlds, cloud

WORKED_ON = 40
TARGET = 300


@dataclass
class Scene:
    """A cloud with some containers that run, and many that are only there."""

    cloud: Cloud
    uuids: list[str]

    def begin(self, action: str) -> None:
        """Accept the action for each container, each in a transaction of its own, as requests would."""
        for each in self.uuids:
            with self.cloud.database.write() as tx:
                work = self.cloud.services.work(tx, service_caller("bench"), "req-bench")
                row = tx.get(CONTAINER.table, uuid=each)
                assert row is not None
                work.begin(CONTAINER, row, action)

    def fill(self, objects: int) -> None:
        """Copies of one container and of its last operation, until there are so many of each."""
        with self.cloud.database.write() as tx:
            have = tx.value(sa.select(sa.func.count()).select_from(CONTAINER.table))
            row = tx.get(CONTAINER.table, uuid=self.uuids[0])
            past = tx.one(sa.select(OPERATIONS).where(OPERATIONS.c.due_at.is_(None)).order_by(OPERATIONS.c.number))
            assert row is not None
            assert past is not None
            ids = [str(uuid.uuid4()) for _ in range(objects - have)]
            key = CONTAINER.id_field
            tx.insert_many(CONTAINER.table, [_copy(row, **{key: each, "name": each}) for each in ids])
            tx.insert_many(OPERATIONS, [_copy(past, "number", id=str(uuid.uuid4()), object_id=each) for each in ids])

    def rate(self) -> float:
        """Operations a second, over a pause and an unpause of each container."""
        began = time.perf_counter()
        for action in ("pause", "unpause"):
            self.begin(action)
            self.cloud.workers.drain()
        return 2 * len(self.uuids) / (time.perf_counter() - began)

    def transactions(self) -> float:
        """How many transactions an operation took: its begin, claim, marks and end."""
        with self.cloud.database.read() as tx:
            steps = tx.value(sa.select(sa.func.count()).select_from(STEPS))
            performed = tx.value(sa.select(sa.func.count(STEPS.c.operation.distinct())))
        return float(steps / performed) + 3


def _copy(row: Record, *without: str, **changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**row, **changed}.items() if name not in without}


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """The cloud, its workers running, no repair in between."""
    worlds = Worlds()
    image = Image(id="sha256:web", names=["web:latest"], size=3)
    worlds.container.registry.update({"web": image, "web:latest": image})
    with cloud(folder, worlds=worlds) as running:
        demo = running.demo
        wanted = {"image": "web"}
        uuids = [demo.post("/container/v1/containers?run=true", wanted, ok=202)["uuid"] for _ in range(WORKED_ON)]
        running.settle(120)
        running.cloud.reconcilers.stop()
        yield Scene(running.cloud, uuids)


def commits_per_second(folder: Path, seconds: float = 0.5) -> float:
    """What SQLite alone commits here, one row at a time."""
    (folder / "bare.db").unlink(missing_ok=True)
    database = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for line in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE t (id INTEGER PRIMARY KEY, x)"):
        database.execute(line)
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO t (x) VALUES (?)", ("x" * 200,))
        database.execute("COMMIT")
        done += 1
    return done / (time.perf_counter() - began)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, nargs="+", default=[100, 100_000])
    parser.add_argument("--rounds", type=int, default=5, help="each pauses and unpauses every container worked on")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as staged:
        staged.rate()
        each = staged.transactions()
        print(f"{'objects':>9}{'operations/s':>14}{'transactions/s':>16}{'bare commits/s':>16}{'ratio':>7}")
        for objects in sorted(asked.objects):
            staged.fill(objects)
            os.sync()
            # In turns, so that what else uses the disk meets both alike.
            turns = [(commits_per_second(Path(folder)), staged.rate()) for _ in range(asked.rounds)]
            bare, rate = (statistics.median(column) for column in zip(*turns, strict=True))
            print(f"{objects:9}{rate:14.0f}{rate * each:16.0f}{bare:16.0f}{rate * each / bare:7.2f}", flush=True)
    print(f"Target: {TARGET} operations a second, at every size.")


if __name__ == "__main__":
    main()
