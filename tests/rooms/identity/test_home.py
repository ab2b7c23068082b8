"""The home document of the API: where its resources are, for those who ask for that."""

import re
from typing import Any

import pytest

from stackyard.kernel.request.endpoints import endpoints
from stackyard.rooms.identity.resources.home import relations
from stackyard.rooms.identity.room import ROOM
from tests.rooms.identity.cloud import Cloud

HOME = "application/json-home"
BASE = "https://docs.openstack.org/api/openstack-identity/3"


def resources(cloud: Cloud, path: str) -> dict[str, Any]:
    answer = cloud.ask("GET", path, Accept=HOME)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == HOME
    assert "Accept" in answer.headers["Vary"]
    found: dict[str, Any] = answer.json["resources"]
    return found


def test_every_path_of_the_home_document_is_answered() -> None:
    answered = {re.sub(r"{\w+}", "{}", each.path) for each in endpoints(ROOM)}
    told = [(name, re.sub(r"{\w+}", "{}", f"/identity/v3{path}")) for name, path in relations()]
    assert len(told) > 110
    assert [each for each in told if each[1] not in answered] == []


def test_resources_and_their_parameters_have_the_names_that_clients_know(shared: Cloud) -> None:
    found = resources(shared, "/v3")
    assert found[f"{BASE}/rel/auth_tokens"] == {"href": "/auth/tokens"}
    assert found[f"{BASE}/rel/project_user_role"] == {
        "href-template": "/projects/{project_id}/users/{user_id}/roles/{role_id}",
        "href-vars": {name: f"{BASE}/param/{name}" for name in ("project_id", "user_id", "role_id")},
    }
    trust = found[f"{BASE}/ext/OS-TRUST/1.0/rel/trust"]
    assert trust["href-vars"] == {"trust_id": f"{BASE}/ext/OS-TRUST/1.0/param/trust_id"}
    implied = found[f"{BASE}/rel/implied_role"]["href-vars"]
    assert set(implied.values()) == {f"{BASE}/param/role_id"}
    assert found[f"{BASE}/rel/limits"]["hints"] == {"status": "experimental"}


def test_above_the_versions_the_paths_begin_with_one(shared: Cloud) -> None:
    assert resources(shared, "")[f"{BASE}/rel/users"] == {"href": "/v3/users"}


@pytest.mark.parametrize(
    ("accept", "home"),
    [
        ("*/*", False),
        ("application/json", False),
        (f"{HOME};q=0.9, application/json", False),
        (f"application/json;q=0.5, {HOME};q=0.3", False),
        (f"{HOME}, application/json;q=0.2", True),
        (f"{HOME};q=0.3, text/html", True),
        (f"{HOME};q=high", False),
    ],
)
def test_plain_json_is_answered_unless_the_home_document_is_preferred(shared: Cloud, accept: str, home: bool) -> None:
    answer = shared.ask("GET", "/v3", Accept=accept)
    assert ("resources" in answer.json) == home
    assert ("version" in answer.json) != home
