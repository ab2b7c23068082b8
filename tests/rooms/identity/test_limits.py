"""Registered limits, limits of projects and domains, and the models by which they bound each other."""

from typing import Any

import pytest
from falcon import testing

from tests.rooms.identity.cloud import Admin, Cloud

REGISTERED, LIMITS = "/v3/registered_limits", "/v3/limits"


@pytest.fixture
def service(admins: Admin) -> str:
    return str(admins.make("service", type="thing")["id"])


def registered(admins: Admin, service: str, name: str = "cores", amount: int = 10, **more: Any) -> dict[str, Any]:
    wanted = {"service_id": service, "resource_name": name, "default_limit": amount, **more}
    made = admins.do("POST", REGISTERED, {"registered_limits": [wanted]})
    one: dict[str, Any] = made.json["registered_limits"][0]
    return one


def limits(admins: Admin, *wanted: dict[str, Any]) -> testing.Result:
    return admins.cloud.ask("POST", LIMITS, {"limits": list(wanted)}, admins.token)


def limit(service: str, amount: int, name: str = "cores", **holder: str) -> dict[str, Any]:
    return {"service_id": service, "resource_name": name, "resource_limit": amount, **holder}


def test_several_are_made_at_once_or_none(shared: Cloud, admins: Admin, service: str) -> None:
    one = {"service_id": service, "resource_name": "cores", "default_limit": 5, "description": "so many"}
    made = admins.do("POST", REGISTERED, {"registered_limits": [one, {**one, "resource_name": "ram"}]}).json
    assert [each["resource_name"] for each in made["registered_limits"]] == ["cores", "ram"]
    assert "links" not in made
    again = shared.ask("POST", REGISTERED, {"registered_limits": [{**one, "resource_name": "disk"}, one]}, admins.token)
    assert again.status_code == 409
    found = admins.do("GET", f"{REGISTERED}?service_id={service}").json["registered_limits"]
    assert {each["resource_name"] for each in found} == {"cores", "ram"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"default_limit": -2}, "default_limit"),
        ({"default_limit": True}, "default_limit"),
        ({"service_id": "nowhere"}, "service_id"),
        ({"region_id": "nowhere"}, "region_id"),
        ({"resource_name": ""}, "resource_name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_a_registered_limit_is_named(
    shared: Cloud, admins: Admin, service: str, given: dict[str, Any], field: str
) -> None:
    wanted = {"service_id": service, "resource_name": "cores", "default_limit": 5, **given}
    refused = shared.ask("POST", REGISTERED, {"registered_limits": [wanted]}, admins.token)
    assert (refused.status_code, field in refused.json["error"]["message"]) == (400, True)


def test_a_limit_needs_a_registered_one_which_then_stays(shared: Cloud, admins: Admin, service: str) -> None:
    project = admins.make("project", name=f"limited-{service[:6]}")["id"]
    assert limits(admins, limit(service, 5, project_id=project)).status_code == 403
    base = registered(admins, service)
    made = limits(admins, limit(service, 5, project_id=project))
    assert made.status_code == 201
    one = made.json["limits"][0]
    assert (one["project_id"], one["domain_id"], one["region_id"]) == (project, None, None)
    assert limits(admins, limit(service, 6, project_id=project)).status_code == 409
    path = f"{REGISTERED}/{base['id']}"
    assert shared.ask("DELETE", path, token=admins.token).status_code == 403
    moved = shared.ask("PATCH", path, {"registered_limit": {"resource_name": "ram"}}, admins.token)
    assert moved.status_code == 403
    raised = admins.do("PATCH", path, {"registered_limit": {"default_limit": 20}}).json["registered_limit"]
    assert raised["default_limit"] == 20
    changed = admins.do("PATCH", f"{LIMITS}/{one['id']}", {"limit": {"resource_limit": 7}}).json["limit"]
    assert changed["resource_limit"] == 7
    other = shared.ask("PATCH", f"{LIMITS}/{one['id']}", {"limit": {"project_id": "x"}}, admins.token)
    assert (other.status_code, "project_id" in other.json["error"]["message"]) == (400, True)
    admins.do("DELETE", f"/v3/projects/{project}")
    assert shared.ask("GET", f"{LIMITS}/{one['id']}", token=admins.token).status_code == 404
    assert admins.do("DELETE", path).status_code == 204


