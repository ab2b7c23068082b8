"""Microversions of the container API, 1.1 to 1.40: what each boundary adds, changes or takes away."""

from typing import Any

import pytest

from tests.rooms.container.zun import Zun


def test_versions_are_negotiated(demo: Zun) -> None:
    url = "/container/v1/containers"
    assert demo.person("GET", url).headers["openstack-api-version"] == "container 1.1"
    latest = demo.person("GET", url, OpenStack_API_Version="container latest")
    assert latest.headers["openstack-api-version"] == "container 1.40"
    for asked in ("container 1.41", "container 1.0", "container 2.1"):
        assert demo.person("GET", url, OpenStack_API_Version=asked).status_code == 406
    assert demo.person("GET", url, OpenStack_API_Version="container nonsense").status_code in (400, 406)


def test_the_service_says_what_it_offers(demo: Zun) -> None:
    [version] = demo.person.get("/container/")["versions"]
    assert (version["id"], version["min_version"], version["max_version"]) == ("v1", "1.1", "1.40")
    assert demo.person.get("/container/v1")["id"] == "v1"


@pytest.mark.parametrize(
    ("field", "value", "since"),
    [
        ("auto_remove", True, 3), ("hostname", "front", 9), ("healthcheck", {"cmd": "true"}, 22),
        ("exposed_ports", {"80/tcp": {}}, 24), ("cpu_policy", "shared", 28), ("entrypoint", ["/init"], 40),
    ],
)  # fmt: skip
def test_a_field_exists_from_its_version_on(demo: Zun, field: str, value: Any, since: int) -> None:
    before = demo("POST", "/containers", {"image": "web", field: value}, version=f"container 1.{since - 1}")
    assert before.status_code == 400, before.text
    made = demo.create(version=f"container 1.{since}", **{field: value})
    if field != "exposed_ports":
        assert field in demo.show(made["uuid"], f"container 1.{since}")
        assert field not in demo.show(made["uuid"], f"container 1.{since - 1}")


def test_a_command_is_a_string_before_1_20_and_a_list_from_then_on(demo: Zun) -> None:
    old, new = "container 1.19", "container 1.20"
    uuid = demo.create(version=old, command="nginx -g 'daemon off;'")["uuid"]
    assert demo.engine(uuid).spec.command == ["nginx", "-g", "daemon off;"]
    assert demo.show(uuid, old)["command"] == '"nginx" "-g" "daemon off;"'
    assert demo.show(uuid, new)["command"] == ["nginx", "-g", "daemon off;"]
    for version, command in ((old, ["ls"]), (new, "ls"), (old, "open 'quote")):
        answer = demo("POST", "/containers", {"image": "web", "command": command}, version=version)
        assert answer.status_code == 400, (version, command)


def test_interactive_means_a_terminal_until_1_36(demo: Zun) -> None:
    assert demo.show(demo.create(version="container 1.35", interactive=True)["uuid"])["tty"] is True
    assert demo.show(demo.create(version="container 1.36", interactive=True)["uuid"])["tty"] is False


def test_renaming_moved_to_update_in_1_14(demo: Zun) -> None:
    uuid = demo.create(name="first")["uuid"]
    assert demo.do(uuid, "rename?name=second", 200, version="container 1.13")["name"] == "second"
    demo.do(uuid, "rename?name=second", 409, version="container 1.13")
    demo.do(uuid, "rename?name=third", 404, version="container 1.14")


def test_security_groups_are_neutrons_from_1_15_on(demo: Zun) -> None:
    uuid = demo.run()
    group = demo.net("POST", "/security-groups", {"security_group": {"name": "more"}}, 201)["security_group"]["id"]
    demo.do(uuid, "add_security_group?name=more", version="container 1.14")
    assert group in demo.show(uuid)["security_groups"]
    assert demo.ports(uuid)[0]["security_groups"] == demo.show(uuid)["security_groups"]
    demo.do(uuid, "add_security_group?name=more", 400, version="container 1.14")
    demo.do(uuid, "remove_security_group?name=more", version="container 1.14")
    demo.do(uuid, "remove_security_group?name=more", 400, version="container 1.14")
    demo.do(uuid, "add_security_group?name=nothing", 400, version="container 1.14")
    demo.do(uuid, "add_security_group?name=more", 404, version="container 1.15")
    demo.delete(uuid)
    demo.net("DELETE", f"/security-groups/{group}", ok=204)


@pytest.mark.parametrize(
    ("action", "since"),
    [("network_detach?network=x", 6), ("network_attach?network=x", 8), ("network_list", 13), ("resize_container", 19)],
)
def test_an_action_exists_from_its_version_on(demo: Zun, action: str, since: int) -> None:
    uuid = demo.run()
    demo.do(uuid, action, 404, version=f"container 1.{since - 1}")
    answer = demo(
        "GET" if action == "network_list" else "POST", f"/containers/{uuid}/{action}", version=f"container 1.{since}"
    )
    assert answer.status_code in (200, 202, 400)


def test_stop_before_delete_is_asked_for_from_1_12_on(demo: Zun) -> None:
    uuid = demo.run()
    assert demo("DELETE", f"/containers/{uuid}?stop=true", version="container 1.11").status_code == 400
    assert demo("DELETE", f"/containers/{uuid}?stop=true", version="container 1.12").status_code == 204
    demo.cloud.settle()


@pytest.mark.parametrize("minor", range(1, 41))
def test_every_version_lists_shows_and_creates(demo: Zun, minor: int) -> None:
    version = f"container 1.{minor}"
    uuid = demo.create(version=version)["uuid"]
    assert demo.show(uuid, version)["status"] == "Created"
    assert [each["uuid"] for each in demo("GET", "/containers", version=version).json()["containers"]] == [uuid]
