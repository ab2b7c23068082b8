"""Whatever fails, dies or overtakes at random: every object comes to rest in a stable state, nothing is left over."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackyard.kernel.journal.crash import MOMENTS
from stackyard.kernel.steps import Refused, Transient
from stackyard.testing.faults import ServerDied

STEPS = {
    "create": ("reserve a number", "make the body", "make the wheels", "is created",
               "remove the wheels", "remove the body", "release the number"),
    "start": ("turn the key", "is running"),
    "delete": ("remove the wheels", "remove the body", "remove the spark", "is gone"),
}
PLACES = [(action, step) for action, steps in STEPS.items() for step in steps]

faults = st.lists(
    st.tuples(
        st.sampled_from(PLACES), st.sampled_from(MOMENTS), st.sampled_from(["die", "transient", "refused", "odd"])
    ),
    max_size=12,
)
requests = st.lists(st.sampled_from(["start", "delete"]), max_size=3)


def happen(what: str) -> Any:
    def raise_it() -> None:
        errors = {"transient": Transient("x"), "refused": Refused("x"), "odd": KeyError("x"), "die": ServerDied("x")}
        raise errors[what]

    return raise_it


@pytest.fixture(scope="module")
def make_toy(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("toy_class")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(planned=faults, asked=requests, early=st.booleans())
def test_every_object_comes_to_rest_and_nothing_is_left_over(
    make_toy: Any, planned: Any, asked: list[str], early: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        toy = make_toy(Path(folder) / "cloud.db")
        for (action, step), moment, what in planned:
            toy.faults.do(action, step, moment, happen(what))
        thing = toy.create_thing()
        if not early:
            toy.run()
        for action in asked:
            row = toy.thing(thing)
            if row is not None and toy.resource.life.allowed(action, row.status):
                toy.begin(thing, action)
            if not early:
                toy.run()
        toy.run()
        row, operations = toy.thing(thing), toy.operations(thing)
        toy.database.close()
    assert all(each.due_at is None and each.ended_at is not None for each in operations)
    if row is None:
        assert toy.world.parts == set()
        assert "delete" in asked
    else:
        assert row.status in toy.resource.life.stable
        dead = any(each.state == "dead" for each in operations)
        made = {part for _, part in toy.world.parts}
        if operations[0].state == "done" and "delete" not in asked:
            assert {"body", "wheels"} <= made
            assert row.reserved == "7"
        elif operations[0].state == "failed" and not dead:
            assert not made & {"body", "wheels"}
            assert row.reserved is None
