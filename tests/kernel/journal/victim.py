"""A small server for tests of real kills: `victim.py <folder> begin|finish|watch <database> [<place>]`. Its outside
world is files in that folder.

`begin` asks for a create and performs it; `finish` performs what is left and prints the object's row; `watch` waits
until another server is at work, and then does as `finish`. VICTIM_CLOCK_AHEAD: seconds by which this machine's
clock is wrong. VICTIM_LINGERS: seconds that a part takes to make.
"""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stackyard.kernel.bulletin import Bulletin, cloud_clock
from stackyard.kernel.caller import service_caller
from stackyard.kernel.declare.dialect import Dialect
from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.declare.resource import Id, Lifecycle, Operation, Project, ReadOnly, Resource
from stackyard.kernel.declare.room import Room
from stackyard.kernel.journal import Book, Pace, Workers, from_environment
from stackyard.kernel.journal.tables import OPERATIONS, RUNNING
from stackyard.kernel.steps import Steps
from stackyard.kernel.storage import migrations
from stackyard.kernel.storage.database import Database, Record
from stackyard.kernel.work import Services, SystemClock, Work

FOLDER = Path(sys.argv[1])


def make(part: str) -> None:
    time.sleep(float(os.environ.get("VICTIM_LINGERS", "0")))
    with (FOLDER / part).open("a") as file:
        file.write("made\n")


def set_status(work: Work, thing: str, status: str) -> None:
    work.tx.update(THING.table, {"status": status}, id=thing)


def create(steps: Steps, thing: Record) -> None:
    steps.call("make the body", make, "body")
    steps.call("make the wheels", make, "wheels")
    steps.write("is created", set_status, thing.id, "Ready")


THING = Resource(
    name="thing",
    path="/things",
    fields=[Id(), Project(), ReadOnly("status", Text())],
    life=Lifecycle(stable=("Ready", "Error"), reason=None),
    operations={"create": Operation(run=create, state="Creating", failing_to="Error", within=timedelta(minutes=1))},
)
ROOM = Room(name="victims", path="/victims", services=[], dialect=Dialect(error=lambda error: {}), resources=[THING])


class WrongClock(SystemClock):
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(os.environ["VICTIM_CLOCK_AHEAD"]))


def main() -> None:
    if "VICTIM_CLOCK_AHEAD" in os.environ:
        SystemClock.now = WrongClock.now  # type: ignore[method-assign]
    database = Database(sys.argv[3])
    migrations.upgrade(database, [ROOM])
    with database.write() as tx:
        THING.table.create(tx.connection, checkfirst=True)
    bulletin = Bulletin(database)
    book = Book([ROOM], bulletin)
    nothing: Any = SimpleNamespace()
    services = Services(
        database=database, journal=book, policy=nothing, clock=cloud_clock(database), nodes=nothing, settings=nothing,
        bound={}, signal=lambda name: None,
    )  # fmt: skip
    workers = Workers(
        services, book, crash_hook=from_environment(os.environ), pace=Pace(lease=timedelta(seconds=1.5)),
        place=sys.argv[4] if len(sys.argv) > 4 else None,
    )  # fmt: skip
    while sys.argv[2] == "watch" and not at_work(database):
        time.sleep(0.02)
    bulletin.start()
    workers.start()
    if sys.argv[2] == "begin":
        with database.write() as tx:
            work = Work(tx=tx, caller=service_caller("test", project_id="p"), services=services)
            row = Record(id=work.new_id(), project_id="p", status="Creating")
            tx.insert(THING.table, row)
            work.begin(THING, row, "create")
    workers.drain(30)
    workers.stop()
    bulletin.stop()
    sys.stdout.write(" ".join(row.status for row in things(database)))


def at_work(database: Database) -> list[Record]:
    with database.read() as tx:
        return tx.find(OPERATIONS, state=RUNNING)


def things(database: Database) -> list[Record]:
    with database.read() as tx:
        return tx.find(THING.table)


main()
