"""What happens behind the cloud's back, and what the reconcilers make of it: docs/rooms/container.md says what.

The reconcilers run when these tests say so: a cloud whose operations and repairs wait for their turn.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stackyard.rooms.container.driver import ContainerSpec, SandboxSpec, Status
from stackyard.rooms.container.drivers.fake import world
from tests.kernel.stage import Stage, stage

CONTAINERS = "/container/v1/containers"


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Stage]:
    """A cloud without threads."""
    with stage(tmp_path) as made:
        yield made


def run(yard: Stage, **wanted: Any) -> str:
    """The id of a running container."""
    uuid = str(yard.ask("POST", f"{CONTAINERS}?run=true", {"image": "web", **wanted})["uuid"])
    yard.perform()
    assert status(yard, uuid) == "Running"
    return uuid


def show(yard: Stage, uuid: str) -> dict[str, Any]:
    """The container through the API; empty when it is gone."""
    answer = yard.request("GET", f"{CONTAINERS}/{uuid}")
    return dict(answer.json()) if answer.status_code == 200 else {}


def status(yard: Stage, uuid: str) -> str:
    """Its status; "gone" when there is none."""
    return str(show(yard, uuid).get("status", "gone"))


def restarts(yard: Stage, uuid: str, code: int, seconds: float = 0) -> bool:
    """Let it end, and say whether it is running again after so much time."""
    yard.worlds.container.dies(uuid, code)
    assert yard.mismatches() != []
    yard.reconcile()
    yard.clock.pass_(seconds)
    yard.reconcile()
    assert yard.mismatches() == []
    return status(yard, uuid) == "Running"


def test_a_container_that_ended_is_stopped_with_its_exit_code(yard: Stage) -> None:
    uuid = run(yard)
    yard.worlds.container.dies(uuid, 3)
    assert [uuid in each for each in yard.mismatches()] == [True]
    yard.reconcile()
    shown = show(yard, uuid)
    assert (shown["status"], shown["status_detail"].split()[0]) == ("Stopped", "Exited(3)")
    assert yard.mismatches() == []


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("no", 1, False),
        ("always", 0, True),
        ("always", 1, True),
        ("unless-stopped", 0, True),
        ("on-failure", 0, False),
        ("on-failure", 1, True),
    ],
)
def test_a_restart_policy_is_followed(yard: Stage, policy: str, code: int, again: bool) -> None:
    uuid = run(yard, restart_policy={"Name": policy})
    assert restarts(yard, uuid, code, seconds=1) is again


def test_restarts_on_failure_are_counted(yard: Stage) -> None:
    uuid = run(yard, restart_policy={"Name": "on-failure", "MaximumRetryCount": "2"})
    assert [restarts(yard, uuid, 1, seconds=5) for _ in range(3)] == [True, True, False]
    yard.clock.pass_(600)
    yard.reconcile()
    assert status(yard, uuid) == "Stopped"


def test_each_restart_waits_longer_than_the_one_before(yard: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "now", lambda: yard.clock.now().isoformat())
    uuid = run(yard, restart_policy={"Name": "always"})
    assert restarts(yard, uuid, 1, seconds=5)
    for _ in range(6):
        restarts(yard, uuid, 1, seconds=70)
    yard.worlds.container.dies(uuid, 1)
    yard.reconcile()
    ended = yard.clock.now()
    while status(yard, uuid) != "Running":
        yard.clock.pass_(1)
        yard.reconcile()
    assert 5 < (yard.clock.now() - ended).total_seconds() < 61


def test_a_container_that_a_person_stopped_stays_stopped(yard: Stage) -> None:
    uuid = run(yard, restart_policy={"Name": "always"})
    yard.ask("POST", f"{CONTAINERS}/{uuid}/stop")
    yard.perform()
    yard.clock.pass_(600)
    yard.reconcile()
    assert status(yard, uuid) == "Stopped"


def test_a_program_that_ends_at_once_is_counted_like_any_other(yard: Stage) -> None:
    yard.worlds.container.programs["false",] = world.Program(exit_code=1)
    wanted = {"image": "web", "command": ["false"], "restart_policy": {"Name": "on-failure", "MaximumRetryCount": 2}}
    uuid = str(yard.ask("POST", f"{CONTAINERS}?run=true", wanted)["uuid"])
    for _ in range(8):
        yard.perform()
        yard.reconcile()
        yard.clock.pass_(60)
    assert yard.worlds.container.calls.count("start") == 3, "once, and two more times"
    assert status(yard, uuid) == "Stopped"


@pytest.mark.parametrize("how", ["ends by itself", "is stopped", "is removed from its engine", "ends at once"])
def test_a_container_that_asked_for_it_is_removed_when_it_ends(yard: Stage, how: str) -> None:
    yard.worlds.container.programs["true",] = world.Program(exit_code=0)
    if how == "ends at once":
        wanted = {"image": "web", "auto_remove": True, "command": ["true"]}
        uuid = str(yard.ask("POST", f"{CONTAINERS}?run=true", wanted)["uuid"])
        yard.perform()
    else:
        uuid = run(yard, auto_remove=True)
    if how == "ends by itself":
        yard.worlds.container.dies(uuid, 0)
    elif how == "is stopped":
        yard.ask("POST", f"{CONTAINERS}/{uuid}/stop")
        yard.perform()
    elif how == "is removed from its engine":
        del yard.worlds.container.containers[uuid]
    yard.reconcile()
    yard.reconcile()
    assert status(yard, uuid) == "gone"
    assert (yard.worlds.container.containers, yard.worlds.container.sandboxes) == ({}, {})
    assert yard.mismatches() == []


def test_a_container_gone_from_its_engine_is_an_error_that_a_start_mends(yard: Stage) -> None:
    uuid = run(yard)
    del yard.worlds.container.containers[uuid]
    yard.reconcile()
    shown = show(yard, uuid)
    assert shown["status"] == "Error"
    assert "gone from the engine" in shown["status_reason"]
    yard.ask("POST", f"{CONTAINERS}/{uuid}/start")
    yard.perform()
    assert (status(yard, uuid), show(yard, uuid)["status_reason"]) == ("Running", None)


def test_a_container_gone_from_its_engine_is_made_anew_when_its_policy_asks(yard: Stage) -> None:
    uuid = run(yard, restart_policy={"Name": "always"})
    address = show(yard, uuid)["addresses"]
    del yard.worlds.container.containers[uuid]
    yard.reconcile()
    assert (status(yard, uuid), show(yard, uuid)["addresses"]) == ("Running", address)


@pytest.mark.parametrize(("policy", "ends"), [("no", "Error"), ("always", "Running")])
def test_a_container_seen_while_its_engine_removes_it_is_followed_until_it_is_gone(
    yard: Stage, policy: str, ends: str
) -> None:
    uuid = run(yard, restart_policy={"Name": policy})
    kept = yard.worlds.container.containers
    kept[uuid].state = msgspec.structs.replace(kept[uuid].state, status=Status.DEAD, pid=0)
    yard.reconcile()
    assert (status(yard, uuid), yard.mismatches()) == ("Dead", [])
    del kept[uuid]
    assert yard.mismatches() != []
    yard.reconcile()
    assert (status(yard, uuid), yard.mismatches()) == (ends, [])


def test_a_container_paused_or_resumed_by_another_hand_is_written_down(yard: Stage) -> None:
    uuid = run(yard)
    driver = yard.cloud.nodes.driver("testhost", "container")
    driver.pause(uuid)
    yard.reconcile()
    assert status(yard, uuid) == "Paused"
    driver.unpause(uuid)
    yard.reconcile()
    assert status(yard, uuid) == "Running"


def test_a_lost_sandbox_is_replaced_and_the_container_restarted_in_it(yard: Stage) -> None:
    uuid = run(yard)
    before = yard.worlds.container.containers[uuid].state.started_at
    yard.worlds.network.end_namespace(yard.worlds.container.sandboxes[uuid].netns)
    yard.worlds.container.loses_sandbox(uuid)
    assert any("lost its network" in each for each in yard.mismatches())
    yard.reconcile()
    assert yard.worlds.container.sandboxes[uuid].running
    assert status(yard, uuid) == "Running"
    assert yard.worlds.container.containers[uuid].state.started_at != before
    yard.reconcile()
    assert yard.mismatches() == []


def test_a_container_that_nobody_knows_is_removed(yard: Stage) -> None:
    uuid = run(yard)
    stranger = "0" * 8 + uuid[8:]
    engine = yard.worlds.container
    driver = yard.cloud.nodes.driver("testhost", "container")
    driver.ensure_sandbox(SandboxSpec(id=stranger))
    driver.create(ContainerSpec(id=stranger, sandbox_id=stranger, image="web"))
    driver.start(stranger)
    assert [stranger in each for each in yard.mismatches()] == [True]
    yard.reconcile()
    assert (list(engine.containers), list(engine.sandboxes)) == ([uuid], [uuid])
    assert yard.mismatches() == []


def test_one_container_that_cannot_be_mended_does_not_keep_the_others_from_it(yard: Stage) -> None:
    stuck, other = "0" * 36, run(yard)
    yard.cloud.nodes.driver("testhost", "container").create(ContainerSpec(id=stuck, sandbox_id="", image="web"))
    yard.transitions.fail("container driver", "remove", "it is held by something", times=1)
    yard.worlds.container.dies(other, 0)
    report = yard.cloud.reconcilers.run_once("containers")
    assert ["held by something" in each for each in report.failed] == [True]
    assert status(yard, other) == "Stopped"
    yard.reconcile()
    assert yard.mismatches() == []


def test_after_the_host_restarted_those_run_again_that_asked_for_it(yard: Stage) -> None:
    always, never = run(yard, restart_policy={"Name": "always"}), run(yard)
    by_hand = run(yard, restart_policy={"Name": "always"})
    yard.ask("POST", f"{CONTAINERS}/{by_hand}/stop")
    yard.perform()
    yard.worlds.container.restarts_host()
    for plug in list(yard.worlds.network.clouds[yard.settings.cloud_id].plugs.values()):
        yard.worlds.network.end_namespace(plug.netns)
    yard.restart()
    yard.reconcile()
    yard.clock.pass_(5)
    yard.reconcile()
    assert [status(yard, each) for each in (always, never, by_hand)] == ["Running", "Stopped", "Stopped"]
    assert yard.worlds.container.sandboxes[always].running
    assert yard.mismatches() == []


def test_a_host_whose_engine_does_not_answer_is_told_and_nothing_is_changed(yard: Stage) -> None:
    uuid = run(yard)
    yard.worlds.container.engine_answers = False
    assert any("does not answer" in each for each in yard.mismatches())
    assert yard.cloud.reconcilers.run_once("containers").failed
    assert status(yard, uuid) == "Running"
    yard.worlds.container.engine_answers = True
    assert yard.mismatches() == []


def test_every_reconciler_finds_nothing_to_do_the_second_time(yard: Stage) -> None:
    run(yard)
    yard.reconcile()
    for name in yard.cloud.reconcilers.names():
        report = yard.cloud.reconcilers.run_once(name)
        assert (report.repaired, report.failed) == ([], []), name
