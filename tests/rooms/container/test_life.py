"""A container's life through the API: which actions each state allows, and what they make of it."""

import pytest

from tests.rooms.container.zun import PROGRAMS, Zun

#: The ways into each state, and the actions that Zun refuses in it (zun.common.utils.VALID_STATES).
REFUSED = {
    "Created": ("stop", "pause", "unpause", "kill", "execute?command=ls", "top", "stats"),
    "Running": ("start", "unpause"),
    "Stopped": ("stop", "pause", "unpause", "kill", "execute?command=ls", "top", "stats"),
    "Paused": ("start", "stop", "reboot", "pause", "kill", "execute?command=ls", "top", "stats"),
    "Error": ("stop", "pause", "unpause", "kill", "execute?command=ls", "resize_container"),
}


def in_state(zun: Zun, status: str) -> str:
    """The id of a container in that state."""
    if status == "Error":
        uuid = zun.run(command=["no-such-program"])
    elif status == "Created":
        uuid = str(zun.create()["uuid"])
    else:
        uuid = zun.run()
    for action in {"Stopped": ["stop"], "Paused": ["pause"]}.get(status, []):
        zun.do(uuid, action)
    assert zun.status(uuid) == status
    return uuid


def test_created_then_started_then_stopped_then_deleted(demo: Zun) -> None:
    accepted = demo.create(name="one")
    assert (accepted["status"], accepted["task_state"]) == ("Creating", "image_pulling")
    uuid = accepted["uuid"]
    shown = demo.show(uuid)
    assert (shown["status"], shown["status_detail"], shown["task_state"]) == ("Created", "Created", None)
    for action, status, detail in (
        ("start", "Running", "Up"),
        ("stop", "Stopped", "Exited(137)"),
        ("start", "Running", "Up"),
    ):
        demo.do(uuid, action)
        shown = demo.show(uuid)
        assert (shown["status"], shown["task_state"]) == (status, None)
        assert shown["status_detail"].startswith(detail)
        assert demo.engine(uuid).state.status == status
    demo.delete("one")
    assert demo.status(uuid) == "gone"
    assert uuid not in demo.world.containers
    assert demo.ports(uuid) == []


def test_run_starts_it_at_once_with_its_network(demo: Zun) -> None:
    uuid = demo.run()
    shown = demo.show(uuid)
    assert shown["status"] == "Running"
    [port] = demo.ports(uuid)
    [[address]] = shown["addresses"].values()
    assert (address["addr"], address["port"]) == (port["fixed_ips"][0]["ip_address"], port["id"])
    assert (port["status"], port["device_owner"]) == ("ACTIVE", "compute:zun")
    assert demo.engine(uuid).spec.sandbox_id == uuid


def test_paused_and_resumed(demo: Zun) -> None:
    uuid = demo.run()
    demo.do(uuid, "pause")
    assert demo.show(uuid)["status_detail"].endswith("(paused)")
    demo.do(uuid, "unpause")
    assert demo.status(uuid) == "Running"


def test_restarted_from_every_state_that_allows_it(demo: Zun) -> None:
    for status in ("Created", "Running", "Stopped", "Error"):
        uuid = in_state(demo, status)
        if status == "Error":
            demo.world.programs["no-such-program",] = demo.world.programs["sleep", "forever"]
        demo.do(uuid, "reboot?timeout=1")
        assert demo.status(uuid) == "Running", f"from {status}"
    demo.world.programs.update(PROGRAMS)


@pytest.mark.parametrize("signal", ["", "?signal=SIGKILL", "?signal=kill", "?signal=9", "?signal=None"])
def test_killed(demo: Zun, signal: str) -> None:
    uuid = demo.run(restart_policy={"Name": "always"})
    demo.do(uuid, f"kill{signal}")
    assert demo.status(uuid) == "Stopped"
    demo.reconcile()
    assert demo.status(uuid) == "Stopped", "who kills a container wants no restart"


def test_a_signal_that_ends_nothing_leaves_it_running(demo: Zun) -> None:
    uuid = demo.run()
    demo.do(uuid, "kill?signal=SIGHUP")
    assert demo.status(uuid) == "Running"
    demo.do(uuid, "kill?signal=SIGNONSENSE", 400)


