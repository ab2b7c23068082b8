"""An operation that waits for another holds no thread, and goes on when the other one ends."""

from datetime import timedelta
from typing import Any

from stackyard.kernel.steps import Refused, Transient


def test_the_parent_waits_without_a_thread_and_the_childs_end_wakes_it(toy: Any) -> None:
    thing = toy.ready_thing()
    parent = toy.begin(thing, "adopt", child="create")
    assert toy.workers.run_one()
    waiting, child = toy.operations()
    assert (waiting.state, waiting.waits_for, waiting.server) == ("waiting", child.id, None)
    assert child.parent == parent
    assert toy.workers.run_one()
    assert [each.state for each in toy.operations()] == ["queued", "done"]
    toy.run()
    assert toy.thing(thing).name == "parent"


def test_a_child_that_fails_fails_its_parent_with_its_reason(toy: Any) -> None:
    toy.faults.fail("create", "make the body", Refused("no steel"))
    thing = toy.ready_thing()
    toy.begin(thing, "adopt", child="create")
    toy.run()
    parent, child = toy.operations()
    assert (parent.state, child.state) == ("failed", "failed")
    assert parent.reason == f"create of thing {child.object_id} failed: no steel"


def test_a_child_that_ended_before_the_parent_looks_is_not_waited_for(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "adopt", child="create")
    toy.faults.do("adopt", "begin the child", "after_record", toy.server().run_one)
    assert toy.workers.run_one()
    parent, child = toy.operations()
    assert (parent.state, child.state) == ("done", "done")


def test_a_child_has_no_more_time_than_its_parent(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "adopt", child="create")
    toy.workers.run_one()
    parent, child = toy.operations()
    assert child.deadline == parent.deadline
    assert parent.deadline - parent.begun_at < timedelta(minutes=3)


def test_a_parent_whose_deadline_passes_while_it_waits_is_given_up(toy: Any) -> None:
    toy.faults.fail("create", "make the body", Transient("busy"), times=99)
    thing = toy.ready_thing()
    toy.begin(thing, "adopt", child="create")
    toy.run()
    parent, child = toy.operations()
    assert (parent.state, child.state) == ("failed", "failed")
    assert "within 120 s" in parent.reason


def test_a_child_acts_for_the_one_who_asked_for_its_parent(toy: Any) -> None:
    thing = toy.ready_thing()
    toy.begin(thing, "adopt", child="create")
    toy.run()
    parent, child = toy.operations()
    assert child.requester["user_id"] == parent.requester["user_id"] == "u-demo"
    assert child.project_id == "p-demo"
    assert child.request_id == "req-1"
