"""Policies for endpoints, and which endpoints the catalogs of projects show."""

from typing import Any

import pytest

from tests.rooms.identity.cloud import Admin, Cloud, project_scope

FILTER = "/v3/OS-EP-FILTER"


def ids(found: list[dict[str, Any]]) -> set[str]:
    return {each["id"] for each in found}


def endpoint(admins: Admin, service: str, **more: Any) -> dict[str, Any]:
    return admins.make("endpoint", service_id=service, interface="public", url="http://there", **more)


def a_policy(admins: Admin) -> str:
    made = admins.do("POST", "/v3/policies", {"policy": {"blob": "{}", "type": "application/json"}})
    return str(made.json["policy"]["id"])


def catalog_of(shared: Cloud, project: str) -> list[dict[str, Any]]:
    token = shared.log_in("admin", project_scope(project)).json["token"]
    catalog: list[dict[str, Any]] = token["catalog"]
    return catalog


def test_a_policy_is_kept_with_whatever_is_said_of_it(shared: Cloud, admins: Admin) -> None:
    body = {"policy": {"blob": '{"a": "b"}', "type": "text/x", "owner": "me"}}
    made = admins.do("POST", "/v3/policies", body).json["policy"]
    assert made["owner"] == "me"
    assert made["links"]["self"].endswith(f"/v3/policies/{made['id']}")
    changed = admins.do("PATCH", f"/v3/policies/{made['id']}", {"policy": {"type": "text/y"}}).json["policy"]
    assert (changed["type"], changed["blob"]) == ("text/y", '{"a": "b"}')
    assert ids(admins.do("GET", "/v3/policies?type=text/y").json["policies"]) == {made["id"]}
    missing = shared.ask("POST", "/v3/policies", {"policy": {"type": "x"}}, admins.token)
    assert (missing.status_code, "blob" in missing.json["error"]["message"]) == (400, True)
    assert admins.do("DELETE", f"/v3/policies/{made['id']}").status_code == 204


@pytest.mark.parametrize("place", ["endpoints/{endpoint}", "services/{service}", "services/{service}/regions/{above}"])
def test_a_policy_is_found_for_the_endpoints_it_is_meant_for(shared: Cloud, admins: Admin, place: str) -> None:
    service = admins.make("service", type="thing")["id"]
    above = admins.make("region")["id"]
    below = admins.make("region", parent_region_id=above)["id"]
    reached = endpoint(admins, service, region_id=below)["id"]
    policy = a_policy(admins)
    path = f"/v3/policies/{policy}/OS-ENDPOINT-POLICY/" + place.format(endpoint=reached, service=service, above=above)
    effective = f"/v3/endpoints/{reached}/OS-ENDPOINT-POLICY/policy"
    assert shared.ask("GET", path, token=admins.token).status_code == 404
    assert shared.ask("GET", effective, token=admins.token).status_code == 404
    assert admins.do("PUT", path).status_code == 204
    assert admins.do("HEAD", path).status_code == 204
    assert admins.do("GET", effective).json["policy"]["id"] == policy
    listed = admins.do("GET", f"/v3/policies/{policy}/OS-ENDPOINT-POLICY/endpoints").json["endpoints"]
    assert ids(listed) == {reached}
    for _ in range(2):
        assert admins.do("DELETE", path).status_code == 204
    assert shared.ask("GET", path, token=admins.token).status_code == 404


def test_the_nearest_policy_is_the_endpoints_and_a_new_one_replaces_the_old(shared: Cloud, admins: Admin) -> None:
    service = admins.make("service", type="thing")["id"]
    reached = endpoint(admins, service)["id"]
    wide, near, newer = (a_policy(admins) for _ in range(3))
    admins.do("PUT", f"/v3/policies/{wide}/OS-ENDPOINT-POLICY/services/{service}")
    for policy in (near, newer):
        admins.do("PUT", f"/v3/policies/{policy}/OS-ENDPOINT-POLICY/endpoints/{reached}")
    effective = f"/v3/endpoints/{reached}/OS-ENDPOINT-POLICY/policy"
    assert admins.do("GET", effective).json["policy"]["id"] == newer
    assert (
        shared.ask("GET", f"/v3/policies/{near}/OS-ENDPOINT-POLICY/endpoints/{reached}", token=admins.token).status_code
        == 404
    )
    admins.do("DELETE", f"/v3/policies/{newer}")
    assert admins.do("GET", effective).json["policy"]["id"] == wide


