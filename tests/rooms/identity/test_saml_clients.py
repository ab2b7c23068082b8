"""From one cloud to another by the released client: keystoneauth's plugin Keystone2Keystone."""

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree

from stackyard.rooms.identity.resources.saml.xml import name
from tests.rooms.identity.command_line import CLIENTS, Client, served

# Two servers, and commands that take a second each to start.
pytestmark = pytest.mark.thorough

RULES = [
    {
        "local": [
            {"user": {"name": "{0}"}, "groups": "{1}"},
            {"projects": [{"name": "{2} of west", "roles": [{"name": "member"}]}]},
        ],
        "remote": [{"type": "openstack_user"}, {"type": "openstack_groups"}, {"type": "openstack_project"}],
    }
]
GO_ON = """
import json, sys
from keystoneauth1 import loading, session
from keystoneauth1.identity.v3 import Keystone2Keystone

asked = json.load(sys.stdin)
here = loading.get_plugin_loader("v3password").load_from_options(**asked["here"])
there = Keystone2Keystone(here, "east", **asked["there"])
access = there.get_access(session.Session())
print(json.dumps([access.username, access.project_name, access.is_federated, access.role_names]))
"""


def write(client: Client, connections: Any) -> None:
    path = client.state / "federation.yaml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(connections))


def certificates(client: Client) -> list[str]:
    with urllib.request.urlopen(f"{client.auth_url}/v3/OS-FEDERATION/saml2/metadata") as answer:
        found = etree.fromstring(answer.read()).iter(name("ds:X509Certificate"))
    return [each.text for each in found]


def test_keystoneauth_and_the_client_go_from_one_cloud_to_another(tmp_path: Path) -> None:
    for each in ("west", "east"):
        (tmp_path / each).mkdir()
    with served(tmp_path / "west") as west, served(tmp_path / "east") as east:
        write(west, {"saml": {}})
        entity = f"{west.auth_url}/v3/OS-FEDERATION/saml2/idp"
        trusted = {"entity_id": entity, "certificates": certificates(west)}
        write(east, {"providers": {"west": {"saml2": trusted}}})
        rules = tmp_path / "rules.json"
        rules.write_text(json.dumps(RULES))
        east(
            "identity provider create --enable west -f json",
            f"mapping create --rules {rules} west -f json",
            "federation protocol create --identity-provider west --mapping west saml2 -f json",
            "group create dev -f json",
        )
        takes = f"{east.auth_url}/v3/OS-FEDERATION/identity_providers/west/protocols/saml2/auth"
        west(
            f"service provider create --auth-url {takes} --service-provider-url {takes} --enable east -f json",
            "group create dev -f json",
            "group add user dev demo",
        )
        cloud = yaml.safe_load((west.state / "clouds.yaml").read_text())["clouds"]["stackyard"]["auth"]
        here = {each: cloud[each] for each in ("username", "password", "project_name")}
        here |= {"auth_url": f"{west.auth_url}/v3", "project_domain_name": "Default", "user_domain_name": "Default"}
        domain = next(each for each in east("domain list -f json")[0] if each["Name"] != "Default")
        there = {"project_name": "demo of west", "project_domain_id": domain["ID"]}
        done = subprocess.run(
            [CLIENTS / "python", "-c", GO_ON], input=json.dumps({"here": here, "there": there}), capture_output=True,
            text=True, timeout=120, env={"NO_PROXY": "*", "PATH": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == ["demo", "demo of west", True, ["member", "reader"]]
        options = ["--os-service-provider", "east", "--os-remote-project-name", "demo of west",
                   "--os-remote-project-domain-id", domain["ID"], "token", "issue", "-f", "json"]  # fmt: skip
        issued = west.run(options, "stackyard")
        assert issued.returncode == 0, issued.stderr
        shown = east.run(["project", "show", "demo of west", "-f", "json"], "stackyard-admin")
        assert json.loads(issued.stdout)["project_id"] == json.loads(shown.stdout)["id"]
