"""Logging in at a provider by the released clients: every plugin of keystoneauth that speaks OpenID Connect."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rooms.identity.command_line import CLIENTS, Client, client
from tests.rooms.identity.oidc_provider import CLIENT, PASSWORD, SECRET, Provider, acme

# Each command is a process of its own that takes a second to start.
pytestmark = pytest.mark.thorough

__all__ = ["acme", "client"]


RULES = [
    {
        "local": [{"user": {"name": "{0}"}, "group": {"name": "dev", "domain": {"name": "Default"}}}],
        "remote": [{"type": "OIDC-sub"}],
    }
]
#: Logs in by every plugin, and says as whom and where.
PLUGINS = """
import json, sys, threading, urllib.request
from keystoneauth1 import loading, session

asked = json.load(sys.stdin)
for name, options in asked.items():
    plugin = loading.get_plugin_loader(name).load_from_options(**options)
    if name == "v3oidcdeviceauthz":
        begun = plugin.get_payload

        def approve(session):
            payload = begun(session)
            urllib.request.urlopen(plugin.verification_uri_complete).read()
            return payload

        plugin.get_payload = approve
    access = plugin.get_access(session.Session())
    print(json.dumps([name, access.username, access.project_name, access.is_federated, access.role_names]))
"""


def printed(text: str) -> list[Any]:
    """The JSON documents that commands printed."""
    found, text = [], text.strip()
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


def rules_file(folder: Path) -> Path:
    path = folder / "rules.json"
    path.write_text(json.dumps(RULES))
    return path


@pytest.fixture
def connected(client: Client, acme: Provider, tmp_path: Path) -> dict[str, Any]:
    """What every plugin is told; the cloud connected with the provider by its operator and its administrator."""
    section = {"issuer": acme.url, "client_id": CLIENT, "client_secret": SECRET}
    path = client.state / "federation.yaml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump({"providers": {"acme": {"openid": section}}}))
    if not client("identity provider list -f json")[0]:
        client(
            "identity provider create --enable acme -f json",
            f"mapping create --rules {rules_file(tmp_path)} people -f json",
            "federation protocol create --identity-provider acme --mapping people openid -f json",
            "group create --domain Default dev -f json",
            "role add --group dev --project demo member",
        )
    return {
        "auth_url": f"{client.auth_url}/v3", "identity_provider": "acme", "protocol": "openid",
        "project_name": "demo", "project_domain_id": "default",
    }  # fmt: skip


def code(acme: Provider) -> str:
    """A code that jane's browser was given for some client of hers."""
    query = {"client_id": CLIENT, "redirect_uri": "http://127.0.0.1/", "scope": "openid", "nonce": "n", "state": "s",
             "response_type": "code"}  # fmt: skip
    agreed = acme.app.test_client().post("/oauth2/authorize", query_string=query, data={"sub": "jane"},
                                         base_url=acme.url)  # fmt: skip
    return str(agreed.headers["location"]).split("code=")[1].split("&")[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_plugin_of_keystoneauth_logs_in(client: Client, acme: Provider, connected: dict[str, Any]) -> None:
    own = {"client_id": CLIENT, "client_secret": SECRET, "access_token_endpoint": acme.token_endpoint}
    asked = {
        "v3oidcpassword": {**own, "username": "jane", "password": PASSWORD},
        "v3oidcclientcredentials": own,
        "v3oidcauthcode": {
            **own, "access_token_endpoint": f"{acme.url}/oauth2/token", "access_token_type": "id_token",
            "redirect_uri": "http://127.0.0.1/", "code": code(acme),
        },
        "v3oidcdeviceauthz": {**own, "device_authorization_endpoint": f"{acme.url}/more/device"},
        "v3oidcaccesstoken": {"access_token": acme.token(sub="joe")},
    }  # fmt: skip
    script = json.dumps({name: {**connected, **options} for name, options in asked.items()})
    done = subprocess.run(
        [CLIENTS / "python", "-c", PLUGINS], input=script, capture_output=True, text=True, timeout=120,
        env={"NO_PROXY": "*", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    people = {"v3oidcclientcredentials": CLIENT, "v3oidcaccesstoken": "joe"}
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found == [[name, people.get(name, "jane"), "demo", True, ["member", "reader"]] for name in asked]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_client_logs_in_with_a_password_at_the_provider(
    client: Client, acme: Provider, connected: dict[str, Any]
) -> None:
    settings = {f"OS_{name.upper()}": value for name, value in connected.items()}
    settings |= {
        "OS_AUTH_TYPE": "v3oidcpassword", "OS_CLIENT_ID": CLIENT, "OS_CLIENT_SECRET": SECRET, "OS_USERNAME": "jane",
        "OS_ACCESS_TOKEN_ENDPOINT": acme.token_endpoint, "OS_PASSWORD": PASSWORD, "OS_IDENTITY_API_VERSION": "3",
    }  # fmt: skip
    commands = "federation project list -f json\nfederation domain list -f json\ntoken issue -f json\n"
    done = client.run([], "", commands, **settings)
    assert done.stderr == "", done.stderr
    projects, domains, token = printed(done.stdout)
    assert [each["Name"] for each in projects] == ["demo"]
    assert domains == []
    assert token["project_id"] == projects[0]["ID"]
    refused = client.run(["token", "issue"], "", **{**settings, "OS_PASSWORD": "wrong"})
    assert refused.returncode != 0