def test_an_endpoint_group_asks_for_attributes_that_there_are(shared: Cloud, admins: Admin) -> None:
    path = f"{FILTER}/endpoint_groups"
    for filters, field in (({}, "filters"), ({"colour": "red"}, "colour"), ({"interface": "sideways"}, "interface")):
        refused = shared.ask("POST", path, {"endpoint_group": {"name": "g", "filters": filters}}, admins.token)
        assert (refused.status_code, field in refused.json["error"]["message"]) == (400, True)
    stray = {"endpoint_group": {"name": "g", "filters": {"interface": "public"}, "size": 3}}
    assert "size" in shared.ask("POST", path, stray, admins.token).json["error"]["message"]


def test_a_project_with_endpoints_of_its_own_has_a_catalog_of_just_those(shared: Cloud, admins: Admin) -> None:
    project = admins.make("project", name="narrow")["id"]
    admin, role = admins.named("user", "admin")["id"], admins.named("role", "admin")["id"]
    admins.do("PUT", f"/v3/projects/{project}/users/{admin}/roles/{role}")
    whole = catalog_of(shared, "narrow")
    one = admins.do("GET", "/v3/endpoints?interface=internal").json["endpoints"][0]
    pair = f"{FILTER}/projects/{project}/endpoints/{one['id']}"
    assert shared.ask("HEAD", pair, token=admins.token).status_code == 404
    assert admins.do("PUT", pair).status_code == 204
    assert shared.ask("PUT", pair, token=admins.token).status_code == 409
    assert [ids(each["endpoints"]) for each in catalog_of(shared, "narrow")] == [{one["id"]}]
    assert ids(admins.do("GET", f"{FILTER}/endpoints/{one['id']}/projects").json["projects"]) == {project}
    assert admins.do("DELETE", pair).status_code == 204
    assert catalog_of(shared, "narrow") == whole


def test_an_endpoint_group_adds_its_endpoints_to_the_catalog(shared: Cloud, admins: Admin) -> None:
    project = admins.make("project", name="grouped")["id"]
    admin, role = admins.named("user", "admin")["id"], admins.named("role", "admin")["id"]
    admins.do("PUT", f"/v3/projects/{project}/users/{admin}/roles/{role}")
    service = next(each for each in catalog_of(shared, "grouped") if each["type"] == "identity")
    body = {"endpoint_group": {"name": "ids", "filters": {"service_id": service["id"], "interface": "public"}}}
    group = admins.do("POST", f"{FILTER}/endpoint_groups", body).json["endpoint_group"]
    assert group["links"]["self"].endswith(f"{FILTER}/endpoint_groups/{group['id']}")
    path = f"{FILTER}/endpoint_groups/{group['id']}"
    assert admins.do("PUT", f"{path}/projects/{project}").status_code == 204
    assert admins.do("GET", f"{path}/projects/{project}").json["project_endpoint_group"]["project_id"] == project
    in_group = admins.do("GET", f"{path}/endpoints").json["endpoints"]
    assert {each["interface"] for each in in_group} == {"public"}
    assert [ids(each["endpoints"]) for each in catalog_of(shared, "grouped")] == [ids(in_group)]
    assert ids(admins.do("GET", f"{FILTER}/projects/{project}/endpoints").json["endpoints"]) == ids(in_group)
    assert ids(admins.do("GET", f"{FILTER}/projects/{project}/endpoint_groups").json["endpoint_groups"]) == {
        group["id"]
    }
    assert ids(admins.do("GET", f"{path}/projects").json["projects"]) == {project}
    admins.do("PATCH", path, {"endpoint_group": {"filters": {"service_id": service["id"], "interface": "admin"}}})
    assert {each["interface"] for each in catalog_of(shared, "grouped")[0]["endpoints"]} == {"admin"}
    assert admins.do("DELETE", path).status_code == 204
    assert len(catalog_of(shared, "grouped")) > 1
