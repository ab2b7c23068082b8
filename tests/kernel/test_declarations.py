"""What a declaration gets from the kernel, asked through the wire."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from falcon import testing

from stackyard.kernel.request.app import Front
from tests.in_process import client
from tests.kernel.toy import toy_chain

MEMBER, OTHER, READER, ADMIN = "p1:member", "p2:member", "p1:reader", "p0:admin"


class Toy:
    """A client of the toy cloud."""

    def __init__(self, client: testing.TestClient) -> None:
        self.client = client

    def __call__(
        self, method: str, path: str, body: Any = None, token: str | None = MEMBER, **headers: str
    ) -> testing.Result:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            given["X-Auth-Token"] = token
        raw = body if isinstance(body, bytes | str) else json.dumps(body) if body is not None else None
        path, _, query = path.partition("?")
        return self.client.simulate_request(
            method, "/toy" + path, body=raw, headers={"Content-Type": "application/json", **given}, query_string=query
        )

    def box(self, token: str = MEMBER, **values: Any) -> Any:
        result = self("POST", "/v1/boxes", {"box": {"size": 3, **values}}, token)
        assert result.status_code == 201, result.text
        return result.json["box"]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    front = Front(toy_chain(tmp_path))
    yield Toy(client(front))
    front.close()
    front.chain.services.database.close()


def test_a_created_object_can_be_shown_listed_changed_and_deleted(toy: Toy) -> None:
    box = toy.box(name="a")
    assert box["project_id"] == "p1"
    assert "secret" not in box
    assert "tags" not in box
    assert toy("GET", f"/v1/boxes/{box['id']}").json["box"] == box
    assert toy("GET", "/v1/boxes/a").json["box"] == box
    assert toy("GET", "/v1/boxes").json == {"boxes": [box]}
    changed = toy("PUT", f"/v1/boxes/{box['id']}", {"box": {"size": 4}}).json["box"]
    assert (changed["size"], changed["revision_number"], changed["name"]) == (4, 1, "a")
    assert toy("DELETE", f"/v1/boxes/{box['id']}").status_code == 204
    assert toy("GET", f"/v1/boxes/{box['id']}").status_code == 404


def test_another_project_neither_sees_nor_guesses_an_object(toy: Toy) -> None:
    box = toy.box(name="mine")
    for method, body in (("GET", None), ("PUT", {"box": {"size": 4}}), ("DELETE", None)):
        for key in (box["id"], "mine"):
            assert toy(method, f"/v1/boxes/{key}", body, OTHER).status_code == 404
    assert toy("GET", "/v1/boxes", token=OTHER).json == {"boxes": []}
    assert toy("GET", f"/v1/boxes?marker={box['id']}", token=ADMIN).status_code == 200
    assert toy("GET", f"/v1/boxes?marker={box['id']}", token=OTHER).status_code == 400


def test_policy_is_asked_before_the_schema_and_the_token_before_both(toy: Toy) -> None:
    assert toy("POST", "/v1/boxes", {"box": {"nonsense": 1}}, READER).status_code == 403
    refused = toy("POST", "/v1/boxes", {"box": {"nonsense": 1}}, None)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Keystone uri="http://toy/identity"'
    assert toy("GET", "/v1/nothing", None, None).status_code == 401
    assert toy("GET", "/v1/nothing").status_code == 404
    assert toy("PATCH", "/v1/boxes").headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("box", "field"),
    [
        ({}, "size"),
        ({"size": 0}, "size"),
        ({"size": "many"}, "size"),
        ({"size": None}, "size"),
        ({"size": True}, "size"),
        ({"size": 1, "name": "n" * 21}, "name"),
        ({"size": 1, "name": 5}, "name"),
        ({"size": 1, "colour": "red"}, "colour"),
        ({"size": 1, "id": "x"}, "id"),
        ({"size": 1, "tags": []}, "tags"),
        ({"size": 1, "name": "\u0000"}, "name"),
        ({"size": 1, "name": "\ud800"}, None),
    ],
)
def test_bad_input_is_400_and_names_the_field(toy: Toy, box: dict[str, Any], field: str | None) -> None:
    refused = toy("POST", "/v1/boxes", {"box": box})
    assert refused.status_code == 400, refused.text
    assert refused.json["field"] == field
    assert toy("GET", "/v1/boxes").json == {"boxes": []}


@pytest.mark.parametrize("body", ["{", "[1", "null", '"text"', b"\xff", '{"box": []}', '{"other": {}}', "[" * 100_000])
def test_malformed_bodies_are_400(toy: Toy, body: Any) -> None:
    assert toy("POST", "/v1/boxes", body).status_code == 400


def test_a_huge_body_is_413(toy: Toy) -> None:
    assert toy("POST", "/v1/boxes", "x" * (5 * 1024 * 1024)).status_code == 413


def test_microversions_bound_fields_and_actions(toy: Toy) -> None:
    newest = {"OpenStack_API_Version": "toy 1.3"}
    made = toy("POST", "/v1/boxes", {"box": {"size": 1, "tags": ["x"]}}, **newest)
    assert made.json["box"]["tags"] == ["x"]
    assert made.headers["openstack-api-version"] == "toy 1.3"
    identity = made.json["box"]["id"]
    assert toy("POST", f"/v1/boxes/{identity}/open", {"by": "me"}).status_code == 404
    assert toy("POST", f"/v1/boxes/{identity}/open", {"by": "me"}, **newest).json["by"] == "me"
    assert toy("GET", "/v1/boxes", OpenStack_API_Version="toy 9.9").status_code == 406
    assert toy("GET", "/v1/boxes", OpenStack_API_Version="toy one").status_code == 400
    assert toy("GET", "/v1/boxes", OpenStack_API_Version="toy latest").headers["openstack-api-version"] == "toy 1.4"


def test_pages_follow_each_other_in_any_order(toy: Toy) -> None:
    made = [toy.box(name=f"b{index % 3}", size=1 + index % 2)["id"] for index in range(7)]
    for sort in ("sort_key=size&sort_dir=desc&sort_key=name&sort_dir=asc", "sort_key=host", ""):
        seen: list[str] = []
        url = f"?limit=2&{sort}"
        while True:
            answer = toy("GET", f"/v1/boxes{url}").json
            seen += [box["id"] for box in answer["boxes"]]
            if "boxes_links" not in answer:
                break
            url = "?" + answer["boxes_links"][0]["href"].partition("?")[2]
        assert sorted(seen) == sorted(made)
    assert toy("GET", "/v1/boxes?sort_key=secret").status_code == 400
    assert toy("GET", "/v1/boxes?limit=-1").status_code == 400
    assert toy("GET", "/v1/boxes?marker=none").status_code == 400


def test_lists_are_filtered_and_attributes_chosen(toy: Toy) -> None:
    toy.box(name="a"), toy.box(name="b"), toy.box(name="c", size=9)
    assert [box["name"] for box in toy("GET", "/v1/boxes?name=a&name=c").json["boxes"]] == ["a", "c"]
    assert toy("GET", "/v1/boxes?size=9&fields=name").json["boxes"] == [{"name": "c"}]
    assert toy("GET", "/v1/boxes?size=huge").status_code == 400


def test_an_attribute_kept_for_administrators_is_403_for_others(toy: Toy) -> None:
    assert toy("POST", "/v1/boxes", {"box": {"size": 1, "host": "h"}}).status_code == 403
    assert toy("POST", "/v1/boxes", {"box": {"size": 1, "project_id": "p2"}}).status_code == 403
    assert toy.box(ADMIN, host="h", project_id="p2")["project_id"] == "p2"
    assert toy.box(host=None)["host"] is None


def test_bulk_create_is_all_or_nothing(toy: Toy) -> None:
    assert toy("POST", "/v1/boxes", {"boxes": [{"size": 1}, {"size": 99}]}).status_code == 400
    assert toy("GET", "/v1/boxes").json == {"boxes": []}
    assert len(toy("POST", "/v1/boxes", {"boxes": [{"size": 1}, {"size": 2}]}).json["boxes"]) == 2


def test_a_stale_revision_is_412(toy: Toy) -> None:
    box = toy.box()
    assert toy("PUT", f"/v1/boxes/{box['id']}", {"box": {"size": 4}}, If_Match="revision_number=7").status_code == 412
    assert toy("PUT", f"/v1/boxes/{box['id']}", {"box": {"size": 4}}, If_Match="revision_number=0").status_code == 200


def test_two_objects_of_one_name_are_409_by_name(toy: Toy) -> None:
    toy.box(name="twin"), toy.box(name="twin")
    assert toy("GET", "/v1/boxes/twin").status_code == 409


def test_a_fault_of_ours_says_nothing_but_the_request_id(toy: Toy) -> None:
    failed = toy("POST", "/break", {})
    assert failed.status_code == 500
    assert "ZeroDivision" not in failed.text
    assert failed.headers["x-openstack-request-id"] in failed.text


def test_a_version_document_needs_no_token(toy: Toy) -> None:
    assert toy("GET", "", None, None).json == {"versions": []}
