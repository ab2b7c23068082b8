"""What clients ask first: versions, schemas, and what the service offers."""

import pytest

from tests.rooms.image.glance import Glance


def test_versions_need_no_token_and_lead_to_the_api(glance: Glance) -> None:
    choices, listed = glance("GET", "", None), glance("GET", "/versions", None)
    assert (choices.status_code, listed.status_code) == (300, 200)
    assert choices.json() == listed.json()
    assert glance("GET", "/", None).json() == listed.json()
    versions = listed.json()["versions"]
    assert [each["id"] for each in versions if each["status"] == "CURRENT"] == ["v2.9"]
    assert versions[0]["links"] == [{"rel": "self", "href": f"{glance.url}/image/v2/"}]


@pytest.mark.parametrize("name", ["image", "images", "member", "members"])
def test_every_schema_answers_under_its_name(glance: Glance, name: str) -> None:
    answer = glance("GET", f"/v2/schemas/{name}")
    assert (answer.status_code, answer.json()["name"]) == (200, name)


def test_the_schema_of_an_image_is_true_of_an_image(glance: Glance) -> None:
    schema = glance("GET", "/v2/schemas/image").json()
    image = glance.active(hw_arch="arm")
    assert set(image) - {"hw_arch"} <= set(schema["properties"])
    assert schema["properties"]["status"]["readOnly"]
    assert "readOnly" not in schema["properties"]["name"]
    assert None in schema["properties"]["disk_format"]["enum"]
    assert "status_reason" not in schema["properties"]


def test_imports_and_stores_are_told(glance: Glance) -> None:
    assert glance("GET", "/v2/info/import").json()["import-methods"]["value"] == ["glance-direct", "web-download"]
    assert [each["id"] for each in glance("GET", "/v2/info/stores").json()["stores"]] == ["files"]


@pytest.mark.parametrize("path", ["/v2/tasks", "/v2/schemas/task"])
def test_what_is_not_offered_yet_says_so(glance: Glance, path: str) -> None:
    answer = glance("GET", path)
    assert answer.status_code == 501
    assert "docs/rooms/image.md" in answer.json()["message"]
    assert glance("GET", path, None).status_code == 401
