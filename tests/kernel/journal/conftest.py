"""A toy room: things with two parts each in an outside world, and every kind of step."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.dialect import Dialect
from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.declare.resource import (
    Id,
    Internal,
    Lifecycle,
    Name,
    Operation,
    Project,
    ReadOnly,
    Resource,
    Timestamps,
)
from stackyard.kernel.declare.room import Room
from stackyard.kernel.journal import TABLES, Book, Pace, Workers
from stackyard.kernel.nodes import CURRENT_CALL
from stackyard.kernel.steps import Steps
from stackyard.kernel.storage.database import Database, Record
from stackyard.kernel.work import Services, Work
from stackyard.testing.faults import Faults, ServerDied

DEMO = Caller(user_id="u-demo", user_name="demo", project_id="p-demo", project_name="demo", roles=("member",))


class World:
    """What the toy's drivers have made outside; it outlives every server."""

    def __init__(self) -> None:
        self.parts: set[tuple[str, str]] = set()
        self.calls: list[tuple[str, str, int]] = []

    def make(self, thing: str, part: str) -> str:
        self._called("make", part)
        self.parts.add((thing, part))
        return f"{part} of {thing}"

    def remove(self, thing: str, part: str) -> None:
        self._called("remove", part)
        self.parts.discard((thing, part))

    def _called(self, verb: str, part: str) -> None:
        current = CURRENT_CALL.get()
        assert current is not None, "a driver call knows its operation, step and epoch"
        self.calls.append((verb, part, current.epoch))


