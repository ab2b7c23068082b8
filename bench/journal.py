"""Operations per second through the journal: containers of the fake driver are paused and unpaused.

    .venv/bin/python -m bench.journal                     on disk, in memory and on PostgreSQL, with 100 and 100,000
    .venv/bin/python -m bench.journal --on disk --objects 100 1000 10000 100000

Each operation is accepted, claimed, and performed in two steps, with the second of which it ends: three transactions,
durable before anybody goes on (SQLite: WAL, synchronous=FULL). The containers are picked anew for every round, at
random from all, each with as long a past as the others. A cloud of each size takes its turn in every round, so that
what else the machine does meets all alike.

Ratio: transactions per second by what the database alone commits there, one row at a time, in the same round; more
than 1 is what transactions gain that share commits. CPU: milliseconds of this process for each operation, which other
load disturbs least; growth: by those with the fewest objects. Repair: CPU seconds of one look at all containers that
finds nothing to mend.

Target: 300 operations a second on SQLite, and as many with 100,000 objects (and as many finished operations in the
journal) as with 100.
"""

import argparse
import gc
import os
import random
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psycopg
import sqlalchemy as sa

from stackyard.assemble import Cloud
from stackyard.kernel.caller import service_caller
from stackyard.kernel.journal.book import new_id
from stackyard.kernel.journal.tables import OPERATIONS, STEPS
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.driver import Image
from stackyard.rooms.container.drivers.fake.world import FakeContainer, World
from stackyard.rooms.container.resources.container.resource import CONTAINER
from stackyard.testing.cloud import Worlds, cloud
from stackyard.testing.postgres import postgres

WORKED_ON = 40
#: How many transactions an operation takes: it is accepted, claimed, and ends.
TRANSACTIONS = 3
TARGET = 300
PLACES = ("disk", "memory", "postgresql")


class Rate(NamedTuple):
    """Operations per second, CPU milliseconds for each, and what the database alone committed per second."""

    each_second: float
    cpu: float
    bare: float


@dataclass
class Scene:
    """A cloud with containers that run."""

    folder: Path
    url: str
    cloud: Cloud
    world: World
    uuids: list[str]

    def begin(self, action: str, uuids: Sequence[str]) -> None:
        """Accept the action for each of these containers, each in a transaction of its own, as requests would."""
        for each in uuids:
            with self.cloud.database.write() as tx:
                work = self.cloud.services.work(tx, service_caller("bench"), f"req-{uuid.uuid4()}")
                row = tx.get(CONTAINER.table, uuid=each)
                assert row is not None
                work.begin(CONTAINER, row, action)

    def fill(self, objects: int) -> None:
        """Copies of one container and of its last operation, until there are so many of each."""
        with self.cloud.database.write() as tx:
            have = tx.value(sa.select(sa.func.count()).select_from(CONTAINER.table))
            row = tx.get(CONTAINER.table, uuid=self.uuids[0])
            assert row is not None
            ids = [str(uuid.uuid4()) for _ in range(objects - have)]
            key = CONTAINER.id_field
            tx.insert_many(CONTAINER.table, [_copy(row, **{key: each, "name": each}) for each in ids])
            self._give_past(self.cloud.services.work(tx, service_caller("bench")), ids)
        self.uuids += ids
        self._settle_in(ids)

    def _give_past(self, work: Work, ids: Sequence[str]) -> None:
        """To each an operation that has ended, with its steps, of a request of its own."""
        tx = work.tx
        past = tx.one(sa.select(OPERATIONS).where(OPERATIONS.c.due_at.is_(None)).order_by(OPERATIONS.c.number))
        assert past is not None
        steps = tx.find(STEPS, operation=past.id)
        theirs = {new_id(work): each for each in ids}
        new = ({"id": own, "object_id": of, "request_id": f"req-{uuid.uuid4()}"} for own, of in theirs.items())
        tx.insert_many(OPERATIONS, [_copy(past, "number", **each) for each in new])
        tx.insert_many(STEPS, [_copy(step, operation=own) for own in theirs for step in steps])

    def _settle_in(self, ids: Sequence[str]) -> None:
        """As if they had been there for long: on the fake host, for PostgreSQL's planner, which looks by itself within
        a minute, and for Python's collector, which would go through the fake host again and again."""
        found = self.world.containers[self.uuids[0]]
        for each in ids:
            self.world.containers[each] = FakeContainer(found.spec, msgspec.structs.replace(found.state, id=each))
        if not self.cloud.database.is_sqlite:
            with self.cloud.database.write() as tx:
                tx.connection.exec_driver_sql("ANALYZE")
        gc.collect()
        gc.freeze()

    def rate(self) -> Rate:
        """Over a pause and an unpause of some containers, whichever."""
        uuids, bare = random.sample(self.uuids, WORKED_ON), commits_per_second(self.folder, self.url)
        began, cpu = time.perf_counter(), time.process_time()
        for action in ("pause", "unpause"):
            self.begin(action, uuids)
            self.cloud.workers.drain()
        number = 2 * len(uuids)
        return Rate(number / (time.perf_counter() - began), (time.process_time() - cpu) / number * 1000, bare)

    def repair(self) -> float:
        """CPU seconds of a look that finds nothing to mend."""
        self.cloud.reconcilers.run_once("containers")
        began = time.process_time()
        self.cloud.reconcilers.run_once("containers")
        return time.process_time() - began