@pytest.mark.parametrize("status", sorted(REFUSED))
def test_a_state_refuses_what_it_does_not_allow(demo: Zun, status: str) -> None:
    uuid = in_state(demo, status)
    for action in REFUSED[status]:
        if action != "resize_container":
            said = demo.do(uuid, action, 409)["errors"][0]["detail"]
            assert status in said, action
    assert demo.status(uuid) == status


def test_plain_delete_is_refused_while_it_runs(demo: Zun) -> None:
    uuid = demo.run()
    demo.delete(uuid, "", 409)
    assert demo.show(uuid)["task_state"] is None
    demo.do(uuid, "pause")
    demo.delete(uuid, "?stop=true", 409)
    demo.do(uuid, "unpause")
    demo.delete(uuid, "?stop=true")
    assert demo.status(uuid) == "gone"


@pytest.mark.parametrize("status", sorted(REFUSED))
def test_delete_by_force_is_the_administrators_from_any_state(demo: Zun, admin: Zun, status: str) -> None:
    uuid = in_state(demo, status)
    demo.delete(uuid, "?force=true", 403)
    assert demo.status(uuid) == status
    admin.delete(uuid, "?force=true")
    assert demo.status(uuid) == "gone"


def test_a_delete_overtakes_a_create_in_its_pull(demo: Zun, admin: Zun) -> None:
    demo.world.delay("pull_image", 0.3)
    try:
        uuid = demo("POST", "/containers?run=true", {"image": "db"}).json()["uuid"]
        assert admin("DELETE", f"/containers/{uuid}?force=true").status_code == 204
        demo.cloud.settle()
    finally:
        demo.world.delay("pull_image", 0)
    assert demo.status(uuid) == "gone"
    assert uuid not in demo.world.containers
    assert demo.ports(uuid) == []


def test_a_container_that_cannot_start_tells_why(demo: Zun) -> None:
    shown = demo.show(demo.run(command=["no-such-program"]))
    assert shown["status"] == "Error"
    assert "executable file not found" in shown["status_reason"]
    assert (demo.world.containers, demo.world.sandboxes) == ({}, {}), "what was made of it is taken back"


def test_limits_and_name_are_changed(demo: Zun) -> None:
    uuid = demo.run(cpu=1, memory="128")
    changed = demo("PATCH", f"/containers/{uuid}", {"name": "other", "memory": "256", "cpu": 2})
    assert (changed.status_code, changed.json()["memory"], changed.json()["cpu"]) == (200, "256", 2)
    demo.cloud.settle()
    shown = demo.show(uuid)
    assert (shown["name"], shown["memory"], shown["cpu"]) == ("other", "256", 2.0)
    assert demo("POST", f"/containers/{uuid}/resize_container", {"memory": 300}).status_code == 202
    demo.cloud.settle()
    assert demo.show(uuid)["memory"] == "300"
    assert demo("PATCH", f"/containers/{uuid}", {"cpu": 0}).status_code == 400
    assert demo("POST", f"/containers/{uuid}/resize_container", {}).status_code == 400
    assert demo("PATCH", f"/containers/{uuid}", {"memory": None}).status_code == 200
    assert demo.show(uuid)["memory"] == "300"


def test_limits_are_not_changed_where_the_engine_refuses(demo: Zun) -> None:
    uuid = in_state(demo, "Error")
    assert demo("PATCH", f"/containers/{uuid}", {"memory": "256"}).status_code == 409


def test_what_was_asked_of_a_container_is_listed(demo: Zun) -> None:
    uuid = demo.run()
    request = demo("POST", f"/containers/{uuid}/stop?timeout=1").headers["x-openstack-request-id"]
    demo.cloud.settle()
    listed = demo.do(uuid, "container_actions", 200)["containerActions"]
    assert [each["action"] for each in listed] == ["stop", "create"]
    assert listed[0]["request_id"] == request
    assert listed[0]["finish_time"] > listed[0]["start_time"]
    shown = demo("GET", f"/containers/{uuid}/container_actions/{request}").json()
    assert (shown["action"], shown["message"]) == ("stop", None)
    assert [(each["event"], each["result"]) for each in shown["events"]] == [
        ("stop it", "Success"),
        ("is stopped", "Success"),
    ]
    assert demo("GET", f"/containers/{uuid}/container_actions/req-unknown").status_code == 404


def test_a_failed_action_tells_its_reason(demo: Zun) -> None:
    uuid = demo.run(command=["no-such-program"])
    [action] = demo.do(uuid, "container_actions", 200)["containerActions"]
    assert "executable file not found" in action["message"]
