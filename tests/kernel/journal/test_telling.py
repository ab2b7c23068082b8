"""What the journal tells people: timelines, the story behind an id, what the auditor finds, what is forgotten."""

import re
from datetime import timedelta
from typing import Any

import pytest

from stackyard.kernel.errors import NotFound
from stackyard.kernel.journal import Story, auditing, pruning, timeline, why
from stackyard.kernel.steps import Refused, Transient


def lines(toy: Any, thing: str) -> list[tuple[str, str]]:
    with toy.database.read() as tx:
        return [(line.kind, line.text) for line in timeline(tx, thing)]


def stories(toy: Any, asked: str) -> list[Story]:
    with toy.database.read() as tx:
        return why(tx, toy.book, asked)


def test_a_timeline_tells_who_asked_each_step_each_failure_and_the_end(toy: Any) -> None:
    toy.faults.fail("create", "make the body", Transient("the engine is restarting"))
    thing = toy.create_thing()
    toy.run()
    assert lines(toy, thing) == [
        ("asked", "create was asked for"),
        ("step", "reserve a number"),
        ("failure", "step 'make the body': the engine is restarting"),
        ("step", "make the body"),
        ("step", "make the wheels"),
        ("step", "is created"),
        ("done", "create is done"),
    ]


def test_a_timeline_tells_what_was_undone_and_why(toy: Any) -> None:
    toy.faults.fail("create", "make the wheels", Refused("no rubber"))
    thing = toy.create_thing()
    toy.run()
    assert lines(toy, thing)[3:] == [
        ("failure", "given up in step 'make the wheels': no rubber"),
        ("undo", "remove the wheels"),
        ("undo", "remove the body"),
        ("undo", "release the number"),
        ("failed", "create failed: no rubber"),
    ]


