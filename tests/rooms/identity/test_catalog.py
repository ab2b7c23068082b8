"""Regions, services and endpoints."""

from tests.rooms.identity.cloud import Admin, Cloud


def test_a_service_with_its_endpoints_appears_in_the_catalog_and_goes(cloud: Cloud, do: Admin) -> None:
    service = do.make("service", type="cooking", name="kitchen", description="hot")
    assert service["enabled"] is True
    made = {
        interface: do.make(
            "endpoint",
            service_id=service["id"],
            interface=interface,
            url=f"http://{interface}/%(tenant_id)s",
            region_id="RegionOne",
        )
        for interface in ("public", "internal", "admin")
    }
    assert made["public"]["region"] == "RegionOne"
    token = cloud.log_in("demo").json["token"]
    entry = next(each for each in token["catalog"] if each["type"] == "cooking")
    assert (entry["id"], entry["name"]) == (service["id"], "kitchen")
    assert {each["url"] for each in entry["endpoints"]} == {f"http://{one}/{token['project']['id']}" for one in made}
    do.change("endpoint", made["admin"]["id"], enabled=False)
    entry = next(each for each in cloud.log_in("demo").json["token"]["catalog"] if each["type"] == "cooking")
    assert {each["interface"] for each in entry["endpoints"]} == {"public", "internal"}
    do.change("service", service["id"], enabled=False)
    assert "cooking" not in {each["type"] for each in cloud.log_in("demo").json["token"]["catalog"]}
    do.do("DELETE", f"/v3/services/{service['id']}")
    assert cloud.ask("GET", f"/v3/endpoints/{made['public']['id']}", token=do.token).status_code == 404


def test_a_token_validated_again_shows_the_catalog_as_it_is_by_then(cloud: Cloud, do: Admin, demo: str) -> None:
    def types() -> set[str]:
        shown = cloud.ask("GET", "/v3/auth/tokens", token=demo, X_Subject_Token=demo).json["token"]
        return {each["type"] for each in shown["catalog"]}

    assert "sailing" not in types()
    service = do.make("service", type="sailing", name="boat")
    assert "sailing" in types()
    do.make("endpoint", service_id=service["id"], interface="public", url="http://boat")
    do.change("service", service["id"], enabled=False)
    assert "sailing" not in types()


def test_auth_catalog_is_the_tokens_own(cloud: Cloud, demo: str) -> None:
    told = cloud.ask("GET", "/v3/auth/catalog", token=demo).json
    assert told["catalog"] == cloud.log_in("demo").json["token"]["catalog"]
    assert told["links"]["self"].endswith("/identity/v3/auth/catalog")
    assert cloud.ask("GET", "/v3/auth/catalog", token=cloud.token("demo", "unscoped")).status_code == 403


def test_endpoints_are_narrowed_by_interface_service_and_region(do: Admin) -> None:
    network = do.do("GET", "/v3/services?type=network").json["services"][0]["id"]
    found = do.do("GET", f"/v3/endpoints?service_id={network}&interface=public&region_id=RegionOne").json["endpoints"]
    assert [each["url"] for each in found] == ["http://cloud.test/networking"]


def test_an_endpoint_needs_a_service_and_a_region_that_exist(cloud: Cloud, do: Admin) -> None:
    service = do.make("service", type="cooking")["id"]
    good = {"service_id": service, "interface": "public", "url": "http://x"}
    for wrong in ({"region_id": "nowhere"}, {"service_id": "f" * 32}):
        assert cloud.ask("POST", "/v3/endpoints", {"endpoint": {**good, **wrong}}, do.token).status_code == 400
    made = do.make("endpoint", **good, region="older word")
    assert made["region_id"] == "older word"
    assert do.do("GET", "/v3/regions/older word").json["region"]["id"] == "older word"
    changed = cloud.ask("PATCH", f"/v3/endpoints/{made['id']}", {"endpoint": {"region_id": "nowhere"}}, do.token)
    assert changed.status_code == 400
    assert do.change("endpoint", made["id"], region="newer")["region_id"] == "newer"
    assert do.do("GET", "/v3/regions/newer").json["region"]["id"] == "newer"


def test_the_words_about_an_endpoint_are_text(cloud: Cloud, do: Admin) -> None:
    good = {"service_id": do.make("service", type="boat")["id"], "interface": "public", "url": "http://boat"}
    made = do.make("endpoint", **good, name="quay", description=None)
    assert (made["name"], made["description"]) == ("quay", None)
    for wrong in ({"name": None}, {"name": 1}, {"description": ["x"]}):
        for method, path, body in (
            ("POST", "/v3/endpoints", {**good, **wrong}),
            ("PATCH", f"/v3/endpoints/{made['id']}", wrong),
        ):
            refused = cloud.ask(method, path, {"endpoint": body}, do.token)
            assert (refused.status_code, next(iter(wrong)) in refused.json["error"]["message"]) == (400, True)


def test_regions_are_a_tree_that_endpoints_hold_in_place(cloud: Cloud, do: Admin) -> None:
    do.make("region", id="world", description="all")
    child = do.make("region", id="north", parent_region_id="world")
    assert child["parent_region_id"] == "world"
    assert [each["id"] for each in do.do("GET", "/v3/regions?parent_region_id=world").json["regions"]] == ["north"]
    assert cloud.ask("POST", "/v3/regions", {"region": {"id": "north"}}, do.token).status_code == 409
    assert cloud.ask("POST", "/v3/regions", {"region": {"parent_region_id": "none"}}, do.token).status_code == 404
    assert (
        cloud.ask("PATCH", "/v3/regions/world", {"region": {"parent_region_id": "north"}}, do.token).status_code == 400
    )
    assert cloud.ask("DELETE", "/v3/regions/RegionOne", token=do.token).status_code == 403
    do.do("DELETE", "/v3/regions/world")
    assert cloud.ask("GET", "/v3/regions/north", token=do.token).status_code == 404
    assert len(do.make("region", description="without an id")["id"]) == 32
    put = do.do("PUT", "/v3/regions/south", {"region": {"description": "warm"}})
    assert (put.status_code, put.json["region"]["id"], put.json["region"]["description"]) == (201, "south", "warm")
    assert cloud.ask("PUT", "/v3/regions/south", {"region": {}}, do.token).status_code == 409
    assert cloud.ask("PUT", "/v3/regions/west", {"region": {"id": "east"}}, do.token).status_code == 400


def test_a_region_without_an_id_or_a_description_gets_a_fresh_one_and_none(do: Admin) -> None:
    made = do.make("region", id="", description=None)
    assert len(made["id"]) == 32
    assert made["description"] == ""
    assert do.change("region", made["id"], description="north")["description"] == "north"
    assert do.change("region", made["id"], description=None)["description"] == ""


def test_a_service_without_a_name_has_an_empty_one(do: Admin) -> None:
    made = do.make("service", type="nameless")
    assert made["name"] == ""
    assert do.do("GET", f"/v3/services/{made['id']}").json["service"]["name"] == ""
