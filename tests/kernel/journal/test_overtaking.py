"""Operations of one object run one at a time, in order; a delete overtakes them all."""

from typing import Any

import pytest

from stackyard.kernel.errors import Conflict
from stackyard.kernel.journal.crash import MOMENTS
from stackyard.kernel.steps import Cancelled, Refused, Transient

CREATE = ("reserve a number", "make the body", "make the wheels", "is created")


# Inside a write step nothing can begin: it is one transaction.
PLACES = [(step, moment) for step in CREATE for moment in MOMENTS if "make" in step or moment != "after_effect"]
# The last call is recorded with the last write, and the operation ends with it.
AT_ITS_END = [("make the wheels", "after_record"), ("is created", "after_record")]


@pytest.mark.parametrize(("step", "moment"), PLACES)
def test_delete_overtakes_create_at_any_step_and_cleans_everything(toy: Any, step: str, moment: str) -> None:
    thing = toy.create_thing()
    toy.faults.do("create", step, moment, lambda: toy.begin(thing, "delete"))
    toy.run()
    assert not toy.faults.pending
    assert toy.thing(thing) is None
    assert toy.world.parts == set()
    create, delete = toy.operations(thing)
    assert (create.state, delete.state) == ("done" if (step, moment) in AT_ITS_END else "cancelled", "done")
    assert not [name for phase, name, _, _ in toy.steps(thing) if phase == "undo"], "delete cleans; nothing is undone"


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", ["make the wheels", "remove the wheels"])
def test_a_server_that_dies_after_delete_overtook_goes_on_with_the_delete(toy: Any, step: str, moment: str) -> None:
    thing = toy.create_thing()
    toy.faults.do("create", "make the body", "before", lambda: toy.begin(thing, "delete"))
    toy.faults.crash("create", "make the body", "after_effect")
    toy.faults.crash("delete", "remove the wheels", moment)
    toy.run()
    assert toy.thing(thing) is None
    assert toy.world.parts == set()


def test_delete_interrupts_the_call_in_flight(toy: Any) -> None:
    interrupted = []
    toy.book.on_interrupt(interrupted.append)
    thing = toy.create_thing()
    (create,) = toy.operations(thing)

    def overtaken(thing: str, part: str) -> str:
        toy.begin(thing, "delete")
        assert interrupted == [create.id]
        raise Cancelled("the link ended the call")

    toy.world.make = overtaken
    toy.run()
    assert [each.state for each in toy.operations(thing)] == ["cancelled", "done"]
    assert toy.thing(thing) is None


def test_delete_while_it_is_undone_ends_the_undoing(toy: Any) -> None:
    thing = toy.create_thing()
    toy.faults.fail("create", "is created", Refused("no paint left"))
    toy.faults.do("create", "remove the wheels", "after_record", lambda: toy.begin(thing, "delete"))
    toy.run()
    assert [each.state for each in toy.operations(thing)] == ["cancelled", "done"]
    assert ("create", "remove the body", "before") not in toy.faults.reached
    assert toy.world.parts == set()


def test_queued_operations_end_when_delete_begins(toy: Any) -> None:
    thing = toy.ready_thing()
    for _ in range(2):
        toy.begin(thing, "polish")
    toy.begin(thing, "delete")
    assert [each.state for each in toy.operations(thing)] == ["cancelled", "cancelled", "queued"]
    toy.run()
    assert toy.world.calls[0][0] == "remove"


def test_a_pausing_operation_ends_when_delete_begins(toy: Any) -> None:
    thing = toy.create_thing()
    toy.faults.fail("create", "make the body", Transient("busy"))
    assert toy.workers.run_one()
    toy.begin(thing, "delete")
    assert [each.state for each in toy.operations(thing)] == ["cancelled", "queued"]


def test_a_waiting_operation_ends_when_delete_begins(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "adopt", child="create")
    assert toy.workers.run_one()
    toy.begin(thing, "delete")
    toy.run()
    assert [each.state for each in toy.operations(thing)] == ["cancelled", "done"]


def test_a_second_delete_is_refused_where_the_life_cycle_says_so(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "delete")
    with pytest.raises(Conflict, match="Deleting"):
        toy.begin(thing, "delete")


def test_operations_of_one_object_run_in_order_one_at_a_time(toy: Any) -> None:
    thing = toy.ready_thing()
    order = []
    toy.world.make = lambda thing, part: order.append(part)
    toy.begin(thing, "polish")
    toy.begin(thing, "start")
    toy.begin(thing, "polish")
    toy.faults.fail("polish", "polish", Transient("busy"))
    assert toy.workers.run_one(), "the first polish fails and pauses"
    assert not toy.workers.run_one(), "so the others have to wait for it"
    toy.run()
    assert order == ["shine", "spark", "shine"]
    assert toy.thing(thing).status == "Running"


def test_an_operation_queued_behind_another_sets_its_state_again(toy: Any) -> None:
    thing = toy.ready_thing()
    seen = []
    toy.begin(thing, "check", status="Running")
    toy.begin(thing, "check", status="Ready")
    toy.faults.do("check", "look", "before", lambda: None)
    toy.faults.do("check", "look", "before", lambda: seen.append(toy.thing(thing).status))
    toy.run()
    assert seen == ["Checking"]
    assert toy.thing(thing).status == "Ready"


def test_an_operation_that_the_state_left_by_another_forbids_fails_with_the_reason(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "polish")
    toy.begin(thing, "start")
    toy.faults.do("polish", "polish", "before", lambda: toy.work(lambda work: toy._set(work, thing, status="Error")))
    toy.run()
    _, start = toy.operations(thing)
    assert start.state == "failed"
    assert "Cannot start thing" in start.reason
    assert toy.thing(thing).status == "Error"


def test_an_operation_whose_object_is_gone_fails_quietly(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "polish")
    toy.work(lambda work: toy._gone(work, thing))
    toy.run()
    (polish,) = toy.operations(thing)
    assert (polish.state, polish.reason) == ("failed", f"the thing {thing} is gone")
