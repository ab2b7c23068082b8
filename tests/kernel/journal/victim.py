"""A small server for test_real_kills: `victim.py <folder> begin|finish <database>`. Its outside world is files in that
folder.

`begin` asks for a create and performs it; `finish` performs what is left and prints the object's row.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stackyard.kernel import migrations
from stackyard.kernel.caller import service_caller
from stackyard.kernel.database import Database, Record
from stackyard.kernel.dialect import Dialect
from stackyard.kernel.journal import Book, Workers, from_environment
from stackyard.kernel.kinds import Text
from stackyard.kernel.resource import Id, Lifecycle, Operation, Project, ReadOnly, Resource
from stackyard.kernel.room import Room
from stackyard.kernel.steps import Steps
from stackyard.kernel.work import Services, SystemClock, Work

FOLDER = Path(sys.argv[1])


def make(part: str) -> None:
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


def main() -> None:
    database = Database(sys.argv[3])
    migrations.upgrade(database, [ROOM])
    THING.table.create(database.engine, checkfirst=True)
    book = Book([ROOM])
    nothing: Any = SimpleNamespace()
    services = Services(
        database=database, journal=book, policy=nothing, clock=SystemClock(), nodes=nothing, settings=nothing, bound={},
        signal=lambda name: None,
    )
    workers = Workers(services, book, crash_hook=from_environment(os.environ))
    workers.start()
    if sys.argv[2] == "begin":
        with database.write() as tx:
            work = Work(tx=tx, caller=service_caller("test", project_id="p"), services=services)
            row = Record(id=work.new_id(), project_id="p", status="Creating")
            tx.insert(THING.table, row)
            work.begin(THING, row, "create")
    workers.drain(20)
    workers.stop()
    with database.read() as tx:
        sys.stdout.write(" ".join(row.status for row in tx.find(THING.table)))


main()
