"""Two tenants on the same ranges: neither sees, changes nor guesses what is the other's."""

import pytest

from tests.rooms.network.neutron import BASE, Neutron, refusal

COLLECTIONS = ("networks", "subnets", "ports", "routers", "floatingips", "security-groups", "security-group-rules")


def _everything(tenant: Neutron) -> dict[str, str]:
    network, subnet = tenant.net("10.100.0.0/28")
    router = tenant.make("routers", external_gateway_info={"network_id": tenant.public()})
    tenant.connect(router["id"], subnet_id=subnet["id"])
    port = tenant.make("ports", network_id=network["id"])
    group = tenant.list("security-groups")[0]
    floating = tenant.make("floatingips", floating_network_id=tenant.public(), port_id=port["id"])
    return {
        "networks": network["id"],
        "subnets": subnet["id"],
        "ports": port["id"],
        "routers": router["id"],
        "floatingips": floating["id"],
        "security-groups": group["id"],
        "security-group-rules": group["security_group_rules"][0]["id"],
    }


def test_overlapping_ranges_always_work(tenant: Neutron, other: Neutron) -> None:
    mine, theirs = _everything(tenant), _everything(other)
    assert tenant.show("ports", mine["ports"])["fixed_ips"][0]["ip_address"] == "10.100.0.2"
    assert other.show("ports", theirs["ports"])["fixed_ips"][0]["ip_address"] == "10.100.0.2"


def test_nothing_of_another_tenant_is_shown_changed_or_removed(tenant: Neutron, other: Neutron) -> None:
    theirs = _everything(other)
    for collection, object_id in theirs.items():
        path = f"{BASE}/{collection}/{object_id}"
        unknown = f"{BASE}/{collection}/00000000-0000-4000-8000-000000000000"
        for method, body in (
            ("GET", None),
            ("PUT", {collection[:-1].replace("-", "_"): {"description": "mine now"}}),
            ("DELETE", None),
        ):
            if collection == "security-group-rules" and method == "PUT":
                continue
            answer = tenant.persona(method, path, body)
            assert answer.status_code == 404, (method, path, answer.text)
            same = tenant.persona(method, unknown, body)
            assert refusal(same)[1] == refusal(answer)[1]
        assert object_id not in [each["id"] for each in tenant.list(collection)]
        assert object_id in [each["id"] for each in other.list(collection)]


def test_a_tenant_cannot_act_in_another_project(tenant: Neutron, other: Neutron) -> None:
    for collection in ("networks", "routers", "security-groups"):
        assert tenant.refused(collection, project_id=other.project_id)[:2] == (403, "PolicyNotAuthorized")
        assert tenant.refused(collection, tenant_id=other.project_id)[:2] == (403, "PolicyNotAuthorized")


def test_a_reader_sees_and_changes_nothing(running: object, tenant: Neutron) -> None:
    from stackyard.testing.cloud import RunningCloud

    assert isinstance(running, RunningCloud)
    mine = _everything(tenant)
    project = running.admin.get(f"/identity/v3/projects/{tenant.project_id}")["project"]["name"]
    reader = Neutron(running.persona(project, "reader"))
    for collection, object_id in mine.items():
        assert reader.show(collection, object_id)["id"] == object_id
        answer = reader.delete(collection, object_id)
        assert refusal(answer)[:2] == (403, "PolicyNotAuthorized")
    assert reader.refused("networks")[:2] == (403, "PolicyNotAuthorized")


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_stranger_learns_nothing(tenant: Neutron, collection: str) -> None:
    for token in ("", "not-a-token"):
        answer = tenant.persona.http.get(f"{BASE}/{collection}", headers={"X-Auth-Token": token})
        assert answer.status_code == 401


def test_bad_bodies_are_refused_with_a_reason(tenant: Neutron) -> None:
    post = tenant.persona.http.post
    for content in (
        b"{",
        b"[]",
        b"null",
        b'{"network": []}',
        b'{"network": {"name": 7}}',
        b'{"network": {"name": "' + b"x" * 256 + b'"}}',
    ):
        answer = post(f"{BASE}/networks", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, content
        assert answer.json()["NeutronError"]["message"]


def test_a_project_gets_no_more_than_its_quota(tenant: Neutron, admin: Neutron) -> None:
    path = f"{BASE}/quotas/{tenant.project_id}"
    admin.persona("PUT", path, {"quota": {"network": 1, "port": -1}}, ok=200)
    assert tenant.persona.get(path)["quota"]["network"] == 1
    tenant.make("networks")
    assert tenant.refused("networks")[:2] == (409, "OverQuota")
    details = tenant.persona.get(f"{path}/details.json")["quota"]["network"]
    assert details == {"limit": 1, "used": 1, "reserved": 0}
    assert refusal(tenant.persona("PUT", path, {"quota": {"network": 9}}))[:2] == (403, "PolicyNotAuthorized")
    assert refusal(admin.persona("PUT", path, {"quota": {"boats": 9}}))[0] == 400
    assert refusal(admin.persona("PUT", path, {"quota": {"network": -2}}))[0] == 400
    admin.persona("DELETE", path, ok=204)
    assert tenant.persona.get(path)["quota"]["network"] == 100


def test_the_limits_of_another_project_are_nobodys_business(tenant: Neutron, other: Neutron) -> None:
    assert refusal(tenant.persona("GET", f"{BASE}/quotas/{other.project_id}"))[:2] == (403, "PolicyNotAuthorized")


def test_a_shared_network_is_not_taken_over_by_another_tenants_router(tenant: Neutron, admin: Neutron) -> None:
    network = admin.make("networks", shared=True)
    subnet = admin.make("subnets", network_id=network["id"], ip_version=4, cidr="10.66.0.0/24")
    router = tenant.make("routers")
    status, _, message = refusal(tenant.connect(router["id"], subnet_id=subnet["id"]))
    assert status == 400
    assert "not owned by project" in message
    public = tenant.list("subnets", f"network_id={tenant.public()}")[0]
    assert refusal(tenant.connect(router["id"], subnet_id=public["id"]))[0] == 400


def test_the_owner_of_a_network_sees_and_removes_but_does_not_change_others_ports(
    tenant: Neutron, admin: Neutron
) -> None:
    network, _ = tenant.net()
    admin.change("networks", network["id"], shared=True)
    guest = admin.make("ports", network_id=network["id"], project_id="somebody")
    assert tenant.show("ports", guest["id"])["id"] == guest["id"]
    assert refusal(tenant.put("ports", guest["id"], name="mine"))[:2] == (403, "PolicyNotAuthorized")
    router = tenant.make("routers")
    assert refusal(tenant.connect(router["id"], port_id=guest["id"]))[0] == 400
    tenant.gone("ports", guest["id"])