def _copy(row: Record, *without: str, **changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**row, **changed}.items() if name not in without}


@contextmanager
def scene(folder: Path, database: str) -> Iterator[Scene]:
    """The cloud, its workers running, no repair in between. database: its URL; empty: SQLite in the folder."""
    worlds = Worlds()
    image = Image(id="sha256:web", names=["web:latest"], size=3)
    worlds.container.registry.update({"web": image, "web:latest": image})
    with cloud(folder, worlds=worlds, database=database) as running:
        demo = running.demo
        wanted = {"image": "web"}
        uuids = [demo.post("/container/v1/containers?run=true", wanted, ok=202)["uuid"] for _ in range(WORKED_ON)]
        running.settle(120)
        running.cloud.reconcilers.stop()
        yield Scene(folder, database, running.cloud, worlds.container, uuids)


@contextmanager
def place(name: str) -> Iterator[Callable[[int], tuple[Path, str]]]:
    """What gives each size a folder, and the URL of a database: on disk or in memory (SQLite), or on PostgreSQL."""
    with ExitStack() as until:
        shelf = "/dev/shm" if name == "memory" else None
        top = Path(until.enter_context(tempfile.TemporaryDirectory(dir=shelf)))
        server = until.enter_context(postgres(durable=True)) if name == "postgresql" else None

        def room(objects: int) -> tuple[Path, str]:
            folder = top / str(objects)
            folder.mkdir()
            return folder, server.database(f"bench{objects}") if server else ""

        yield room


def commits_per_second(folder: Path, url: str, seconds: float = 0.5) -> float:
    """What the database alone commits there, one row at a time."""
    (folder / "bare.db").unlink(missing_ok=True)
    connection = _bare(folder, url)
    connection.execute("CREATE TABLE IF NOT EXISTS bare (number INTEGER, text VARCHAR)")
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        connection.execute("INSERT INTO bare VALUES (1, '" + "x" * 200 + "')")
        done += 1
    rate = done / (time.perf_counter() - began)
    connection.close()
    return rate


def _bare(folder: Path, url: str) -> Any:
    """A connection that commits each statement."""
    if url:
        return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for line in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
        connection.execute(line)
    return connection


def measure(name: str, sizes: Sequence[int], rounds: int) -> None:
    """The table of one place."""
    with place(name) as room, ExitStack() as until:
        staged = {objects: until.enter_context(scene(*room(objects))) for objects in sorted(sizes)}
        for objects, each in staged.items():
            each.fill(objects)
            each.rate()
        os.sync()
        turns = [{objects: each.rate() for objects, each in staged.items()} for _ in range(rounds)]
        print(f"\n{name}\n{'objects':>9}{'operations/s':>14}{'bare commits/s':>16}{'ratio':>7}", end="")
        print(f"{'CPU ms':>8}{'growth':>8}{'repair s':>10}")
        least = statistics.median(turn[min(staged)].cpu for turn in turns)
        for objects, each in staged.items():
            rate = Rate(*(statistics.median(column) for column in zip(*(turn[objects] for turn in turns), strict=True)))
            print(f"{objects:9}{rate.each_second:14.0f}{rate.bare:16.0f}", end="")
            print(f"{rate.each_second * TRANSACTIONS / rate.bare:7.2f}{rate.cpu:8.2f}{rate.cpu / least:8.2f}", end="")
            print(f"{each.repair():10.2f}", flush=True)


def main() -> None:
    """The tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", nargs="+", choices=PLACES, default=PLACES)
    parser.add_argument("--objects", type=int, nargs="+", default=[100, 100_000])
    parser.add_argument("--rounds", type=int, default=15, help="each pauses and unpauses some containers")
    asked = parser.parse_args()
    for name in asked.on:
        measure(name, asked.objects, asked.rounds)
    print(f"\nTarget: {TARGET} operations a second on disk, at every size.")


if __name__ == "__main__":
    main()
