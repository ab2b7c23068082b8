"""Who sees and does what: two tenants, a reader, an administrator, a stranger."""

import httpx
import pytest

from stackyard.testing.cloud import RunningCloud
from tests.rooms.container.zun import CONTAINERS, Zun


@pytest.fixture(scope="module")
def other(running: RunningCloud) -> Zun:
    """A member of another project, with a network of their own in the same range."""
    zun = Zun(running, running.persona("other"))
    zun.network("10.0.0.0/24")
    return zun


@pytest.fixture(scope="module")
def reader(running: RunningCloud) -> Zun:
    """Somebody who may look into project demo."""
    return Zun(running, running.persona("demo", "reader"))


def test_two_tenants_on_the_same_range_see_only_their_own(demo: Zun, other: Zun) -> None:
    mine, theirs = demo.run(name="web"), other.run(name="web")
    for zun, own, foreign in ((demo, mine, theirs), (other, theirs, mine)):
        assert [each["uuid"] for each in zun("GET", "/containers").json()["containers"]] == [own]
        assert zun.show("web")["uuid"] == own
        assert zun("GET", f"/containers/{foreign}").status_code == 404
        for method, suffix in (
            ("POST", "stop"),
            ("GET", "logs"),
            ("POST", "execute?command=ls"),
            ("GET", "network_list"),
        ):
            assert zun(method, f"/containers/{foreign}/{suffix}").status_code == 404
        assert zun("DELETE", f"/containers/{foreign}?stop=true").status_code == 404
        assert zun("PATCH", f"/containers/{foreign}", {"name": "mine"}).status_code == 404
        assert zun.status(own) == "Running"


def test_another_projects_networks_ports_and_groups_cannot_be_used(demo: Zun, other: Zun) -> None:
    foreign = other.run()
    port, network = other.ports(foreign)[0]["id"], next(iter(other.show(foreign)["addresses"]))
    group = other.ports(foreign)[0]["security_groups"][0]
    demo.refused(400, nets=[{"network": network}])
    demo.refused(400, nets=[{"port": port}])
    demo.refused(400, security_groups=[group])
    uuid = demo.run()
    demo.do(uuid, f"network_attach?network={network}", 400)
    demo.do(uuid, f"network_attach?port={port}", 400)
    assert demo("GET", f"/containers?name={foreign}").json()["containers"] == []


def test_a_reader_looks_and_touches_nothing(demo: Zun, reader: Zun) -> None:
    uuid = demo.run()
    assert reader.show(uuid)["status"] == "Running"
    assert len(reader("GET", "/containers").json()["containers"]) == 1
    for suffix in ("logs", "top", "stats", "network_list", "container_actions"):
        assert reader("GET", f"/containers/{uuid}/{suffix}").status_code == 200, suffix
    reader.refused(403)
    for suffix in ("stop", "start", "pause", "kill", "reboot", "execute?command=ls", "network_attach?network=public"):
        assert reader("POST", f"/containers/{uuid}/{suffix}").status_code == 403, suffix
    assert reader("DELETE", f"/containers/{uuid}?stop=true").status_code == 403
    assert reader("PATCH", f"/containers/{uuid}", {"name": "theirs"}).status_code == 403
    assert demo.show(uuid)["status"] == "Running"


def test_an_administrator_sees_all_projects_when_asking_for_it(demo: Zun, other: Zun, admin: Zun) -> None:
    both = {demo.run(), other.run()}
    assert admin("GET", "/containers").json()["containers"] == []
    found = admin("GET", "/containers?all_projects=true").json()["containers"]
    assert {each["uuid"] for each in found} == both
    assert {each["host"] for each in found} == {"testhost"}
    assert demo("GET", "/containers?all_projects=true").status_code == 403


def test_hosts_and_runtimes_are_shown_to_administrators_only(demo: Zun, admin: Zun) -> None:
    uuid = demo.run()
    for name in ("host", "image_pull_policy", "privileged", "runtime"):
        assert name not in demo.show(uuid)
        assert name in admin.show(uuid)


def test_without_a_token_nothing_is_told(running: RunningCloud, demo: Zun) -> None:
    uuid = demo.run()
    for method, path in (("GET", ""), ("POST", ""), ("GET", f"/{uuid}"), ("GET", "/unknown"), ("DELETE", f"/{uuid}")):
        for headers in ({}, {"X-Auth-Token": "nonsense"}):
            url = f"{running.url}{CONTAINERS}{path}"
            answer = httpx.request(method, url, headers=headers, trust_env=False, timeout=30)
            assert answer.status_code == 401


def test_lists_are_filtered_sorted_and_paged(demo: Zun) -> None:
    made = [demo.create(name=name)["uuid"] for name in ("b-one", "a-two", "c-three")]
    names = [each["name"] for each in demo("GET", "/containers?sort_key=name&sort_dir=desc").json()["containers"]]
    assert names == ["c-three", "b-one", "a-two"]
    first = demo("GET", "/containers?limit=2").json()
    assert [each["uuid"] for each in first["containers"]] == made[:2]
    rest = demo("GET", f"/containers?limit=2&marker={made[1]}").json()
    assert [each["uuid"] for each in rest["containers"]] == made[2:]
    assert first["next"].endswith(f"marker={made[1]}")
    assert rest["next"] is None
    found = demo("GET", "/containers?name=a-two&status=Created").json()["containers"]
    assert [each["uuid"] for each in found] == [made[1]]
    for query in ("surprise=1", "limit=-1", "limit=many", "sort_key=surprise", "marker=nowhere"):
        assert demo("GET", f"/containers?{query}").status_code in (400, 404), query
