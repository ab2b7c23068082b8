"""Keystone's unified limits are held to where networks are made, beside Neutron's own quotas."""

from collections.abc import Iterator
from typing import Any

import pytest

from stackyard.testing.cloud import RunningCloud, cloud

NETWORKS, QUOTAS = "/networking/v2.0/networks", "/networking/v2.0/quotas"
REGISTERED, LIMITS = "/identity/v3/registered_limits", "/identity/v3/limits"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with cloud(tmp_path_factory.mktemp("limits"), limit_model="strict_two_level") as running:
        yield running


@pytest.fixture
def registered(strict: RunningCloud) -> Iterator[dict[str, Any]]:
    service = strict.admin.get("/identity/v3/services?type=network")["services"][0]["id"]
    what = {"service_id": service, "resource_name": "network"}
    made = strict.admin.post(REGISTERED, {"registered_limits": [{**what, "default_limit": 3}]})
    yield what
    for each in strict.admin.get(LIMITS)["limits"]:
        strict.admin("DELETE", f"{LIMITS}/{each['id']}", ok=204)
    strict.admin("DELETE", f"{REGISTERED}/{made['registered_limits'][0]['id']}", ok=204)


def limit(strict: RunningCloud, what: dict[str, Any], amount: int, **holder: str) -> None:
    strict.admin.post(LIMITS, {"limits": [{**what, "resource_limit": amount, **holder}]})


def shown(strict: RunningCloud, project: str) -> int:
    return int(strict.admin.get(f"{QUOTAS}/{project}")["quota"]["network"])


def project_of(strict: RunningCloud, name: str) -> str:
    return str(strict.admin.get(f"/identity/v3/projects?name={name}")["projects"][0]["id"])


def test_the_more_particular_limit_holds_and_of_two_the_unified_one(
    strict: RunningCloud, registered: dict[str, Any]
) -> None:
    one = strict.persona("one", "member")
    project = project_of(strict, "one")
    assert shown(strict, project) == 3
    strict.admin("PUT", f"{QUOTAS}/{project}", {"quota": {"network": 2}})
    assert shown(strict, project) == 2
    limit(strict, registered, 1, project_id=project)
    assert shown(strict, project) == 1
    refused = strict.admin("PUT", f"{QUOTAS}/{project}", {"quota": {"network": 5}}, ok=409)
    assert "openstack limit set" in refused.json()["NeutronError"]["message"]
    one.post(NETWORKS, {"network": {}})
    over = one("POST", NETWORKS, {"network": {}}, ok=409)
    assert "1 of at most 1 are used" in over.json()["NeutronError"]["message"]


def test_a_domains_projects_together_have_no_more_than_the_domains_limit(
    strict: RunningCloud, registered: dict[str, Any]
) -> None:
    two, three = strict.persona("two", "member"), strict.persona("three", "member")
    used = len(strict.admin.get(NETWORKS)["networks"])
    limit(strict, registered, used + 1, domain_id="default")
    strict.admin("PUT", f"{QUOTAS}/{project_of(strict, 'three')}", {"quota": {"network": 50}})
    two.post(NETWORKS, {"network": {}})
    over = three("POST", NETWORKS, {"network": {}}, ok=409)
    assert "domain default" in over.json()["NeutronError"]["message"]


def test_without_unified_limits_quotas_are_as_they_were(strict: RunningCloud) -> None:
    assert shown(strict, project_of(strict, "demo")) == 100
