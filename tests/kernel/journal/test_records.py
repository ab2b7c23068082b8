"""When steps are recorded: as late as may be, and never later than what depends on it."""

from typing import Any

from stackyard.kernel.journal.tables import OPERATIONS, STEPS
from stackyard.kernel.steps import Refused, Steps
from stackyard.kernel.storage.database import Record
from tests.commits import counted_commits


def replace(toy: Any, action: str, run: Any) -> None:
    object.__setattr__(toy.resource.operations[action], "run", run)


def test_a_call_and_the_last_write_are_recorded_with_the_end(toy: Any) -> None:
    """Three transactions: accepted, claimed, done."""
    thing = toy.ready_thing()
    with counted_commits(toy.database) as seen:
        toy.begin(thing, "start")
        assert toy.workers.run_one()
    assert len(seen) == 3
    assert [each.state for each in toy.operations(thing)] == ["done"]
    assert [name for _, name, _, _ in toy.steps(thing)] == ["turn the key", "is running"]


def test_a_call_is_recorded_before_the_next_one_is_made(toy: Any) -> None:
    thing = toy.create_thing()
    known: list[list[str]] = []
    make = toy.world.make

    def look_and_make(*what: Any) -> Any:
        known.append([name for _, name, _, _ in toy.steps(thing)])
        return make(*what)

    toy.world.make = look_and_make
    toy.run()
    assert known == [["reserve a number"], ["reserve a number", "make the body"]]


def test_a_call_without_a_write_after_it_is_recorded_too(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "polish")
    toy.run()
    assert toy.steps(thing) == [("do", "polish", "done", 1)]


def test_a_call_is_recorded_although_the_write_after_it_is_refused(toy: Any) -> None:
    thing = toy.create_thing()
    toy.faults.fail("create", "is created", Refused("no paint left"))
    toy.run()
    assert ("do", "make the wheels", "done", 1) in toy.steps(thing)
    assert toy.world.parts == set()


def test_nothing_is_run_after_the_end(toy: Any) -> None:
    after: list[str] = []

    def run(steps: Steps, thing: Record) -> None:
        steps.end("is running", toy._set, thing.id, status="Running")
        after.append("run")

    replace(toy, "start", run)
    thing = toy.ready_thing()
    toy.begin(thing, "start")
    toy.run()
    assert (toy.thing(thing).status, after) == ("Running", [])


def test_an_end_that_was_recorded_as_a_mere_step_ends_the_operation(toy: Any) -> None:
    """As servers did before there was an end: a server of theirs died between the last write and the end."""
    thing = toy.ready_thing()
    operation = toy.begin(thing, "start")
    now = toy.clock.now()
    step = Record(
        operation=operation, phase="do", name="is running", position=1, kind="write", state="done", result=None,
        tries=1, error=None, epoch=1, started_at=now, ended_at=now,
    )  # fmt: skip
    with toy.database.write() as tx:
        tx.insert(STEPS, step)
        tx.insert(STEPS, step | {"name": "turn the key", "position": 0, "kind": "call"})
        tx.update(OPERATIONS, {"epoch": 1}, id=operation)
    toy.run()
    assert [each.state for each in toy.operations(thing)] == ["done"]
    assert toy.world.calls == []
