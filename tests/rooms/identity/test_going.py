"""Projects and domains do not go while they hold anything, or everything goes with them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stackyard.kernel.holdings import Holdings, everything
from stackyard.kernel.journal.timeline import timeline
from stackyard.rooms.container.driver import Image
from stackyard.rooms.identity.room import ROOM
from stackyard.testing.cloud import Persona, RunningCloud, Worlds, cloud

PROJECTS, NETWORKING = "/identity/v3/projects", "/networking/v2.0"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    worlds = Worlds()
    worlds.container.registry["web"] = worlds.container.registry["web:latest"] = Image(
        id="sha256:web", names=["web:latest"], size=3
    )
    with cloud(tmp_path_factory.mktemp("going"), worlds=worlds) as made:
        yield made


def routed_network(who: Persona) -> dict[str, str]:
    """A network with a subnet on a router, and a port of its own."""
    network = who.post(f"{NETWORKING}/networks", {"network": {"name": "n"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24"}
    subnet_id = who.post(f"{NETWORKING}/subnets", {"subnet": subnet})["subnet"]["id"]
    router = who.post(f"{NETWORKING}/routers", {"router": {"name": "r"}})["router"]["id"]
    who("PUT", f"{NETWORKING}/routers/{router}/add_router_interface", {"subnet_id": subnet_id}, ok=200)
    port = who.post(f"{NETWORKING}/ports", {"port": {"network_id": network}})["port"]["id"]
    return {"network": network, "subnet": subnet_id, "router": router, "port": port}


def message(answer: Any) -> str:
    return str(answer.json()["error"]["message"])


def test_nothing_of_identitys_own_stands_in_the_way() -> None:
    assert [
        each.resource.name for each in Holdings([ROOM]).kinds if each.resource.goes_with_owner is not everything
    ] == []


def test_a_project_with_nothing_but_what_the_cloud_made_for_it_goes_with_that(running: RunningCloud) -> None:
    who, admin = running.persona("light", "member"), running.admin
    groups = who.get(f"{NETWORKING}/security-groups")["security_groups"]
    assert [each["name"] for each in groups] == ["default"]
    admin("PUT", f"{NETWORKING}/quotas/{who.project_id}", {"quota": {"port": 3}}, ok=200)
    admin("DELETE", f"{PROJECTS}/{who.project_id}", ok=204)
    admin("GET", f"{NETWORKING}/security-groups/{groups[0]['id']}", ok=404)
    admin("GET", f"{NETWORKING}/security-group-rules/{groups[0]['security_group_rules'][0]['id']}", ok=404)
    assert who.project_id not in str(admin.get(f"{NETWORKING}/quotas"))


def test_a_project_that_holds_something_stays_and_what_it_is_is_told(running: RunningCloud) -> None:
    who, admin = running.persona("heavy", "member"), running.admin
    made = routed_network(who)
    image = who.post("/image/v2/images", {"name": "mine"})["id"]
    refused = admin("DELETE", f"{PROJECTS}/{who.project_id}", ok=409)
    for said in (f"1 networks ({made['network']})", f"1 routers ({made['router']})", f"image: 1 images ({image})"):
        assert said in message(refused)
    assert "2 ports" in message(refused)
    assert "?cascade=true" in message(refused)
    assert who.get(f"{NETWORKING}/networks/{made['network']}")


def test_asked_to_everything_goes_with_a_project_and_those_below_it(running: RunningCloud) -> None:
    who, admin = running.persona("whole", "member"), running.admin
    made = routed_network(who)
    image = who.post("/image/v2/images", {"name": "mine", "protected": True})["id"]
    container = who.post(
        "/container/v1/containers?run=true", {"image": "web", "nets": [{"network": made["network"]}]}, 202
    )
    running.settle()
    assert who.get(f"/container/v1/containers/{container['uuid']}")["status"] == "Running"
    child = admin.post(PROJECTS, {"project": {"name": "part", "parent_id": who.project_id}})["project"]["id"]
    admin("DELETE", f"{PROJECTS}/{who.project_id}?cascade=true", ok=204)
    who("GET", f"{NETWORKING}/networks", ok=401)
    running.settle()
    for each in (who.project_id, child):
        admin("GET", f"{PROJECTS}/{each}", ok=404)
    for kind, object_id in made.items():
        admin("GET", f"{NETWORKING}/{kind}s/{object_id}", ok=404)
    admin("GET", f"/image/v2/images/{image}", ok=404)
    admin("GET", f"/container/v1/containers/{container['uuid']}?all_projects=true", ok=404)
    assert not running.worlds.container.containers


def test_what_cannot_go_keeps_the_project_disabled_and_says_why(running: RunningCloud) -> None:
    who, admin = running.persona("owner", "member"), running.admin
    network = who.post(f"{NETWORKING}/networks", {"network": {"name": "lent"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.8.0.0/24"}
    who.post(f"{NETWORKING}/subnets", {"subnet": subnet})
    other = running.persona("borrower", "member")
    port = {"network_id": network, "project_id": other.project_id}
    port_id = admin.post(f"{NETWORKING}/ports", {"port": port})["port"]["id"]
    admin("DELETE", f"{PROJECTS}/{who.project_id}?cascade=true", ok=204)
    running.settle()
    assert admin.get(f"{PROJECTS}/{who.project_id}")["project"]["enabled"] is False
    with running.cloud.database.read() as tx:
        said = " ".join(line.text for line in timeline(tx, str(who.project_id)))
    assert network in said
    admin("DELETE", f"{NETWORKING}/ports/{port_id}", ok=204)
    admin("DELETE", f"{PROJECTS}/{who.project_id}?cascade=true", ok=204)
    running.settle()
    admin("GET", f"{PROJECTS}/{who.project_id}", ok=404)


def test_a_domain_goes_the_same_way(running: RunningCloud) -> None:
    admin = running.admin
    domain = admin.post("/identity/v3/domains", {"domain": {"name": "d"}})["domain"]["id"]
    project = admin.post(PROJECTS, {"project": {"name": "p", "domain_id": domain}})["project"]["id"]
    wanted = {"network": {"name": "n", "project_id": project}}
    network = admin.post(f"{NETWORKING}/networks", wanted)["network"]["id"]
    path = f"/identity/v3/domains/{domain}"
    admin("DELETE", f"{path}?cascade=true", ok=403)
    admin("PATCH", path, {"domain": {"enabled": False}}, ok=200)
    assert network in message(admin("DELETE", path, ok=409))
    admin("DELETE", f"{path}?cascade=true", ok=204)
    running.settle()
    for gone in (path, f"{PROJECTS}/{project}", f"{NETWORKING}/networks/{network}"):
        admin("GET", gone, ok=404)


def test_what_is_immutable_does_not_go(running: RunningCloud) -> None:
    admin = running.admin
    above = admin.post(PROJECTS, {"project": {"name": "above"}})["project"]["id"]
    below = {"name": "below", "parent_id": above, "options": {"immutable": True}}
    admin.post(PROJECTS, {"project": below})
    admin("DELETE", f"{PROJECTS}/{above}?cascade=true", ok=403)
    assert admin.get(f"{PROJECTS}/{above}")["project"]["enabled"] is True


def test_the_way_is_gone_again_after_a_restart(tmp_path: Path) -> None:
    with cloud(tmp_path, threads=0) as running:
        who, admin = running.persona("whole", "member"), running.admin
        routed_network(who)
        admin("DELETE", f"{PROJECTS}/{who.project_id}?cascade=true", ok=204)
        running.restart()
        running.cloud.workers.run_all()
        running.admin("GET", f"{PROJECTS}/{who.project_id}", ok=404)
