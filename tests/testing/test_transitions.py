"""Scripted transitions: operations go on when a test says so, and fail when it says so."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from stackyard.testing.cloud import Persona, RunningCloud
from stackyard.testing.transitions import Transitions

NEWEST = {"OpenStack-API-Version": "container 1.40"}


@pytest.fixture(scope="module")
def demo(running: RunningCloud) -> Persona:
    return running.seeded("stackyard", **NEWEST)


class Container:
    """One of demo's, and what the API says of it."""

    def __init__(self, demo: Persona, query: str = "") -> None:
        self.demo = demo
        self.uuid = demo.post(f"/container/v1/containers{query}", {"image": "web"}, ok=202)["uuid"]

    @property
    def now(self) -> dict[str, Any]:
        found: dict[str, Any] = self.demo.get(f"/container/v1/containers/{self.uuid}")
        return found

    def ask(self, action: str, ok: int = 202) -> None:
        self.demo("POST", f"/container/v1/containers/{self.uuid}/{action}", ok=ok)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "not so after 30 s"
        time.sleep(0.005)


def test_held_it_goes_on_step_by_step(running: RunningCloud, demo: Persona, script: Transitions) -> None:
    held = script.hold("container", "create")
    container = Container(demo)
    assert held.release() == "choose a host"
    assert held.release() == "get the image"
    assert held.wait() == "has its image"
    assert container.now["status"] == "Creating"
    assert container.now["task_state"] == "image_pulling"
    held.let_go()
    running.settle()
    assert container.now["status"] == "Created"


def test_delayed_by_polls_it_is_under_way_as_often_as_it_is_shown(demo: Persona, script: Transitions) -> None:
    script.delay("container", "create", polls=3)
    container = Container(demo)
    script.wait()
    assert [container.now["status"] for _ in range(3)] == ["Creating"] * 3
    until(lambda: container.now["status"] == "Created")


def test_delayed_by_seconds_it_is_under_way_until_then(demo: Persona, script: Transitions) -> None:
    script.delay("container", "create", seconds=0.3)
    began = time.monotonic()
    container = Container(demo)
    until(lambda: container.now["status"] == "Created")
    assert time.monotonic() - began >= 0.3


def test_failing_it_tells_the_reason_and_is_undone(running: RunningCloud, demo: Persona, script: Transitions) -> None:
    script.fail("container", "pause", "The engine is out of ice.")
    container = Container(demo, "?run=true")
    running.settle()
    container.ask("pause")
    running.settle()
    assert (container.now["status"], container.now["task_state"]) == ("Running", None)
    assert "out of ice" in container.now["status_reason"]
    script.instant("container", "pause")
    container.ask("pause")
    running.settle()
    assert container.now["status"] == "Paused"


def test_a_delete_overtakes_what_is_held(running: RunningCloud, demo: Persona, script: Transitions) -> None:
    held = script.hold("container", "create")
    container = Container(demo)
    held.wait()
    admin = running.seeded("stackyard-admin", **NEWEST)
    admin("DELETE", f"/container/v1/containers/{container.uuid}?force=true", ok=204)
    running.settle()
    demo("GET", f"/container/v1/containers/{container.uuid}", ok=404)


def test_what_is_held_when_the_server_ends_is_held_again_at_its_next_start(
    running: RunningCloud, demo: Persona, script: Transitions
) -> None:
    held = script.hold("container", "create")
    container = Container(demo)
    assert held.release() == "choose a host"
    assert held.wait() == "get the image"
    running.restart()
    assert held.wait() == "get the image"
    held.let_go()
    running.settle()
    assert container.now["status"] == "Created"


def test_an_action_that_there_is_not_is_refused_with_those_that_there_are(script: Transitions) -> None:
    with pytest.raises(ValueError, match=r"no 'container' has an action 'freeze'; .*container pause"):
        script.delay("container", "freeze", seconds=1)


def test_without_threads_nothing_can_wait_for_the_test() -> None:
    with pytest.raises(ValueError, match="without threads"):
        Transitions(threads=0).hold("container", "create")


def test_nobody_waits_for_ever_for_an_operation(script: Transitions) -> None:
    with pytest.raises(TimeoutError, match="nothing waits"):
        script.hold("container", "stop").wait(0.01)
