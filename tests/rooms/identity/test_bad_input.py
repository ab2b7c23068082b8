"""Whatever comes in, the answer is one the Identity API defines: never a 500, never a half-made object."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackyard.rooms.identity.room import ROOM
from tests.databases import copied_state
from tests.rooms.identity.cloud import Cloud

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
BODIES: dict[str, Any] = {
    "/v3/users": {"user": {"name": "a", "domain_id": "default", "password": "p", "options": {"lock_password": True}}},
    "/v3/projects": {
        "project": {"name": "a", "domain_id": "default", "parent_id": "default", "tags": ["x"], "is_domain": False}
    },
    "/v3/domains": {"domain": {"name": "a", "explicit_domain_id": "b", "options": {"immutable": True}}},
    "/v3/groups": {"group": {"name": "a", "domain_id": "default", "description": "c"}},
    "/v3/roles": {"role": {"name": "a", "domain_id": "default", "options": {}}},
    "/v3/regions": {"region": {"id": "a", "parent_region_id": "RegionOne"}},
    "/v3/services": {"service": {"type": "a", "name": "b", "enabled": True}},
    "/v3/endpoints": {"endpoint": {"service_id": "a", "interface": "public", "url": "http://x", "region": "b"}},
    "/v3/auth/tokens": {
        "auth": {
            "identity": {
                "methods": ["password", "token"],
                "password": {"user": {"name": "demo", "domain": {"id": "default"}, "password": "x"}},
                "token": {"id": "x"},
            },
            "scope": {"project": {"name": "demo", "domain": {"name": "Default"}}},
        }
    },
    "/v3/users/none/password": {"user": {"original_password": "a", "password": "b"}},
}  # fmt: skip
LISTS = ("users", "projects", "domains", "groups", "roles", "regions", "services", "endpoints", "role_assignments")
PARAMETERS = (
    "name", "domain_id", "enabled", "parent_id", "is_domain", "tags", "not-tags-any", "limit", "marker", "sort_key",
    "sort_dir", "name__contains", "user.id", "role.id", "scope.project.id", "scope.system", "effective",
    "include_names", "include_subtree",
)  # fmt: skip


@pytest.fixture(scope="module")
def shared(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, str]]:
    folder = tmp_path_factory.mktemp("battered") / "state"
    with copied_state(seeded, folder):
        cloud = Cloud(folder)
        yield cloud, cloud.token("admin")
        cloud.close()


def places(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a body can be broken: every member and item, at every depth."""
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [path, *(each for key, value in inner for each in places(value, (*path, key)))]


def broken(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[path[0]] = broken(body[path[0]], path[1:], value)
    return copy


@given(st.data())
@pytest.mark.parametrize("path", BODIES)
def test_a_body_broken_anywhere_is_taken_or_refused_in_the_apis_words(
    shared: tuple[Cloud, str], path: str, data: st.DataObject
) -> None:
    cloud, token = shared
    where = data.draw(st.sampled_from(places(BODIES[path])))
    result = cloud.ask("POST", path, broken(BODIES[path], where, data.draw(JSON)), token)
    assert result.status_code in (201, 204, 400, 401, 403, 404, 409), result.text
    if result.status_code >= 400:
        error = result.json["error"]
        assert (error["code"], bool(error["message"])) == (result.status_code, True)


@given(
    path=st.sampled_from(LISTS),
    name=st.sampled_from(PARAMETERS),
    value=st.text(st.characters(codec="latin-1"), max_size=12),
)
def test_a_query_is_answered_or_refused_in_the_apis_words(
    shared: tuple[Cloud, str], path: str, name: str, value: str
) -> None:
    cloud, token = shared
    result = cloud.client.simulate_request(
        "GET", f"/identity/v3/{path}", params={name: value}, headers={"X-Auth-Token": token}
    )
    assert result.status_code in (200, 400, *((404,) if name == "marker" else ())), result.text


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("domain", {"name": "idle"}),
        ("group", {"name": "idle"}),
        ("project", {"name": "idle"}),
        ("region", {}),
        ("role", {"name": "idle"}),
        ("service", {"type": "idle"}),
        ("user", {"name": "idle"}),
        ("endpoint_group", {"name": "idle", "filters": {"interface": "public"}}),
    ],
)
def test_an_update_of_nothing_is_refused(shared: tuple[Cloud, str], kind: str, values: dict[str, Any]) -> None:
    cloud, token = shared
    path = "/v3/OS-EP-FILTER/endpoint_groups" if kind == "endpoint_group" else f"/v3/{kind}s"
    made = cloud.ask("POST", path, {kind: values}, token).json[kind]
    refused = cloud.ask("PATCH", f"{path}/{made['id']}", {kind: {}}, token)
    assert (refused.status_code, "changes nothing" in refused.json["error"]["message"]) == (400, True)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_json_are_refused(shared: tuple[Cloud, str], raw: bytes) -> None:
    cloud, token = shared
    for path in ("/v3/auth/tokens", "/v3/users"):
        assert cloud.ask("POST", path, raw, token).status_code in (400, 401)


@pytest.mark.parametrize("value", [[[]], {"a": 1}, 2**63, 1.5, True, "a\0b"], ids=repr)
def test_what_is_no_text_where_one_belongs_is_refused_though_policy_is_asked_first(
    shared: tuple[Cloud, str], value: Any
) -> None:
    cloud, token = shared
    for resource in ROOM.resources:
        path = resource.path.format_map(dict.fromkeys(resource.parents, "0" * 32)) if resource.parents else None
        for name in resource.texts:
            for body in ({resource.name: {name: value}}, {resource.many: [{name: value}]}, {name: value}):
                result = cloud.ask("POST", path or resource.path, body, token)
                assert result.status_code < 500, (resource.name, name, body, result.text)
