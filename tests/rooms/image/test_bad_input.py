"""Whatever is sent, the answer says what is wrong, and the service is as before: never an error of our own."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rooms.image.glance import ADMIN, PATCH, Glance

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["name", "id", "owner", "tags", "visibility", "protected", "os_hidden", "min_disk", "disk_format", "size", "status",
     "container_format", "checksum", "created_at", "locations", "status_reason", "stores"]
) | st.text(max_size=30)  # fmt: skip
QUERIES = st.lists(
    st.tuples(
        NAMES
        | st.sampled_from(["limit", "marker", "sort", "sort_key", "sort_dir", "tag", "member_status", "size_min"]),
        st.text(max_size=40)
        | st.sampled_from(["in:a,b", 'in:"', "gt:2026-01-01T00:00:00Z", "name:asc", "9" * 30, "-1"]),
    ),
    max_size=4,
)


def _send(glance: Glance, method: str, path: str, body: Any, media: str = "application/json") -> None:
    answer = glance(method, path, ADMIN, content=json.dumps(body).encode(), headers={"Content-Type": media})
    assert answer.status_code < 500, (method, path, body, answer.text)
    if answer.status_code >= 400:
        assert answer.json()["message"]


@SHARED
@given(body=VALUES | st.dictionaries(NAMES, VALUES, max_size=5))
def test_any_body_of_a_new_image(glance: Glance, body: Any) -> None:
    _send(glance, "POST", "/v2/images", body)


@SHARED
@given(
    body=VALUES
    | st.lists(
        st.fixed_dictionaries(
            {"op": st.sampled_from(["add", "replace", "remove", "x"]), "path": NAMES.map(lambda name: f"/{name}")},
            optional={"value": VALUES},
        ),
        max_size=4,
    )
)
def test_any_patch(glance: Glance, body: Any) -> None:
    _send(glance, "PATCH", f"/v2/images/{glance.image()['id']}", body, PATCH)


@SHARED
@given(body=VALUES | st.fixed_dictionaries({"member": VALUES, "status": VALUES}))
def test_any_member(glance: Glance, body: Any) -> None:
    path = f"/v2/images/{glance.image()['id']}/members"
    _send(glance, "POST", path, body)
    _send(glance, "PUT", f"{path}/x", body)


@SHARED
@given(body=VALUES | st.fixed_dictionaries({"method": VALUES, "stores": VALUES}))
def test_any_import(glance: Glance, body: Any) -> None:
    _send(glance, "POST", f"/v2/images/{glance.image()['id']}/import", body)


@SHARED
@given(query=QUERIES)
def test_any_query(glance: Glance, query: list[tuple[str, str]]) -> None:
    answer = glance("GET", "/v2/images?" + urlencode(query), ADMIN)
    assert answer.status_code in (200, 400), answer.text


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "PUT", "POST"])
@pytest.mark.parametrize(
    "part", ["", "/file", "/members", "/members/x", "/tags/x", "/actions/deactivate", "/import", "/stage"]
)
@pytest.mark.parametrize("image_id", ["nothing", "%00", "..%2f..", "a" * 300, "0f7a2c1e-0000-4000-8000-000000000000"])
def test_any_path(glance: Glance, method: str, part: str, image_id: str) -> None:
    headers = {
        "Content-Type": PATCH
        if method == "PATCH"
        else "application/octet-stream"
        if part in ("/file", "/stage")
        else "application/json"
    }
    answer = glance(
        method,
        f"/v2/images/{image_id}{part}",
        ADMIN,
        content=b"[]"
        if method == "PATCH"
        else b'{"member":"x","status":"accepted","method":{"name":"web-download","uri":"http://x"}}',
        headers=headers,
    )
    assert answer.status_code in (404, 405), answer.text
    assert glance.files() == []


@pytest.mark.parametrize(
    "query", ["size=9999999999999999999", "size=-9223372036854775809", "size_min=" + "9" * 18, "virtual_size=x"]
)
def test_numbers_that_no_image_has(glance: Glance, query: str) -> None:
    answer = glance("GET", f"/v2/images?{query}")
    assert answer.status_code in (200, 400), answer.text
    assert answer.json().get("images", []) == []


@pytest.mark.parametrize(
    "raw", [b'{"name":"\\ud800"}', b'{"\\udfff":"x"}', b'{"tags":["\\u0000"]}', b"\xff", b"[" * 5000, b""]
)
def test_text_that_is_none(glance: Glance, raw: bytes) -> None:
    answer = glance("POST", "/v2/images", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
