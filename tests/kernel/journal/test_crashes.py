"""A server that dies anywhere: its successor takes every object where it was asked to go, and nothing is left over."""

from typing import Any

import pytest

from stackyard.kernel.journal.crash import MOMENTS
from stackyard.kernel.steps import Refused, Transient

CREATE = ("reserve a number", "make the body", "make the wheels", "is created")
DELETE = ("remove the wheels", "remove the body", "remove the spark", "remove the look", "remove the shine", "is gone")
UNDO = ("remove the wheels", "remove the body", "release the number")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", CREATE)
def test_create_survives_a_crash_at_any_step(toy: Any, step: str, moment: str) -> None:
    toy.faults.crash("create", step, moment)
    thing = toy.create_thing()
    toy.run()
    assert not toy.faults.pending
    assert toy.thing(thing).status == "Ready"
    assert toy.thing(thing).reserved == "7"
    assert toy.world.parts == {(thing, "body"), (thing, "wheels")}
    assert [(name, state) for _, name, state, _ in toy.steps(thing)] == [(name, "done") for name in CREATE]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", DELETE)
def test_delete_survives_a_crash_at_any_step(toy: Any, step: str, moment: str) -> None:
    thing = toy.create_thing()
    toy.run()
    toy.begin(thing, "delete")
    toy.faults.crash("delete", step, moment)
    toy.run()
    assert not toy.faults.pending
    assert toy.thing(thing) is None
    assert toy.world.parts == set()
    assert [each.state for each in toy.operations(thing)] == ["done", "done"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", UNDO)
def test_undoing_survives_a_crash_at_any_undo(toy: Any, step: str, moment: str) -> None:
    toy.faults.fail("create", "is created", Refused("no paint left"))
    toy.faults.crash("create", step, moment)
    thing = toy.create_thing()
    toy.run()
    assert not toy.faults.pending
    assert toy.thing(thing).status == "Error"
    assert toy.thing(thing).status_reason == "no paint left"
    assert toy.thing(thing).reserved is None
    assert toy.world.parts == set()
    assert [(phase, name, state) for phase, name, state, _ in toy.steps(thing) if phase == "undo"] == [
        ("undo", name, "done") for name in UNDO
    ]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", ["begin the child", "the child has ended", "is adopted"])
def test_a_parent_survives_a_crash_and_begins_its_child_once(toy: Any, step: str, moment: str) -> None:
    thing = toy.ready_thing()
    toy.faults.crash("adopt", step, moment)
    toy.begin(thing, "adopt", child="create")
    toy.run()
    assert not toy.faults.pending
    assert toy.thing(thing).name == "parent"
    assert sorted(each.action for each in toy.operations()) == ["adopt", "create"]
    assert {each.state for each in toy.operations()} == {"done"}


@pytest.mark.parametrize("step", CREATE)
def test_a_crash_does_not_repeat_what_is_recorded(toy: Any, step: str) -> None:
    toy.faults.crash("create", step, "after_record")
    toy.create_thing()
    toy.run()
    assert [verb_part[:2] for verb_part in toy.world.calls] == [("make", "body"), ("make", "wheels")]


def test_a_repeated_call_carries_a_higher_epoch(toy: Any) -> None:
    toy.faults.crash("create", "make the body", "after_effect")
    toy.create_thing()
    toy.run()
    assert toy.world.calls[:2] == [("make", "body", 1), ("make", "body", 2)]


@pytest.mark.parametrize("step", CREATE)
def test_a_failed_step_is_tried_again(toy: Any, step: str) -> None:
    toy.faults.fail("create", step, Transient("the engine is restarting"), times=3)
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status == "Ready"
    assert ("do", step, "done", 4) in toy.steps(thing)


@pytest.mark.parametrize("step", CREATE)
def test_a_step_that_failed_after_its_effect_is_repeated(toy: Any, step: str) -> None:
    toy.faults.fail("create", step, Transient("the answer was lost"), moment="after_effect")
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status == "Ready"
    assert toy.world.parts == {(thing, "body"), (thing, "wheels")}


@pytest.mark.parametrize("step", CREATE)
@pytest.mark.parametrize("moment", ["before", "after_effect"])
def test_a_refused_step_undoes_all_before_it_and_itself(toy: Any, step: str, moment: str) -> None:
    toy.faults.fail("create", step, Refused("the host has no room"), moment=moment)
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status == "Error"
    assert toy.thing(thing).status_reason == "the host has no room"
    assert toy.thing(thing).reserved is None
    assert toy.world.parts == set()
    assert [each.state for each in toy.operations(thing)] == ["failed"]


@pytest.mark.parametrize("step", CREATE)
def test_a_server_that_dies_in_the_same_step_for_ever_gives_up(toy: Any, step: str) -> None:
    for _ in range(30):
        toy.faults.crash("create", step, "before")
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status == "Error"
    assert "death of the server" in toy.thing(thing).status_reason
    assert toy.world.parts == set()


def test_a_server_that_dies_in_the_same_undo_for_ever_leaves_a_dead_letter(toy: Any) -> None:
    toy.faults.fail("create", "is created", Refused("no paint left"))
    for _ in range(30):
        toy.faults.crash("create", "remove the body", "before")
    thing = toy.create_thing()
    toy.run()
    (operation,) = toy.operations(thing)
    assert operation.state == "dead"
    assert "'remove the body' could not be undone" in toy.thing(thing).status_reason