def test_a_limit_is_a_projects_or_a_domains(shared: Cloud, admins: Admin, service: str) -> None:
    registered(admins, service)
    both = limits(admins, limit(service, 5, project_id="x", domain_id="default"))
    none = limits(admins, limit(service, 5))
    assert (both.status_code, none.status_code) == (400, 400)
    assert "project_id" in limits(admins, limit(service, 5, project_id="gone")).json["error"]["message"]
    made = limits(admins, limit(service, 5, domain_id="default"))
    assert made.json["limits"][0]["domain_id"] == "default"


def test_people_see_the_limits_of_their_own(shared: Cloud, admins: Admin, service: str) -> None:
    registered(admins, service)
    demo = admins.named("project", "demo")["id"]
    other = admins.make("project", name=f"other-{service[:6]}")["id"]
    theirs, others = (
        limits(admins, limit(service, 5, project_id=each)).json["limits"][0]["id"] for each in (demo, other)
    )
    token = shared.token("demo")
    seen = {each["id"] for each in shared.ask("GET", LIMITS, token=token).json["limits"]}
    assert (theirs in seen, others in seen) == (True, False)
    assert shared.ask("GET", f"{LIMITS}/{theirs}", token=token).status_code == 200
    assert shared.ask("GET", f"{LIMITS}/{others}", token=token).status_code == 403
    assert shared.ask("GET", f"{REGISTERED}?service_id={service}", token=token).json["registered_limits"]


def test_the_model_is_told(shared: Cloud) -> None:
    model = shared.ask("GET", f"{LIMITS}/model", token=shared.token("demo")).json["model"]
    assert model["name"] == "flat"
    assert model["description"]


class TestStrictTwoLevel:
    @pytest.fixture(autouse=True)
    def strict(self, shared: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shared.settings, "limit_model", "strict_two_level")

    @pytest.fixture
    def domain(self, admins: Admin, service: str) -> str:
        return str(admins.make("domain", name=f"d-{service[:6]}")["id"])

    @pytest.fixture
    def project(self, admins: Admin, domain: str) -> str:
        return str(admins.make("project", name="p", domain_id=domain)["id"])

    def test_a_projects_limit_is_at_most_its_domains(
        self, admins: Admin, service: str, domain: str, project: str
    ) -> None:
        registered(admins, service, amount=10)
        refused = limits(admins, limit(service, 11, project_id=project))
        assert (refused.status_code, "hierarchy model" in refused.json["error"]["message"]) == (403, True)
        assert limits(admins, limit(service, -1, project_id=project)).status_code == 403
        together = limits(admins, limit(service, 15, project_id=project), limit(service, 20, domain_id=domain))
        assert together.status_code == 201
        of_project, of_domain = (each["id"] for each in together.json["limits"])
        lower = admins.cloud.ask("PATCH", f"{LIMITS}/{of_domain}", {"limit": {"resource_limit": 14}}, admins.token)
        assert lower.status_code == 403
        admins.do("PATCH", f"{LIMITS}/{of_project}", {"limit": {"resource_limit": 3}})
        admins.do("PATCH", f"{LIMITS}/{of_domain}", {"limit": {"resource_limit": 14}})

    def test_projects_stand_two_deep_below_their_domain(self, admins: Admin, project: str) -> None:
        deeper = admins.make("project", name="deeper", parent_id=project)["id"]
        body = {"project": {"name": "deepest", "parent_id": deeper}}
        assert admins.cloud.ask("POST", "/v3/projects", body, admins.token).status_code == 403
