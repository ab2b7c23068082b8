"""Every identity command of the released client is used in this folder; each effect is confirmed by a second call."""

import json
import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.rooms.identity.command_line import CLIENTS, client, named
from tests.rooms.identity.shell import Shell, shell

pytestmark = pytest.mark.thorough

__all__ = ["client", "shell"]

def test_every_identity_command_of_the_client_is_used_in_this_folder() -> None:
    [packages] = CLIENTS.parent.glob("lib/python3*/site-packages")
    offered = {
        entry.name.replace("_", " ")
        for package in distributions(path=[str(packages)])
        for entry in package.entry_points
        if entry.group == "openstack.identity.v3"
    }
    text = " ".join(each.read_text() for each in Path(__file__).parent.glob("test_cli*.py"))
    assert len(offered) > 120
    assert {name for name in offered if not re.search(rf'"{re.escape(name)}[ "]', text)} == set()


def test_groups_and_who_is_in_them(shell: Shell) -> None:
    shell("group create sailors")
    shell("user create --domain default --password secret anne")
    shell("group add user sailors anne")
    assert shell("group contains user sailors anne") == "anne in group sailors"
    shell("group set --name crew --description afloat sailors")
    group = shell("group show crew")
    assert (group["name"], group["description"]) == ("crew", "afloat")
    shell("group delete crew")
    shell("user delete anne")
    shell.refuses("group show crew", "No Group found for crew")


def test_roles_regions_and_services_are_changed(shell: Shell) -> None:
    shell("role create mate")
    shell("role set --name boatswain mate")
    assert shell("role show boatswain")["name"] == "boatswain"
    assert "boatswain" in named(shell("role list"))
    shell("region create south")
    shell("region set --description down south")
    assert shell("region show south")["description"] == "down"
    shell("service create --name galley cooking")
    shell("service set --name mess --disable galley")
    service = shell("service show mess")
    assert (service["name"], service["enabled"]) == ("mess", False)
    endpoint = shell("endpoint create --region south mess public http://mess")
    shell(f"endpoint delete {endpoint['id']}")
    assert endpoint["id"] not in named(shell("endpoint list"), "ID")
    for each in ("role delete boatswain", "service delete mess", "region delete south"):
        shell(each)


def test_credentials_and_those_for_ec2(shell: Shell) -> None:
    made = shell("credential create --type cert --project demo demo first")
    shell(f"credential set --user demo --type cert --data second --project demo {made['id']}")
    assert shell(f"credential show {made['id']}")["blob"] == "second"
    assert made["id"] in named(shell("credential list --type cert"), "ID")
    shell(f"credential delete {made['id']}")
    assert made["id"] not in named(shell("credential list"), "ID")
    ec2 = shell("ec2 credentials create --user admin --project admin")
    assert shell(f"ec2 credentials show {ec2['access']}")["secret"] == ec2["secret"]
    assert ec2["access"] in named(shell("ec2 credentials list"), "Access")
    shell(f"ec2 credentials delete {ec2['access']}")
    assert shell("ec2 credentials list") == []


def test_application_credentials_and_their_access_rules(shell: Shell) -> None:
    rules = shell.file("rules.json", json.dumps([{"service": "identity", "path": "/v3/users/*", "method": "GET"}]))
    made = shell(f"application credential create --role reader --access-rules {rules} robot")
    assert made["Secret"]
    assert shell("application credential show robot")["ID"] == made["ID"]
    assert "robot" in named(shell("application credential list"))
    [rule] = shell("access rule list")
    assert shell(f"access rule show {rule['ID']}")["Path"] == "/v3/users/*"
    shell.refuses(f"access rule delete {rule['ID']}", "40")
    shell("application credential delete robot")
    shell(f"access rule delete {rule['ID']}")
    assert shell("access rule list") == []


def test_consumers_tokens_of_oauth_and_what_they_are_authorized_for(shell: Shell) -> None:
    consumer = shell("consumer create --description app")
    shell(f"consumer set --description application {consumer['id']}")
    assert shell(f"consumer show {consumer['id']}")["description"] == "application"
    assert consumer["id"] in named(shell("consumer list"), "ID")
    known = f"--consumer-key {consumer['id']} --consumer-secret {consumer['secret']}"
    request = shell(f"request token create {known} --project demo")
    admin_role = shell("role show admin")["id"]
    shell("role add --user admin --project demo admin")
    verifier = shell(f"request token authorize --request-key {request['id']} --role {admin_role}")["oauth_verifier"]
    asked = f"--request-key {request['id']} --request-secret {request['secret']} --verifier {verifier}"
    assert shell(f"access token create {known} {asked}")["secret"]
    shell.refuses(f"access token create {known} {asked}", "40")
    shell(f"consumer delete {consumer['id']}")
    assert consumer["id"] not in named(shell("consumer list"), "ID")
    shell("role remove --user admin --project demo admin")


