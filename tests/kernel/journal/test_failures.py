"""How failures are told apart, how long they are tried, and where an operation that is given up leaves its object."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stackyard.kernel.errors import Conflict, Unavailable
from stackyard.kernel.steps import Cancelled, Refused, Steps, Transient
from stackyard.kernel.storage.database import Record


class EngineError(Exception):
    """A driver's error that says itself what it is."""

    def __init__(self, text: str, *, transient: bool) -> None:
        super().__init__(text)
        self.transient = transient


@pytest.mark.parametrize(
    "error",
    [Transient("busy"), EngineError("busy", transient=True), Unavailable("busy"), ConnectionResetError("busy"),
     Cancelled("by the driver itself")],
    ids=lambda error: type(error).__name__,
)
def test_what_may_mend_itself_is_tried_again(toy: Any, error: Exception) -> None:
    toy.faults.fail("create", "make the body", error)
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status == "Ready"


@pytest.mark.parametrize(
    "error", [Refused("broken"), EngineError("broken", transient=False), Conflict("broken")],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_mend_itself_is_given_up_at_once(toy: Any, error: Exception) -> None:
    toy.faults.fail("create", "make the body", error)
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status == "Error"
    assert toy.thing(thing).status_reason == "broken"


def test_an_unforeseen_error_is_given_up_after_three_tries_with_its_class_and_text(toy: Any) -> None:
    toy.faults.fail("create", "make the body", KeyError("port"), times=99)
    thing = toy.create_thing()
    toy.run()
    assert toy.faults.reached["create", "make the body", "before"] == 3
    assert toy.thing(thing).status_reason == "KeyError: 'port'"


def test_the_pauses_between_tries_double(toy: Any) -> None:
    toy.faults.fail("create", "make the body", Transient("busy"), times=4)
    toy.create_thing()
    pauses = []
    while toy.workers.run_one():
        due = toy.next_due()
        if due is None:
            break
        pauses.append((due - toy.clock.now()) / timedelta(seconds=1))
        toy.clock.moment = due
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6], abs=0.001)


def test_past_the_deadline_it_is_undone_and_the_reason_names_deadline_step_and_last_failure(toy: Any) -> None:
    toy.faults.fail("create", "make the wheels", Transient("the engine does not answer"), times=99)
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status == "Error"
    assert toy.thing(thing).status_reason == (
        "create did not end within 300 s; its deadline passed in the step 'make the wheels'; "
        "the last failure: the engine does not answer"
    )
    assert toy.world.parts == set()


def test_a_call_that_ends_past_the_deadline_is_undone_too(toy: Any) -> None:
    toy.faults.do("create", "make the body", "before", lambda: toy.clock.skip(minutes=6))
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status == "Error"
    assert "within 300 s" in toy.thing(thing).status_reason
    assert toy.world.parts == set()


