"""Metadata definitions: administrators write them, everybody reads what is public."""

from typing import Any

import pytest

from tests.rooms.image.glance import ADMIN, ALICE, BOB, Glance

BASE = "/v2/metadefs/namespaces"
CPU = {"title": "Cores", "type": "integer", "minimum": 1}


def _namespace(glance: Glance, name: str = "OS::Test", **more: Any) -> dict[str, Any]:
    answer = glance("POST", BASE, ADMIN, json={"namespace": name, "visibility": "public", **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_namespace_comes_with_its_parts_and_shows_them(glance: Glance) -> None:
    parts = {
        "properties": {"hw_cores": CPU},
        "objects": [{"name": "Shape", "properties": {"ram": CPU}, "required": ["ram"]}],
        "tags": [{"name": "small"}, {"name": "big"}],
        "resource_type_associations": [{"name": "OS::Nova::Flavor", "prefix": "hw:"}],
    }
    _namespace(glance, display_name="Test", **parts)
    shown = glance("GET", f"{BASE}/OS::Test", BOB).json()
    assert (shown["display_name"], shown["protected"], shown["owner"]) == ("Test", False, "ops")
    assert shown["properties"] == {"hw_cores": CPU}
    assert shown["objects"][0]["required"] == ["ram"]
    assert [each["name"] for each in shown["tags"]] == ["big", "small"]
    assert shown["resource_type_associations"][0]["prefix"] == "hw:"
    assert shown["self"] == f"{BASE}/OS::Test"


def test_a_private_namespace_is_not_there_for_other_projects(glance: Glance) -> None:
    _namespace(glance, "mine", visibility="private", owner="alice")
    assert glance("GET", f"{BASE}/mine", ALICE).status_code == 200
    for path in ("mine", "mine/properties", "mine/objects/x", "mine/tags"):
        assert glance("GET", f"{BASE}/{path}", BOB).status_code == 404
    assert [each["namespace"] for each in glance("GET", BASE, ALICE).json()["namespaces"]] == ["mine"]
    assert glance("GET", BASE, BOB).json()["namespaces"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "", {"namespace": "x"}),
        ("PUT", "/OS::Test", {"namespace": "x"}),
        ("DELETE", "/OS::Test", None),
        ("POST", "/OS::Test/properties", {"name": "p", **CPU}),
        ("POST", "/OS::Test/objects", {"name": "o"}),
        ("POST", "/OS::Test/tags/t", None),
        ("POST", "/OS::Test/tags", {"tags": [{"name": "t"}]}),
        ("POST", "/OS::Test/resource_types", {"name": "OS::Nova::Flavor"}),
        ("DELETE", "/OS::Test/properties", None),
    ],
)
def test_only_administrators_write(glance: Glance, method: str, path: str, body: Any) -> None:
    _namespace(glance)
    more = {} if body is None else {"json": body}
    assert glance(method, BASE + path, ALICE, **more).status_code == 403
    assert glance("GET", f"{BASE}/OS::Test").json()["namespace"] == "OS::Test"
    assert len(glance("GET", BASE).json()["namespaces"]) == 1


def test_an_update_writes_the_whole_and_parts_follow_a_new_name(glance: Glance) -> None:
    _namespace(glance, description="old", tags=[{"name": "kept"}])
    changed = glance("PUT", f"{BASE}/OS::Test", ADMIN, json={"namespace": "OS::New", "visibility": "public"})
    assert changed.status_code == 200
    assert "description" not in changed.json()
    assert glance("GET", f"{BASE}/OS::Test").status_code == 404
    assert [each["name"] for each in glance("GET", f"{BASE}/OS::New/tags").json()["tags"]] == ["kept"]


