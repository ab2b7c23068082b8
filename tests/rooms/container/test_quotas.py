"""What a project may have of containers, by number, processors, memory and disk."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.rooms.container.zun import Zun

USUAL = {"containers": 40, "cpu": 20, "memory": 51200, "disk": 100}


@pytest.fixture(autouse=True)
def own_limits_end(admin: Zun, demo: Zun) -> Iterator[None]:
    yield
    admin("DELETE", f"/quotas/{demo.person.project_id}")
    admin("PUT", "/quota_classes/default", USUAL)


def limit(admin: Zun, demo: Zun, **limits: Any) -> None:
    answer = admin("PUT", f"/quotas/{demo.person.project_id}", limits)
    assert answer.status_code == 200, answer.text


def used(zun: Zun) -> dict[str, Any]:
    shown = zun("GET", f"/quotas/{zun.person.project_id}?usages=true").json()
    return {name: each["in_use"] for name, each in shown.items()}


def test_a_project_sees_its_limits_and_what_it_uses(demo: Zun) -> None:
    assert demo("GET", "/quotas").json() == USUAL
    assert demo("GET", f"/quotas/{demo.person.project_id}/defaults").json() == USUAL
    demo.create(cpu=0.5, memory=64, disk=2)
    assert used(demo) == {"containers": 1, "cpu": 0.5, "memory": 64, "disk": 2}
    assert demo("GET", f"/quotas/{demo.person.project_id}?usages=true").json()["cpu"] == {"limit": 20, "in_use": 0.5}


@pytest.mark.parametrize(
    ("limits", "fits", "wanted"),
    [
        ({"containers": 1}, {}, {}),
        ({"cpu": 2}, {"cpu": 1.5}, {"cpu": 0.6}),
        ({"memory": "100"}, {"memory": 60}, {"memory": 41}),
        ({"disk": 5}, {"disk": 5}, {"disk": 1}),
    ],
)
def test_a_project_gets_no_more_than_its_quota(
    demo: Zun, admin: Zun, limits: Any, fits: dict[str, Any], wanted: dict[str, Any]
) -> None:
    limit(admin, demo, **limits)
    first = demo.create(**fits)["uuid"]
    answer = demo("POST", "/containers", {"image": "web", **wanted})
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["status"], error["code"]) == (403, 403, "container.QuotaExceeded")
    assert f"['{next(iter(limits))}']" in error["detail"]
    demo.delete(first)
    demo.create(**wanted)


def test_what_a_refused_container_would_have_had_is_not_left_behind(demo: Zun, admin: Zun) -> None:
    limit(admin, demo, containers=0)
    demo.refused(403)
    assert demo("GET", "/containers").json()["containers"] == []
    assert [each for each in demo.net("GET", "/ports")["ports"] if each["device_owner"] == "compute:zun"] == []


def test_growing_counts_too_and_a_growth_that_fails_is_given_back(demo: Zun, admin: Zun) -> None:
    limit(admin, demo, memory=300)
    uuid = demo.run(memory=200)
    assert demo("PATCH", f"/containers/{uuid}", {"memory": "301"}).status_code == 403
    assert demo("PATCH", f"/containers/{uuid}", {"memory": "300"}).status_code == 200
    demo.cloud.settle()
    assert used(demo)["memory"] == 300
    assert demo("PATCH", f"/containers/{uuid}", {"memory": "100"}).status_code == 200
    demo.cloud.settle()
    assert used(demo)["memory"] == 100
    del demo.world.containers[uuid]
    assert demo("PATCH", f"/containers/{uuid}", {"memory": "250"}).status_code == 200
    demo.cloud.settle()
    assert used(demo)["memory"] == 100


def test_many_at_once_get_no_more_than_there_is(demo: Zun, admin: Zun) -> None:
    limit(admin, demo, containers=3)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(demo, "POST", "/containers", {"image": "web"}) for _ in range(12)]
        answers = sorted(each.result().status_code for each in asked)
    demo.cloud.settle()
    assert answers == [202] * 3 + [403] * 9
    assert used(demo)["containers"] == 3


def test_the_default_class_holds_for_projects_without_limits_of_their_own(demo: Zun, admin: Zun) -> None:
    assert admin("PUT", "/quota_classes/default", {"containers": 7}).json() == {**USUAL, "containers": 7}
    assert demo("GET", "/quotas").json() == {**USUAL, "containers": 7}
    limit(admin, demo, containers=-1)
    assert demo("GET", "/quotas").json()["containers"] == -1
    demo.create()
    assert admin("DELETE", f"/quotas/{demo.person.project_id}").status_code == 204
    assert demo("GET", "/quotas").json()["containers"] == 7
    assert admin("GET", "/quota_classes/default").json()["containers"] == 7


def test_limits_are_set_by_administrators_and_seen_by_their_project(demo: Zun, admin: Zun) -> None:
    own, others = f"/quotas/{demo.person.project_id}", f"/quotas/{admin.person.project_id}"
    assert demo("PUT", own, {"containers": 9}).status_code == 403
    assert demo("DELETE", own).status_code == 403
    assert demo("GET", others).status_code == 403
    assert demo("GET", f"{others}/defaults").status_code == 403
    assert demo("GET", "/quota_classes/default").status_code == 403
    assert admin("GET", own).status_code == 200


@pytest.mark.parametrize("body", [{"boats": 1}, {"cpu": -2}, {"cpu": "many"}, {"cpu": 2**31}, {"cpu": None}, [], 7])
def test_limits_that_make_no_sense_are_refused(demo: Zun, admin: Zun, body: Any) -> None:
    assert admin("PUT", f"/quotas/{demo.person.project_id}", body).status_code == 400