def test_an_operation_that_names_no_failure_state_gives_back_the_state_before(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.faults.fail("start", "turn the key", Refused("no fuel"))
    toy.begin(thing, "start")
    assert toy.thing(thing).status == "Starting"
    toy.run()
    assert (toy.thing(thing).status, toy.thing(thing).status_reason) == ("Ready", "no fuel")


def test_an_operation_without_a_state_leaves_the_state_alone(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "polish")
    assert toy.thing(thing).status == "Ready"
    toy.faults.fail("polish", "polish", Refused("no wax"))
    toy.run()
    assert (toy.thing(thing).status, toy.thing(thing).status_reason) == ("Ready", "no wax")


def test_the_reason_of_an_earlier_failure_goes_when_a_new_operation_begins(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.faults.fail("start", "turn the key", Refused("no fuel"))
    toy.begin(thing, "start")
    toy.run()
    toy.begin(thing, "start")
    toy.run()
    assert (toy.thing(thing).status, toy.thing(thing).status_reason) == ("Running", None)


@pytest.mark.parametrize("step", ["remove the body", "release the number"])
def test_an_undo_is_tried_again(toy: Any, step: str) -> None:
    toy.faults.fail("create", "is created", Refused("no paint left"))
    toy.faults.fail("create", step, Transient("busy"), times=3)
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status_reason == "no paint left"
    assert toy.world.parts == set()
    assert ("undo", step, "done", 4) in toy.steps(thing)


@pytest.mark.parametrize(
    ("error", "tries"), [(Refused("welded on"), 1), (Transient("no answer"), 10)], ids=["refused", "transient"]
)
def test_what_cannot_be_undone_is_a_dead_letter_that_delete_cleans_up(toy: Any, error: Exception, tries: int) -> None:
    toy.faults.fail("create", "is created", Refused("no paint left"))
    toy.faults.fail("create", "remove the body", error, times=99)
    thing = toy.create_thing()
    toy.run()
    (operation,) = toy.operations(thing)
    assert operation.state == "dead"
    assert operation.reason == f"no paint left; and 'remove the body' could not be undone: {error}"
    assert toy.faults.reached["create", "remove the body", "before"] == tries
    assert (toy.thing(thing).status, toy.thing(thing).status_reason) == ("Error", operation.reason)
    assert toy.world.parts == {(thing, "body")}, "what came before the failed undo stays: it may depend on it"
    toy.begin(thing, "delete")
    toy.run()
    assert toy.world.parts == set()


def test_nothing_is_left_when_the_way_back_cannot_be_learnt_at_first(toy: Any) -> None:
    broken = iter([False, True, True, False])

    def run(steps: Steps, thing: Record) -> None:
        steps.undo("remove the body", toy.world.remove, thing.id, "body")
        steps.call("make the body", toy.world.make, thing.id, "body")
        if next(broken):
            raise Unavailable("The database does not answer.")
        steps.undo("remove the wheels", toy.world.remove, thing.id, "wheels")
        steps.call("make the wheels", toy.world.make, thing.id, "wheels")
        raise Refused("no paint left")

    object.__setattr__(toy.resource.operations["create"], "run", run)
    thing = toy.create_thing()
    toy.run()
    assert (toy.thing(thing).status, toy.thing(thing).status_reason) == ("Error", "no paint left")
    assert toy.world.parts == set()


def test_two_steps_of_one_name_are_refused(toy: Any) -> None:
    def run(steps: Steps, thing: Record) -> None:
        steps.call("make it", toy.world.make, thing.id, "body")
        steps.call("make it", toy.world.make, thing.id, "wheels")

    object.__setattr__(toy.resource.operations["create"], "run", run)
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status_reason == "ValueError: two steps of create are called 'make it'"


def test_results_are_the_same_in_the_first_run_and_in_every_replay(toy: Any) -> None:
    seen = []

    def run(steps: Steps, thing: Record) -> None:
        seen.append(steps.call("look", lambda: {"size": (1, 2), "at": datetime(2026, 11, 23, tzinfo=UTC)}))
        steps.write("is looked at", toy._set, thing.id, status="Ready")

    object.__setattr__(toy.resource.operations["create"], "run", run)
    toy.faults.fail("create", "is looked at", Transient("busy"))
    toy.create_thing()
    toy.run()
    assert seen == [{"size": [1, 2], "at": "2026-11-23T00:00:00Z"}] * 2
    assert seen[0].size == seen[1].size == [1, 2]


def test_every_replay_sees_the_record_of_the_first_run(toy: Any) -> None:
    seen = []

    def run(steps: Steps, thing: Record) -> None:
        seen.append(Record(thing))
        steps.write("rename it", toy._set, thing.id, name="other")
        steps.write("is renamed", toy._set, thing.id, status="Ready")

    object.__setattr__(toy.resource.operations["create"], "run", run)
    toy.faults.fail("create", "is renamed", Transient("busy"))
    thing = toy.create_thing()
    toy.run()
    assert seen[0] == seen[1]
    assert seen[0].created_at == toy.thing(thing).created_at
    assert toy.operations(thing)[0].record is None, "it is forgotten when the operation has ended"


def test_an_operation_acts_under_a_service_identity_bound_to_requester_and_project(toy: Any) -> None:
    callers = []

    def run(steps: Steps, thing: Record) -> None:
        steps.write("is made", lambda work: callers.append(work.caller))
        steps.write("is created", toy._set, thing.id, status="Ready")

    object.__setattr__(toy.resource.operations["create"], "run", run)
    toy.create_thing()
    toy.run()
    (caller,) = callers
    assert (caller.user_id, caller.project_id, caller.user_name) == ("u-demo", "p-demo", "stackyard-toys")
    assert "service" in caller.roles


def test_a_result_that_is_not_json_is_refused_with_a_text_that_says_so(toy: Any) -> None:
    toy.world.make = lambda thing, part: object()
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status_reason == "TypeError: a step's result must be JSON-able; object is not"
