"""keystoneauth's plugins log in with credentials of every kind, which the released client has made."""

import base64
import json
import os
import subprocess
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.rooms.identity.command_line import CLIENTS, Client, client

# Each client is a process of its own that takes a second to start.
pytestmark = pytest.mark.thorough

__all__ = ["client"]


#: Logs in with a plugin of keystoneauth and asks for something with what it got.
PLUGIN = """
import json, sys
from keystoneauth1 import loading, session
name, url, given = sys.argv[1:]
plugin = loading.get_plugin_loader(name).load_from_options(auth_url=f"{url}/v3", **json.loads(given))
asked = session.Session(auth=plugin)
access = plugin.get_access(asked)
reached = asked.get(f"{url}/v3/auth/projects").json()["projects"]
headers = plugin.get_headers(asked)
print(json.dumps({
    "user": access.username, "project": access.project_name, "roles": sorted(access.role_names),
    "projects": sorted(each["name"] for each in reached), "bearer": "Authorization" in headers,
}))
"""


def log_in(client: Client, plugin: str, **options: Any) -> dict[str, Any]:
    words = [str(CLIENTS / "python"), "-c", PLUGIN, plugin, client.auth_url, json.dumps(options)]
    done = subprocess.run(words, capture_output=True, text=True, env=client.environment(""), timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _passcode(seed: bytes) -> str:
    return TOTP(seed, 6, SHA1(), 30).generate(int(time.time())).decode()


def test_a_consumer_logs_in_with_an_access_token(client: Client) -> None:
    (consumer,) = client("consumer create --description printer -f json")
    key = f"--consumer-key {consumer['id']} --consumer-secret {consumer['secret']}"
    (asked,) = client(f"request token create {key} --project admin -f json")
    (leave,) = client(f"request token authorize --request-key {asked['id']} --role member -f json")
    (access,) = client(
        f"access token create {key} --request-key {asked['id']} --request-secret {asked['secret']} "
        f"--verifier {leave['oauth_verifier']} -f json"
    )
    given = {"consumer_key": consumer["id"], "consumer_secret": consumer["secret"]}
    given |= {"access_key": access["id"], "access_secret": access["secret"]}
    logged_in = log_in(client, "v3oauth1", **given)
    assert logged_in["project"] == "admin"
    assert logged_in["roles"] == ["member", "reader"]


def test_an_application_credential_logs_in(client: Client) -> None:
    (made,) = client("application credential create keystoneauth -f json", cloud="stackyard")
    options = {"application_credential_id": made["ID"], "application_credential_secret": made["Secret"]}
    found = log_in(client, "v3applicationcredential", **options)
    assert (found["user"], found["project"], found["roles"]) == ("demo", "demo", ["member", "reader"])
    named = {
        "application_credential_name": "keystoneauth", "application_credential_secret": made["Secret"],
        "username": "demo", "user_domain_id": "default",
    }  # fmt: skip
    assert log_in(client, "v3applicationcredential", **named) == found


def test_oauth_2_client_credentials_log_in(client: Client) -> None:
    (made,) = client("application credential create oauth2 -f json", cloud="stackyard")
    options = {
        "oauth2_endpoint": f"{client.auth_url}/v3/OS-OAUTH2/token",
        "oauth2_client_id": made["ID"], "oauth2_client_secret": made["Secret"],
    }  # fmt: skip
    found = log_in(client, "v3oauth2clientcredential", **options)
    assert (found["user"], found["project"], found["bearer"]) == ("demo", "demo", True)


def test_passcodes_and_several_methods_log_in(client: Client) -> None:
    seed = os.urandom(20)
    text = base64.b32encode(seed).decode()
    client(
        "user create --domain default --password secret careful -f json",
        f"credential create --type totp careful {text} -f json",
        "role add --user careful --project demo member",
    )  # fmt: skip
    who = {"username": "careful", "user_domain_id": "default", "project_name": "demo", "project_domain_id": "default"}
    found = log_in(client, "v3totp", **who, passcode=_passcode(seed))
    assert (found["user"], found["project"]) == ("careful", "demo")
    other = os.urandom(20)
    client(
        f"credential create --type totp careful {base64.b32encode(other).decode()} -f json",
        "user set --enable-multi-factor-auth --multi-factor-auth-rule password,totp careful",
    )
    both = {"auth_methods": ["v3password", "v3totp"], "password": "secret", "passcode": _passcode(other)}
    assert log_in(client, "v3multifactor", **who, **both) == found
