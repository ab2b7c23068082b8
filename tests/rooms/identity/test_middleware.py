"""Services of OpenStack can stand on this cloud: the released keystonemiddleware.auth_token accepts its tokens, and
refuses what it must."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from stackyard.testing.cloud import Persona, RunningCloud, cloud

# Its service is a process of its own.
pytestmark = pytest.mark.thorough

SUITES = Path(__file__).parents[3] / ".venv-tempest/bin/python"
SERVICE = Path(__file__).with_name("guarded_service.py")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with cloud(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(running: RunningCloud) -> Iterator[httpx.Client]:
    """The service, which has a user of its own with the role `service` and is in the catalog."""
    running.persona("service", "service")
    shop = running.admin.post("/identity/v3/services", {"service": {"type": "shop", "name": "shop"}})["service"]
    wanted = {"service_id": shop["id"], "interface": "public", "url": "http://shop", "region_id": "RegionOne"}
    running.admin.post("/identity/v3/endpoints", {"endpoint": wanted})
    settings = {
        "auth_type": "password", "auth_url": f"{running.url}/identity", "username": "service-of-service",
        "password": "a-long-password", "user_domain_id": "default", "project_name": "service",
        "project_domain_id": "default", "www_authenticate_uri": f"{running.url}/identity", "interface": "public",
        "service_type": "shop", "service_token_roles": "service", "service_token_roles_required": "true",
        "token_cache_time": "-1",
    }  # fmt: skip
    with subprocess.Popen(
        [SUITES, SERVICE, json.dumps(settings)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            yield client
        process.terminate()


def asked(guarded: httpx.Client, token: str, path: str = "/", **headers: str) -> httpx.Response:
    """The answer to a request with that token."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return guarded.get(path, headers={"X-Auth-Token": token, **named})


def test_a_service_learns_who_asks_and_in_which_scope(running: RunningCloud, guarded: httpx.Client) -> None:
    demo = asked(guarded, running.demo.token).json()
    assert (demo["USER_NAME"], demo["PROJECT_NAME"]) == ("demo", "demo")
    assert {"member", "reader"} <= set(demo["ROLES"].split(","))
    admin = running.seeded("stackyard-admin")
    assert "admin" in asked(guarded, admin.token).json()["ROLES"].split(",")
    clouds = yaml.safe_load((running.settings.state_dir / "clouds.yaml").read_text())["clouds"]
    password = clouds["stackyard-admin"]["auth"]["password"]
    system = running.login("admin", password, scope={"system": {"all": True}})
    told = asked(guarded, system.token).json()
    assert (told["OPENSTACK_SYSTEM_SCOPE"], told["PROJECT_NAME"]) == ("all", None)


def test_a_service_refuses_strangers_and_ended_tokens_at_once(running: RunningCloud, guarded: httpx.Client) -> None:
    assert guarded.get("/").status_code == 401
    assert asked(guarded, "gAAAAABnothing").status_code == 401
    demo = running.persona("shoppers")
    assert asked(guarded, demo.token).status_code == 200
    demo("DELETE", "/identity/v3/auth/tokens", ok=204, X_Subject_Token=demo.token)
    refused = asked(guarded, demo.token)
    assert refused.status_code == 401
    assert "identity" in refused.headers["WWW-Authenticate"]


def test_a_service_acts_for_a_user_by_a_service_token(running: RunningCloud, guarded: httpx.Client) -> None:
    helper = running.login("service-of-service", "a-long-password", "service")
    told = asked(guarded, running.demo.token, X_Service_Token=helper.token).json()
    assert (told["USER_NAME"], told["SERVICE_USER_NAME"]) == ("demo", "service-of-service")
    assert "service" in told["SERVICE_ROLES"].split(",")
    assert asked(guarded, running.demo.token, X_Service_Token=running.demo.token).status_code == 401


def test_an_application_credential_reaches_no_further_than_its_access_rules(
    running: RunningCloud, guarded: httpx.Client
) -> None:
    demo = running.demo
    rule = {"service": "shop", "method": "GET", "path": "/shelves/*"}
    wanted = {"application_credential": {"name": "robot", "access_rules": [rule]}}
    made = demo.post(f"/identity/v3/users/{_user_id(demo)}/application_credentials", wanted)["application_credential"]
    token = _by_application_credential(running, made)
    assert asked(guarded, token, "/shelves/one").status_code == 200
    assert asked(guarded, token, "/tills/one").status_code == 401


def _user_id(persona: Persona) -> str:
    shown = persona("GET", "/identity/v3/auth/tokens", ok=200, X_Subject_Token=persona.token).json()
    return str(shown["token"]["user"]["id"])


def _by_application_credential(running: RunningCloud, made: dict[str, Any]) -> str:
    named = {"id": made["id"], "secret": made["secret"]}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": named}}
    answer = httpx.post(f"{running.url}/identity/v3/auth/tokens", json={"auth": auth}, trust_env=False, timeout=30)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["X-Subject-Token"])
