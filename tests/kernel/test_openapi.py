"""The OpenAPI document of the whole cloud: valid, complete, and true to the declarations."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from stackyard.assemble import rooms
from stackyard.kernel.request.endpoints import endpoints
from stackyard.testing.cloud import RunningCloud, cloud


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with cloud(tmp_path_factory.mktemp("openapi")) as made:
        yield made


@pytest.fixture(scope="module")
def document(running: RunningCloud) -> Any:
    answer = httpx.get(f"{running.url}/openapi.json", trust_env=False, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def operation(document: Any, method: str, path: str) -> Any:
    return document["paths"][path][method]


def test_every_endpoint_of_every_room_is_in_it(document: Any) -> None:
    told = {
        (method, re.sub(r"\{\w+\}", "{}", path)) for path, methods in document["paths"].items() for method in methods
    }
    declared = {
        (each.method.lower(), re.sub(r"\{\w+\}", "{}", each.path)) for room in rooms() for each in endpoints(room)
    }
    assert told == declared


def test_every_reference_leads_somewhere_and_every_name_is_unique(document: Any) -> None:
    text = str(document)
    names = set(re.findall(r"#/components/schemas/([\w.]+)", text))
    assert names <= document["components"]["schemas"].keys()
    ids = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_placeholder_of_a_path_is_described(document: Any) -> None:
    for path, methods in document["paths"].items():
        for each in methods.values():
            described = {one["name"] for one in each["parameters"] if one["in"] == "path"}
            assert described == set(re.findall(r"\{(\w+)\}", path)), path


def test_what_the_declaration_says_of_a_field_is_told(document: Any) -> None:
    create = operation(document, "post", "/networking/v2.0/subnets")
    schema = create["requestBody"]["content"]["application/json"]["schema"]["anyOf"][0]["properties"]["subnet"]
    assert schema["required"] == ["network_id", "ip_version"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["ip_version"] == {
        "type": "integer",
        "minimum": 4,
        "maximum": 6,
        "description": "4 or 6.",
    }
    assert "id" not in schema["properties"]
    shown = document["components"]["schemas"]["network.subnet"]["properties"]
    assert {"id", "cidr", "project_id", "tenant_id"} <= shown.keys()


def test_policy_microversions_and_the_watch_are_told(document: Any) -> None:
    resize = operation(document, "post", "/container/v1/containers/{id}/resize_container")
    assert "from version 1.19" in resize["description"]
    assert "Policy: `" in resize["description"]
    assert "OpenStack-API-Version" in {each["name"] for each in resize["parameters"]}
    listing = operation(document, "get", "/image/v2/images")
    assert "text/event-stream" in listing["responses"]["200"]["content"]
    assert {"watch", "since"} <= {each["name"] for each in listing["parameters"]}


def test_refusals_are_told_in_each_services_own_words(document: Any, running: RunningCloud) -> None:
    for path, room in (("/networking/v2.0/ports/x", "network"), ("/container/v1/containers/x", "container")):
        refused = running.demo("GET", path, ok=404).json()
        assert document["components"]["schemas"][f"{room}.error"]["properties"].keys() == refused.keys()


def test_public_paths_ask_for_no_token_and_the_others_do(document: Any) -> None:
    assert operation(document, "get", "/identity/v3")["security"] == []
    assert "security" not in operation(document, "get", "/networking/v2.0/ports")
    assert document["security"] == [{"token": []}]


def test_the_page_to_read_it_in_needs_nothing_from_elsewhere(running: RunningCloud) -> None:
    page = httpx.get(f"{running.url}/docs", trust_env=False, timeout=30)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page.text)
    assert 'fetch("openapi.json")' in page.text