class TickingClock:
    """A clock that only moves when told, and by a microsecond with every look."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
        self._ids = itertools.count(1)

    def now(self) -> datetime:
        self.moment += timedelta(microseconds=1)
        return self.moment

    def new_id(self) -> str:
        return f"00000000-0000-0000-0000-{next(self._ids):012}"

    def skip(self, **how_long: float) -> None:
        self.moment += timedelta(**how_long)


class Toy:
    """The room, its world, and the servers that come and go on one database file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.world = World()
        self.clock: Any = TickingClock()
        self.faults = Faults()
        self.pace = Pace(jitter=lambda: 0.0)
        self.resource = self._resource()
        self.room = Room(
            name="toys", path="/toys", services=[], dialect=Dialect(error=lambda error: {}), resources=[self.resource]
        )
        self.database = Database(f"sqlite:///{path}")
        for table in (*TABLES, self.resource.table):
            table.create(self.database.engine)
        self.workers: Workers
        self.start_server()

    # ------------------------------------------------------------------------------------------------ the declaration

    def _resource(self) -> Resource:
        return Resource(
            name="thing",
            path="/things",
            fields=[
                Id(), Project(), Name(), Timestamps(null_updated=True),
                ReadOnly("status", Text()),
                ReadOnly("status_reason", Text(max=None), null=True, default=None),
                Internal("reserved", Text()),
            ],
            life=Lifecycle(
                stable=("Ready", "Running", "Error"),
                allows={
                    "start": ("Ready",),
                    "delete": ("Ready", "Running", "Error", "Creating", "Starting", "Checking"),
                },
            ),
            operations={
                "create": Operation(run=self.create, state="Creating", failing_to="Error", within=timedelta(minutes=5)),
                "start": Operation(run=self.start, state="Starting", within=timedelta(minutes=1)),
                "check": Operation(run=self.check, state="Checking"),
                "polish": Operation(run=self.polish),
                "delete": Operation(run=self.delete, state="Deleting", failing_to="Error", overtakes=True),
                "adopt": Operation(run=self.adopt, within=timedelta(minutes=2)),
            },
        )

    def create(self, steps: Steps, thing: Record) -> None:
        steps.undo("release the number", steps.writing(self._set, thing.id, reserved=None))
        steps.write("reserve a number", self._set, thing.id, reserved="7")
        steps.undo("remove the body", self.world.remove, thing.id, "body")
        body = steps.call("make the body", self.world.make, thing.id, "body")
        steps.undo("remove the wheels", self.world.remove, thing.id, "wheels")
        steps.call("make the wheels", self.world.make, thing.id, "wheels")
        assert body == f"body of {thing.id}"
        steps.end("is created", self._set, thing.id, status="Ready")

    def start(self, steps: Steps, thing: Record) -> None:
        steps.call("turn the key", self.world.make, thing.id, "spark")
        steps.end("is running", self._set, thing.id, status="Running")

    def check(self, steps: Steps, thing: Record) -> None:
        steps.call("look", self.world.make, thing.id, "look")
        steps.write("is checked", self._set, thing.id, status=steps.inputs.get("status", "Ready"))

    def polish(self, steps: Steps, thing: Record) -> None:
        steps.call("polish", self.world.make, thing.id, "shine")

    def delete(self, steps: Steps, thing: Record) -> None:
        for part in ("wheels", "body", "spark", "look", "shine"):
            steps.call(f"remove the {part}", self.world.remove, thing.id, part)
        steps.end("is gone", self._gone, thing.id)

    def adopt(self, steps: Steps, thing: Record) -> None:
        child = steps.write("begin the child", self._begin_child, thing.id, steps.operation_id, steps.inputs["child"])
        steps.wait("the child has ended", child)
        steps.write("is adopted", self._set, thing.id, name="parent")

    def _begin_child(self, work: Work, parent: str, operation: str, action: str) -> str:
        child = self.insert(work, name=f"child of {parent}")
        return work.begin(self.resource, child, action, parent=operation)

    def _set(self, work: Work, thing: str, **values: Any) -> None:
        work.tx.update(self.resource.table, values, id=thing)

    def _gone(self, work: Work, thing: str) -> None:
        work.tx.delete(self.resource.table, id=thing)

    def insert(self, work: Work, name: str = "", status: str = "Creating") -> Record:
        row = Record(
            id=work.new_id(), project_id="p-demo", name=name, status=status, status_reason=None, reserved=None,
            created_at=work.now, updated_at=None,
        )
        work.tx.insert(self.resource.table, row)
        return row

    # ------------------------------------------------------------------------------------------------------- servers

    def server(self, **how: Any) -> Workers:
        """One more server on the same database; `start_server` replaces the last one instead."""
        book = Book([self.room])
        self.services = Services(
            database=self.database, journal=book, policy=None, clock=self.clock,  # type: ignore[arg-type]
            nodes=None, settings=SimpleNamespace(), bound={}, signal=lambda name: None,  # type: ignore[arg-type]
        )
        self.book = book
        return Workers(self.services, book, crash_hook=self.faults, **({"threads": 0, "pace": self.pace} | how))

    def start_server(self, **how: Any) -> None:
        self.workers = self.server(**how)
        self.workers.recover()

    def restart(self) -> None:
        """The server is dead; its successor opens the same file."""
        self.database.close()
        self.database = Database(f"sqlite:///{self.path}")
        self.start_server()

    def run(self, limit: int = 400) -> None:
        """Run everything to its end in this thread: restart whenever the server dies, skip every pause."""
        for _ in range(limit):
            try:
                if self.workers.run_one():
                    continue
            except ServerDied:
                self.restart()
                continue
            due = self.next_due()
            if due is None:
                return
            self.clock.moment = due
        raise AssertionError("the journal does not come to rest")

    def next_due(self) -> datetime | None:
        """When something gets due; what is due already is queued behind something that is not."""
        now = self.clock.now()
        return min((each.due_at for each in self.operations(live=True) if each.due_at > now), default=None)

    # -------------------------------------------------------------------------------------------------------- asking

    def work(self, change: Callable[[Work], Any], caller: Caller = DEMO) -> Any:
        with self.database.write() as tx:
            return change(Work(tx=tx, caller=caller, services=self.services, request_id="req-1"))

    def begin(self, thing: str, action: str, **inputs: Any) -> str:
        return self.work(lambda work: work.begin(self.resource, self._row(work, thing), action, inputs))

    def _row(self, work: Work, thing: str) -> Record:
        row = work.tx.get(self.resource.table, id=thing)
        assert row is not None
        return row

    def create_thing(self) -> str:
        def change(work: Work) -> str:
            row = self.insert(work)
            work.begin(self.resource, row, "create")
            return row.id

        return self.work(change)

    def ready_thing(self) -> str:
        return self.work(lambda work: self.insert(work, status="Ready").id)

    def thing(self, thing: str) -> Record | None:
        with self.database.read() as tx:
            return tx.get(self.resource.table, id=thing)

    def operations(self, thing: str | None = None, live: bool = False) -> list[Record]:
        with self.database.read() as tx:
            rows = tx.find(TABLES[0], **({"object_id": thing} if thing else {}))
        rows.sort(key=lambda row: row.number)
        return [row for row in rows if not live or row.due_at is not None]

    def steps(self, thing: str) -> list[tuple[str, str, str, int]]:
        with self.database.read() as tx:
            return [
                (step.phase, step.name, step.state, step.tries)
                for operation in tx.find(TABLES[0], object_id=thing)
                for step in sorted(tx.find(TABLES[1], operation=operation.id), key=lambda each: each.position)
            ]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    made = Toy(tmp_path / "cloud.db")
    yield made
    made.workers.stop(5)
    made.database.close()


@pytest.fixture(scope="session")
def toy_class() -> type[Toy]:
    """For tests that make many toys themselves."""
    return Toy