def test_a_timeline_holds_what_rules_noted(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.work(lambda work: work.event(thing, "painted", "it was painted red", colour="red"))
    with toy.database.read() as tx:
        (line,) = timeline(tx, thing)
    assert (line.kind, line.text, line.details) == ("painted", "it was painted red", {"colour": "red"})
    assert line.request_id == "req-1"


def test_steps_tell_how_long_they_took_and_how_many_tries(toy: Any) -> None:
    toy.faults.fail("create", "make the body", Transient("busy"), times=2)
    toy.faults.do("create", "make the body", "after_effect", lambda: toy.clock.skip(seconds=3))
    thing = toy.create_thing()
    toy.run()
    with toy.database.read() as tx:
        (step,) = [line for line in timeline(tx, thing) if line.text == "make the body" and line.kind == "step"]
    assert step.tries == 3
    assert step.seconds == pytest.approx(3, abs=0.01)


def test_why_tells_the_story_of_an_object_in_words(toy: Any) -> None:
    toy.faults.fail("create", "make the wheels", Refused("no rubber"))
    thing = toy.create_thing()
    toy.run()
    (story,) = stories(toy, thing)
    assert (story.status, story.reason, story.exists) == ("Error", "no rubber", True)
    told = story.text().splitlines()
    assert told[:4] == [f"thing {thing}", "  is Error", "  because no rubber", ""]
    assert told[4] == "create, asked by demo in project demo, request req-1"
    assert told[5].startswith("  failed at 2026-11-23 06:00:00")
    assert told[5].endswith(": no rubber")
    assert any("✗ given up in step 'make the wheels': no rubber" in line for line in told)
    assert any("↶ remove the body" in line for line in told)


def test_why_takes_the_id_of_an_operation_and_of_a_request_too(toy: Any) -> None:
    first, second = toy.create_thing(), toy.create_thing()
    (operation,) = toy.operations(first)
    assert [story.object_id for story in stories(toy, operation.id)] == [first]
    assert [story.object_id for story in stories(toy, "req-1")] == [first, second]


def test_why_tells_what_a_waiting_operation_waits_for(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "adopt", child="create")
    toy.workers.run_one()
    _, child = toy.operations()
    (story,) = stories(toy, thing)
    assert story.operations[0].standing.startswith(f"waits for create of thing {child.object_id}, until ")


def test_why_tells_what_a_pausing_operation_failed_with(toy: Any) -> None:
    toy.faults.fail("create", "make the body", Transient("busy"))
    thing = toy.create_thing()
    toy.workers.run_one()
    toy.begin(thing, "polish")
    (story,) = stories(toy, thing)
    assert story.operations[0].standing.endswith("; 'make the body' failed 1 times, last: busy")
    assert story.operations[1].standing == "queued behind create"


def test_why_tells_of_a_dead_letter_and_what_to_do(toy: Any) -> None:
    toy.faults.fail("create", "is created", Refused("no paint left"))
    toy.faults.fail("create", "remove the body", Refused("welded on"), times=9)
    thing = toy.create_thing()
    toy.run()
    (story,) = stories(toy, thing)
    assert story.operations[0].standing.startswith("dead letter since ")
    assert "'remove the body' could not be undone: welded on; delete the object" in story.operations[0].standing


def test_why_tells_the_story_of_an_object_that_is_gone(toy: Any) -> None:
    thing = toy.create_thing()
    toy.run()
    toy.begin(thing, "delete")
    toy.run()
    (story,) = stories(toy, thing)
    assert not story.exists
    assert story.text().splitlines()[1] == "  is gone"
    assert [each.action for each in story.operations] == ["create", "delete"]


def test_why_of_an_unknown_id_is_not_found(toy: Any) -> None:
    with pytest.raises(NotFound, match="knows nothing of 42"):
        stories(toy, "42")


def test_why_tells_what_an_operation_began_and_what_that_was_begun_by(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.faults.fail("create", "make the wheels", Refused("no rubber"))
    toy.begin(thing, "adopt", child="create")
    toy.run()
    adopt, create = toy.operations()
    (story,) = stories(toy, thing)
    (child,) = story.operations[0].children
    assert (child.operation, child.state, child.reason) == (create.id, "failed", "no rubber")
    assert f"  it began create of thing {create.object_id}, which is failed: no rubber" in story.text()
    assert "    ✗ given up in step 'make the wheels': no rubber" in re.sub(r"\d{4}-\S+ \S+  ", "", story.text())
    (below,) = stories(toy, create.object_id)
    assert [each.operation for each in below.operations[0].causes] == [adopt.id]
    assert f"  begun by adopt of thing {thing}, which is failed; asked by demo, request req-" in below.text()


def test_why_tells_which_request_overtook_an_operation(toy: Any) -> None:
    thing = toy.create_thing()
    toy.begin(thing, "delete")
    toy.run()
    (story,) = stories(toy, thing)
    create, delete = story.operations
    assert create.overtaken_by is not None
    assert (create.overtaken_by.operation, create.overtaken_by.request_id) == (delete.id, delete.request_id)
    assert f"  overtaken by delete of thing {thing}, which is done; asked by demo" in story.text()


def test_the_auditor_finds_nothing_while_operations_are_live(toy: Any) -> None:
    toy.create_thing()
    assert auditing(toy.book).check(toy.services) == []
    toy.run()
    assert auditing(toy.book).check(toy.services) == []


def test_the_auditor_reports_an_object_that_nothing_will_finish_and_gives_it_its_failure_state(toy: Any) -> None:
    thing = toy.work(lambda work: toy.insert(work, status="Creating").id)
    auditor = auditing(toy.book)
    (found,) = auditor.check(toy.services)
    assert found.object_id == thing
    assert found.text == f"thing {thing} is Creating and no operation is at work on it"
    report = auditor.run(toy.services)
    assert report.repaired == [f"{found.text}; it is Error now"]
    assert toy.thing(thing).status == "Error"
    assert "no operation was at work on it" in toy.thing(thing).status_reason
    assert auditor.run(toy.services).repaired == []
    assert lines(toy, thing) == [("audit", f"{found.text}; it is Error now")]


def test_an_operation_that_forgets_to_set_the_stable_state_is_found(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "check", status="Checking")
    toy.run()
    assert toy.thing(thing).status == "Checking"
    auditing(toy.book).run(toy.services)
    assert toy.thing(thing).status == "Ready"


def test_what_ended_long_ago_is_forgotten_and_nothing_else(toy: Any) -> None:
    old = toy.create_thing()
    toy.run()
    toy.clock.skip(days=31)
    new, live = toy.create_thing(), toy.ready_thing()
    toy.run()
    toy.begin(live, "polish")
    report = pruning(timedelta(days=30)).run(toy.services)
    assert report.examined == 1
    assert lines(toy, old) == []
    assert toy.steps(old) == []
    assert len(lines(toy, new)) == 6
    assert [each.state for each in toy.operations(live)] == ["queued"]
    assert pruning(timedelta(days=30)).run(toy.services).repaired == []
