"""The operator's views: hosts, services, images pulled ahead of use."""

import pytest

from tests.rooms.container.zun import Zun


def test_a_host_shows_what_it_has_and_what_is_used(admin: Zun, demo: Zun) -> None:
    demo.run(memory=100, cpu=2)
    [listed] = admin("GET", "/hosts").json()["hosts"]
    host = admin("GET", f"/hosts/{listed['uuid']}").json()
    assert (host["hostname"], host["cpus"], host["mem_total"], host["architecture"]) == ("testhost", 8, 16384, "x86_64")
    assert (host["mem_used"], host["cpu_used"], host["total_containers"]) == (100, 2.0, 1)
    assert "enable_cpu_pinning" not in admin("GET", f"/hosts/{listed['uuid']}", version="container 1.28").json()
    assert admin("GET", "/hosts/unknown").status_code == 404
    assert demo("GET", "/hosts").status_code == 403


def test_a_container_for_which_no_host_has_room_tells_what_each_lacks(demo: Zun, admin: Zun) -> None:
    quota = f"/quotas/{demo.person.project_id}"
    assert admin("PUT", quota, {"cpu": -1, "memory": -1}).status_code == 200
    shown = demo.show(demo.run(memory=1024 * 1024))
    assert shown["status"] == "Error"
    lacks = "testhost: MEMORY_MB: needs 1048576, 24576 of 24576 are free, 1024000 too few"
    assert lacks in shown["status_reason"]
    shown = demo.show(demo.run(cpu=1000, memory=64 * 1024))
    assert "VCPU: needs 1000, 128 of 128 are free, 872 too few, MEMORY_MB: needs 65536" in shown["status_reason"]
    assert admin("DELETE", quota).status_code == 204


def test_a_service_switched_off_gets_no_containers(admin: Zun, demo: Zun) -> None:
    query = "?binary=zun-compute&host=testhost"
    [service] = admin("GET", "/services").json()["services"]
    assert (service["host"], service["binary"], service["state"], service["disabled"]) == (
        "testhost",
        "zun-compute",
        "up",
        False,
    )
    answer = admin("PUT", f"/services/disable{query}&disabled_reason=repair")
    assert answer.json()["service"]["disabled_reason"] == "repair"
    try:
        shown = demo.show(demo.run())
        assert (shown["status"], "disabled: repair" in shown["status_reason"]) == ("Error", True)
    finally:
        assert admin("PUT", f"/services/enable{query}").status_code == 200
    assert admin("PUT", f"/services/force_down{query}&forced_down=true").status_code == 200
    assert admin("GET", "/services").json()["services"][0]["state"] == "down"
    assert admin("PUT", f"/services/force_down{query}&forced_down=false").status_code == 200
    assert demo.status(demo.run()) == "Running"
    assert admin("PUT", "/services/disable?binary=zun-compute&host=nowhere").status_code == 404
    assert admin("PUT", "/services/disable?host=testhost").status_code == 400
    assert demo("GET", "/services").status_code == 403
    assert demo("PUT", f"/services/disable{query}").status_code == 403


def test_an_image_is_pulled_ahead_and_removed(admin: Zun, demo: Zun) -> None:
    answer = admin("POST", "/images", {"repo": "db:latest"})
    assert answer.status_code == 202, answer.text
    admin.cloud.settle()
    uuid = answer.json()["uuid"]
    shown = admin("GET", f"/images/{uuid}").json()
    assert (shown["repo"], shown["tag"], shown["image_id"], shown["host"]) == ("db", "latest", "sha256:db", "testhost")
    assert [each["uuid"] for each in admin("GET", "/images").json()["images"]] == [uuid]
    assert admin("POST", "/images", {"repo": "db"}).status_code == 409
    assert admin("POST", "/images", {"repo": "db", "host": "nowhere"}).status_code == 400
    assert admin("POST", "/images", {}).status_code == 400
    assert admin("DELETE", f"/images/{uuid}").status_code == 204
    admin.cloud.settle()
    assert admin("GET", f"/images/{uuid}").status_code == 404
    assert demo("POST", "/images", {"repo": "db"}).status_code == 403


@pytest.mark.parametrize("path", ["/capsules", "/registries", "/networks"])
def test_what_is_not_offered_yet_says_so(demo: Zun, path: str) -> None:
    assert demo("GET", path).status_code == 501


def test_availability_zones(demo: Zun) -> None:
    assert demo("GET", "/availability_zones").json() == {"availability_zones": [{"availability_zone": "nova"}]}
