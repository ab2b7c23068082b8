"""Operations that go well, and steps that are tried again."""

from typing import Any

import pytest

from stackyard.kernel.errors import Conflict


def test_begin_sets_the_transient_state_and_commits_the_operation_with_it(toy: Any) -> None:
    thing = toy.create_thing()
    assert toy.thing(thing).status == "Creating"
    (operation,) = toy.operations(thing)
    assert (operation.action, operation.state) == ("create", "queued")
    assert (operation.requester["user_id"], operation.request_id) == ("u-demo", "req-1")


def test_every_step_is_done_once_and_the_last_write_sets_the_stable_state(toy: Any) -> None:
    thing = toy.create_thing()
    toy.run()
    assert toy.thing(thing).status == "Ready"
    assert toy.thing(thing).reserved == "7"
    assert toy.world.parts == {(thing, "body"), (thing, "wheels")}
    assert toy.steps(thing) == [
        ("do", "reserve a number", "done", 1),
        ("do", "make the body", "done", 1),
        ("do", "make the wheels", "done", 1),
        ("do", "is created", "done", 1),
    ]
    assert [each.state for each in toy.operations(thing)] == ["done"]


def test_begin_is_refused_in_a_state_that_does_not_allow_the_action(toy: Any) -> None:
    thing = toy.create_thing()
    with pytest.raises(Conflict) as refused:
        toy.begin(thing, "start")
    assert refused.value.message == f"Cannot start thing {thing} in Creating state. It must be in state Ready."
    assert len(toy.operations(thing)) == 1


def test_threads_perform_without_waiting_for_a_poll(toy: Any) -> None:
    toy.start_server(threads=2)
    toy.workers.start()
    thing = toy.create_thing()
    toy.workers.drain(30)
    assert toy.thing(thing).status == "Ready"