def test_trusts(shell: Shell) -> None:
    made = shell("trust create --project admin --role reader --impersonate admin demo")
    assert [each["name"] for each in made["roles"]] == ["reader"]
    assert shell(f"trust show {made['id']}")["is_impersonation"] is True
    assert made["id"] in named(shell("trust list"), "ID")
    shell(f"trust delete {made['id']}")
    assert shell("trust list") == []


def test_endpoint_filters_shape_the_catalog_of_a_project(shell: Shell) -> None:
    shell("service create --name hidden cooking")
    endpoint = shell("endpoint create --region RegionOne hidden public http://hidden")["id"]
    shell(f"endpoint add project {endpoint} demo")
    assert endpoint in named(shell("endpoint list --project demo"), "ID")
    shell(f"endpoint remove project {endpoint} demo")
    assert endpoint not in named(shell("endpoint list --project demo"), "ID")
    filters = shell.file("filters.json", json.dumps({"interface": "public"}))
    group = shell(f"endpoint group create outside {filters}")["id"]
    narrower = shell.file("narrower.json", json.dumps({"interface": "public", "region_id": "RegionOne"}))
    shell(f"endpoint group set --name beyond --filters {narrower} {group}")
    assert shell(f"endpoint group show {group}")["filters"] == {"interface": "public", "region_id": "RegionOne"}
    shell(f"endpoint group add project {group} demo")
    assert named(shell("endpoint group list --project demo"), "ID") == {group}
    shell(f"endpoint group remove project {group} demo")
    assert shell("endpoint group list --project demo") == []
    shell(f"endpoint group delete {group}")
    assert shell("endpoint group list") == []
    shell(f"endpoint delete {endpoint}")
    shell("service delete hidden")


def test_policies(shell: Shell) -> None:
    made = shell(f"policy create --type text/plain {shell.file('policy', 'all')}")
    shell(f"policy set --rules {shell.file('more', 'none')} {made['id']}")
    assert shell(f"policy show {made['id']}")["rules"] == "none"
    assert made["id"] in named(shell("policy list"), "ID")
    shell(f"policy delete {made['id']}")
    assert shell("policy list") == []


def test_limits_registered_and_of_a_project(shell: Shell) -> None:
    registered = shell("registered limit create --service keystone --default-limit 10 --region RegionOne widgets")
    shell(f"registered limit set --default-limit 12 {registered['id']}")
    assert shell(f"registered limit show {registered['id']}")["default_limit"] == 12
    assert registered["id"] in named(shell("registered limit list"), "ID")
    own = shell("limit create --project demo --service keystone --region RegionOne --resource-limit 5 widgets")
    shell(f"limit set --resource-limit 7 {own['id']}")
    assert shell(f"limit show {own['id']}")["resource_limit"] == 7
    assert own["id"] in named(shell("limit list"), "ID")
    shell.refuses(f"registered limit delete {registered['id']}", "40")
    shell(f"limit delete {own['id']}")
    shell(f"registered limit delete {registered['id']}")
    assert (shell("limit list"), shell("registered limit list")) == ([], [])


def test_federation(shell: Shell) -> None:
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}]
    first = shell.file("mapping.json", json.dumps(rules))
    shell(f"mapping create --rules {first} people")
    rules[0]["remote"][0]["type"] = "OIDC-sub"
    shell(f"mapping set --rules {shell.file('other.json', json.dumps(rules))} people")
    assert shell("mapping show people")["rules"] == rules
    assert "people" in named(shell("mapping list"), "ID")
    shell("identity provider create --remote-id https://idp.example.org campus")
    shell("identity provider set --description university campus")
    assert shell("identity provider show campus")["description"] == "university"
    assert "campus" in named(shell("identity provider list"), "ID")
    shell("federation protocol create --identity-provider campus --mapping people openid")
    shell("mapping create others --rules", first)
    shell("federation protocol set --identity-provider campus --mapping others openid")
    assert shell("federation protocol show --identity-provider campus openid")["mapping"] == "others"
    assert "openid" in named(shell("federation protocol list --identity-provider campus"), "id")
    shell("federation protocol delete --identity-provider campus openid")
    assert shell("federation protocol list --identity-provider campus") == []
    shell("identity provider delete campus")
    shell("mapping delete people others")
    shell("service provider create --auth-url https://sp/v3 --service-provider-url https://sp/ecp partner")
    shell("service provider set --description friend partner")
    assert shell("service provider show partner")["description"] == "friend"
    assert "partner" in named(shell("service provider list"), "ID")
    shell("service provider delete partner")
    assert (shell("service provider list"), shell("identity provider list"), shell("mapping list")) == ([], [], [])
    shell("role add --user admin --domain default reader")
    assert named(shell("federation domain list")) == {"Default"}
    shell("role remove --user admin --domain default reader")
    assert "admin" in named(shell("federation project list"))