def test_a_protected_namespace_and_its_parts_cannot_be_deleted(glance: Glance) -> None:
    _namespace(glance, protected=True, tags=[{"name": "t"}])
    for path in ("", "/tags/t", "/tags"):
        assert glance("DELETE", f"{BASE}/OS::Test{path}", ADMIN).status_code == 403
    glance("PUT", f"{BASE}/OS::Test", ADMIN, json={"namespace": "OS::Test", "protected": False})
    assert glance("DELETE", f"{BASE}/OS::Test", ADMIN).status_code == 204
    assert glance("GET", f"{BASE}/OS::Test", ADMIN).status_code == 404
    _namespace(glance)
    assert glance("GET", f"{BASE}/OS::Test/tags").json()["tags"] == []


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("properties", {"name": "a", **CPU}, {"name": "b", "title": "Other", "type": "string"}),
        ("objects", {"name": "a", "properties": {"p": CPU}}, {"name": "b", "description": "other"}),
    ],
)
def test_a_part_is_added_written_anew_and_removed(glance: Glance, kind: str, first: Any, second: Any) -> None:
    _namespace(glance)
    path = f"{BASE}/OS::Test/{kind}"
    assert glance("POST", path, ADMIN, json=first).status_code == 201
    assert glance("POST", path, ADMIN, json=first).status_code == 409
    assert first.items() <= glance("GET", f"{path}/a").json().items()
    assert second.items() <= glance("PUT", f"{path}/a", ADMIN, json=second).json().items()
    assert glance("GET", f"{path}/a").status_code == 404
    assert "properties" not in glance("GET", f"{path}/b").json()
    assert glance("DELETE", f"{path}/b", ADMIN).status_code == 204
    assert glance("DELETE", f"{path}/b", ADMIN).status_code == 404
    assert not glance("GET", path).json()[kind]


def test_tags_are_set_together_or_added_to_those_there_are(glance: Glance) -> None:
    _namespace(glance)
    path = f"{BASE}/OS::Test/tags"

    def names() -> list[str]:
        return [each["name"] for each in glance("GET", path).json()["tags"]]

    glance("POST", path, ADMIN, json={"tags": [{"name": "a"}, {"name": "b"}]})
    glance("POST", path, ADMIN, json={"tags": [{"name": "c"}]})
    assert names() == ["c"]
    more = {"headers": {"X-Auth-Token": ADMIN, "X-Openstack-Append": "true"}}
    glance.client.post(path, json={"tags": [{"name": "d"}]}, **more)  # type: ignore[arg-type]
    assert names() == ["c", "d"]
    assert glance("POST", path, ADMIN, json={"tags": [{"name": "e"}, {"name": "e"}]}).status_code == 409
    assert names() == ["c", "d"], "a refused request changes nothing"
    assert glance("PUT", f"{path}/d", ADMIN, json={"name": "c"}).status_code == 409


def test_a_namespace_is_found_by_the_resource_type_it_is_meant_for(glance: Glance) -> None:
    _namespace(glance, "volumes", resource_type_associations=[{"name": "OS::Cinder::Volume"}])
    _namespace(glance, "ours")
    glance("POST", f"{BASE}/ours/resource_types", ADMIN, json={"name": "My::Type"})
    found = glance("GET", f"{BASE}?resource_types=My::Type,Other").json()["namespaces"]
    assert [each["namespace"] for each in found] == ["ours"]
    assert "My::Type" in [
        each["name"] for each in glance("GET", "/v2/metadefs/resource_types").json()["resource_types"]
    ]
    assert glance("DELETE", f"{BASE}/ours/resource_types/My::Type", ADMIN).status_code == 204
    assert glance("GET", f"{BASE}/ours/resource_types").json()["resource_type_associations"] == []


def test_a_long_list_comes_in_pages(glance: Glance) -> None:
    for name in "abc":
        _namespace(glance, name)
    first = glance("GET", f"{BASE}?limit=2").json()
    second = glance("GET", first["next"]).json()
    assert [each["namespace"] for each in first["namespaces"] + second["namespaces"]] == ["c", "b", "a"]
    assert "next" not in second
    assert glance("GET", f"{BASE}?marker=nobody").status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        None, [], {}, {"namespace": ""}, {"namespace": "x" * 81}, {"namespace": "x", "visibility": "shared"},
        {"namespace": "x", "protected": "yes"}, {"namespace": "x", "tags": ["t"]}, {"namespace": "x", "unknown": 1},
        {"namespace": "x", "properties": {"p": {"title": "P"}}},
        {"namespace": "x", "properties": {"p": {"title": "P", "type": "complex"}}},
        {"namespace": "x", "objects": [{"name": "o"}, {"name": "o"}]},
    ],
)  # fmt: skip
def test_a_malformed_namespace_is_refused_and_leaves_nothing(glance: Glance, body: Any) -> None:
    assert glance("POST", BASE, ADMIN, json=body).status_code in (400, 409)
    assert glance("GET", BASE, ADMIN).json()["namespaces"] == []


@pytest.mark.parametrize("name", ["namespace", "object", "property", "tag"])
def test_the_schemas_say_what_requests_may_hold(glance: Glance, name: str) -> None:
    schema = glance("GET", f"/v2/schemas/metadefs/{name}").json()
    assert schema["name"] == name
    assert set(schema["required"]) <= set(schema["properties"])
