"""Networks through the wire."""

from tests.rooms.network.neutron import BASE, Neutron, refusal


def test_a_network_is_made_shown_changed_and_removed(tenant: Neutron) -> None:
    made = tenant.make("networks", name="one", description="first")
    assert (made["status"], made["admin_state_up"], made["shared"], made["subnets"]) == ("ACTIVE", True, False, [])
    assert made["project_id"] == made["tenant_id"] == tenant.project_id
    changed = tenant.change("networks", made["id"], name="two")
    assert (changed["name"], changed["revision_number"]) == ("two", made["revision_number"] + 1)
    assert tenant.show("networks", made["id"])["name"] == "two"
    tenant.gone("networks", made["id"])
    assert refusal(tenant.delete("networks", made["id"]))[:2] == (404, "NetworkNotFound")


def test_an_unknown_attribute_is_named_and_nothing_is_made(tenant: Neutron) -> None:
    status, kind, message = tenant.refused("networks", name="n", colour="red")
    assert (status, kind) == (400, "HTTPBadRequest")
    assert "colour" in message
    assert not [each for each in tenant.list("networks") if each["project_id"] == tenant.project_id]


def test_only_an_administrator_shares_a_network_or_makes_it_external(tenant: Neutron) -> None:
    assert tenant.refused("networks", shared=True)[:2] == (403, "PolicyNotAuthorized")
    assert tenant.refused("networks", router__external=True)[:2] == (403, "PolicyNotAuthorized")
    assert tenant.refused("networks", provider__network_type="flat")[0] == 403


def test_provider_attributes_are_shown_to_administrators_only(tenant: Neutron, admin: Neutron) -> None:
    made = tenant.make("networks")
    assert not [name for name in made if name.startswith("provider:")]
    assert admin.show("networks", made["id"])["provider:network_type"] == "local"


def test_networks_are_made_all_or_none(tenant: Neutron) -> None:
    answer = tenant.persona("POST", f"{BASE}/networks", {"networks": [{"name": "a"}, {"name": "b", "mtu": 1}]})
    assert answer.status_code == 400
    assert not tenant.list("networks", "name=a")
    made = tenant.persona.post(f"{BASE}/networks", {"networks": [{"name": "a"}, {"name": "b"}]})["networks"]
    assert [each["name"] for each in made] == ["a", "b"]


def test_a_network_in_use_stays_and_says_by_which_port(tenant: Neutron) -> None:
    network, _ = tenant.net()
    port = tenant.make("ports", network_id=network["id"])
    status, kind, message = refusal(tenant.delete("networks", network["id"]))
    assert (status, kind) == (409, "NetworkInUse")
    assert port["id"] in message
    tenant.gone("ports", port["id"])
    tenant.gone("networks", network["id"])
    assert not tenant.list("subnets", f"network_id={network['id']}")


def test_a_shared_network_cannot_be_taken_from_those_who_use_it(tenant: Neutron, admin: Neutron) -> None:
    network = admin.make("networks", shared=True)
    admin.make("subnets", network_id=network["id"], ip_version=4, cidr="10.9.0.0/24")
    port = tenant.make("ports", network_id=network["id"])
    assert refusal(admin.put("networks", network["id"], shared=False))[:2] == (409, "InvalidSharedSetting")
    tenant.gone("ports", port["id"])
    assert admin.change("networks", network["id"], shared=False)["shared"] is False


def test_if_match_guards_against_a_change_in_between(tenant: Neutron) -> None:
    made = tenant.make("networks")
    path, body = f"{BASE}/networks/{made['id']}", {"network": {"name": "x"}}
    assert tenant.persona("PUT", path, body, If_Match="revision_number=0").status_code == 200
    answer = tenant.persona("PUT", path, body, If_Match="revision_number=0")
    assert refusal(answer)[:2] == (412, "RevisionNumberConstraintFailed")


def test_lists_filter_sort_page_and_select_fields(tenant: Neutron) -> None:
    for name in ("c", "a", "b", "a"):
        tenant.make("networks", name=name, description=f"list-{name}")
    mine = f"tenant_id={tenant.project_id}"
    assert [each["name"] for each in tenant.list("networks", f"{mine}&sort_key=name&sort_dir=desc")] == [
        "c",
        "b",
        "a",
        "a",
    ]
    assert len(tenant.list("networks", f"{mine}&name=a&name=b")) == 3
    assert tenant.list("networks", f"{mine}&name=b&fields=name") == [{"name": "b"}]
    first = tenant.persona.get(f"{BASE}/networks?{mine}&limit=3&sort_key=name&sort_dir=asc")
    assert [each["name"] for each in first["networks"]] == ["a", "a", "b"]
    link = next(each["href"] for each in first["networks_links"] if each["rel"] == "next")
    rest = tenant.persona.http.get(link).json()
    assert [each["name"] for each in rest["networks"]] == ["c"]


def test_tags_are_set_added_removed_and_filtered_by(tenant: Neutron) -> None:
    one, two = tenant.make("networks"), tenant.make("networks")
    path = f"{BASE}/networks/{one['id']}/tags"
    assert tenant.persona("PUT", path, {"tags": ["red", "blue"]}, ok=200).json() == {"tags": ["red", "blue"]}
    tenant.persona("PUT", f"{path}/green", ok=201)
    tenant.persona("GET", f"{path}/green", ok=204)
    tenant.persona("DELETE", f"{path}/blue", ok=204)
    assert refusal(tenant.persona("DELETE", f"{path}/blue"))[:2] == (404, "TagNotFound")
    assert tenant.show("networks", one["id"])["tags"] == ["red", "green"]
    mine = f"project_id={tenant.project_id}"
    assert [each["id"] for each in tenant.list("networks", f"{mine}&tags=red,green")] == [one["id"]]
    assert [each["id"] for each in tenant.list("networks", f"{mine}&not-tags-any=red")] == [two["id"]]
    tenant.persona("DELETE", path, ok=204)
    assert tenant.show("networks", one["id"])["tags"] == []


def test_discovery_needs_no_token_and_names_what_is_there(tenant: Neutron) -> None:
    http, token = tenant.persona.http, tenant.persona.http.headers["X-Auth-Token"]
    versions = http.get("/networking/", headers={"X-Auth-Token": ""}).json()["versions"]
    assert [each["id"] for each in versions] == ["v2.0"]
    listed = http.get(versions[0]["links"][0]["href"], headers={"X-Auth-Token": ""}).json()["resources"]
    assert {"network", "subnet", "port"} <= {each["name"] for each in listed}
    for each in listed:
        if each["collection"] != "quotas":
            assert http.get(each["links"][0]["href"], headers={"X-Auth-Token": token}).status_code in (200, 403), each


def test_extensions_are_listed_and_shown_by_alias(tenant: Neutron) -> None:
    aliases = {each["alias"] for each in tenant.list("extensions")}
    assert {"router", "external-net", "security-group", "quotas", "extraroute", "standard-attr-tag"} <= aliases
    assert tenant.persona.get(f"{BASE}/extensions/router")["extension"]["alias"] == "router"
    assert refusal(tenant.persona("GET", f"{BASE}/extensions/nothing"))[:2] == (404, "ExtensionNotFound")


def test_what_is_not_offered_yet_says_so(tenant: Neutron) -> None:
    for path in ("trunks", "qos/policies", "rbac-policies/x", "floatingips/x/port_forwardings"):
        assert refusal(tenant.persona("GET", f"{BASE}/{path}"))[:2] == (501, "HTTPNotImplemented"), path
    assert refusal(tenant.persona("GET", f"{BASE}/nothing"))[:2] == (404, "HTTPNotFound")
