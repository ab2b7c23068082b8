"""The released `openstack` client: trusts, policies, endpoint groups and filters, limits; each effect confirmed by a
second call."""

import json
from pathlib import Path

import pytest
import yaml

from tests.rooms.identity.command_line import Client, client, named

# Each command is a process of its own that takes a second to start.
pytestmark = pytest.mark.thorough

__all__ = ["client"]


def test_trusts(client: Client) -> None:
    shown = client(
        *(f"{each} -f json" for each in ("user show admin", "user show demo", "project show demo", "role show member"))
    )
    admin, demo, project, member = (each["id"] for each in shown)
    given = f"--project {project} --role {member} --impersonate --expiration 2099-01-01T00:00:00 {demo} {admin}"
    (made,) = client(f"trust create {given} -f json", cloud="stackyard")
    login = yaml.safe_load((client.state / "clouds.yaml").read_text())["clouds"]["stackyard-admin"]["auth"]
    settings = {name: login[name] for name in ("auth_url", "username", "password", "user_domain_id")}
    environment = {f"OS_{name.upper()}": value for name, value in {**settings, "trust_id": made["id"]}.items()}
    token = client.run(["token", "issue", "-f", "json"], "", OS_AUTH_TYPE="password", **environment)
    assert json.loads(token.stdout)["user_id"] == demo, token.stderr
    everything, theirs, shown, _, after = client(
        "trust list -f json",
        f"trust list --trustor {demo} -f json",
        f"trust show {made['id']} -f json",
        f"trust delete {made['id']}",
        "token issue -f json",
        "trust list -f json",
    )
    assert (made["trustor_user_id"], made["is_impersonation"]) == (demo, True)
    assert made["expires_at"] == "2099-01-01T00:00:00.000000Z"
    assert shown["id"] == made["id"]
    assert [each["ID"] for each in everything] == [each["ID"] for each in theirs] == [made["id"]]
    assert after == []


def test_policies(client: Client, tmp_path: Path) -> None:
    rules, others = tmp_path / "rules.json", tmp_path / "others.json"
    rules.write_text('{"a": "role:b"}')
    others.write_text("{}")
    (made,) = client(f"policy create --type application/json {rules} -f json")
    policy = made["id"]
    listed, changed, after = client(
        "policy list --long -f json",
        f"policy set --type text/x --rules {others} {policy}",
        f"policy show {policy} -f json",
        f"policy delete {policy}",
        "policy list -f json",
    )
    assert made["rules"] == '{"a": "role:b"}'
    assert [each["ID"] for each in listed] == [policy]
    assert (changed["type"], changed["rules"]) == ("text/x", "{}")
    assert after == []


def test_endpoint_groups_and_filters(client: Client, tmp_path: Path) -> None:
    wanted = tmp_path / "filters.json"
    wanted.write_text('{"interface": "public"}')
    (found,) = client("endpoint list --service keystone --interface public -f json")
    endpoint = found[0]["ID"]
    made, of_project, in_demo, catalog, left, groups = client(
        f"endpoint group create --description all public {wanted} -f json",
        "endpoint group add project public demo",
        "endpoint group list --project demo -f json",
        f"endpoint add project {endpoint} demo",
        "endpoint list --project demo -f json",
        "endpoint group remove project public demo",
        "catalog list -f json",
        f"endpoint remove project {endpoint} demo",
        "endpoint list --project demo -f json",
        "endpoint group set --name open public",
        "endpoint group show open -f json",
        "endpoint group delete open",
    )
    assert (made["name"], groups["id"]) == ("public", made["id"])
    assert [each["ID"] for each in of_project] == [made["id"]]
    assert {each["Interface"] for each in in_demo} == {"public"}
    assert len(in_demo) > 1
    assert left == []
    assert named(catalog) == {"keystone", "neutron", "swift"}


def test_limits(client: Client) -> None:
    registered, changed, shown = client(
        "registered limit create --service neutron --default-limit 10 --description most port -f json",
        "limit create --project demo --service neutron --resource-limit 3 port -f json",
        "registered limit list -f json",
    )
    base, limit = registered["id"], changed["id"]
    assert [each["ID"] for each in shown] == [base]
    assert (changed["resource_limit"], changed["region_id"]) == (3, None)
    higher, raised, listed, left, none = client(
        f"limit set --resource-limit 4 {limit} -f json",
        f"registered limit set --default-limit 11 {base} -f json",
        "limit list -f json",
        f"limit show {limit} -f json",
        f"limit delete {limit}",
        f"registered limit show {base} -f json",
        f"registered limit delete {base}",
        "registered limit list -f json",
    )[:5]
    assert (higher["resource_limit"], raised["default_limit"]) == (4, 11)
    assert [each["ID"] for each in listed] == [limit]
    assert (left["id"], none["id"]) == (limit, base)
    assert client("registered limit list -f json", "limit list -f json") == [[], []]
