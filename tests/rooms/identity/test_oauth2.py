"""OAuth 2.0's client credentials, and users whom a proxy has authenticated."""

import base64
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from falcon.testing import Result

from stackyard.kernel.request.proxies import Proxies
from tests.rooms.identity.cloud import Admin, Cloud, project_scope

_NAMES = (f"client-{number}" for number in itertools.count())
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def client(shared: Cloud) -> dict[str, Any]:
    """An application credential of the user demo."""
    token = shared.token("demo", project_scope("demo"))
    user = shared.ask("GET", "/v3/auth/tokens", token=token, X_Subject_Token=token).json["token"]["user"]["id"]
    body = {"application_credential": {"name": "client"}}
    made: dict[str, Any] = shared.ask("POST", f"/v3/users/{user}/application_credentials", body, token).json
    return {**made["application_credential"], "user_id": user}


def ask(cloud: Cloud, form: str = "grant_type=client_credentials", basic: str = "", kind: str = FORM) -> Result:
    headers = {"Content_Type": kind}
    if basic:
        headers["Authorization"] = f"Basic {base64.b64encode(basic.encode()).decode()}"
    return cloud.ask("POST", "/v3/OS-OAUTH2/token", form, **headers)


def test_other_methods_are_refused_before_anybody_is_asked_who_they_are(shared: Cloud) -> None:
    for method in ("GET", "PUT", "DELETE"):
        refused = shared.ask(method, "/v3/OS-OAUTH2/token")
        assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
    assert shared.ask("PUT", "/v3/users").status_code == 401


def test_an_application_credential_gets_a_bearer_token(shared: Cloud, client: dict[str, Any]) -> None:
    result = ask(shared, basic=f"{client['id']}:{client['secret']}")
    assert result.status_code == 200, result.text
    assert result.json["token_type"] == "Bearer"
    assert 3590 <= result.json["expires_in"] <= 3600
    assert result.headers["Cache-Control"] == "no-store"
    token = result.json["access_token"]
    shown = shared.ask("GET", "/v3/auth/tokens", X_Subject_Token=token, Authorization=f"Bearer {token}")
    assert shown.json["token"]["application_credential"]["id"] == client["id"]
    assert shared.ask("GET", "/v3/auth/projects", Authorization="Bearer nothing").status_code == 401
    assert shared.ask("GET", "/v3/auth/projects", Authorization=f"Basic {token}").status_code == 401


def test_the_client_may_be_in_the_form(shared: Cloud, client: dict[str, Any]) -> None:
    form = f"grant_type=client_credentials&client_id={client['id']}&client_secret={client['secret']}"
    assert ask(shared, form).status_code == 200


@pytest.mark.parametrize(
    ("form", "basic", "kind", "status", "error"),
    [
        ("", "", FORM, 400, "invalid_request"),
        ("grant_type=password", "", FORM, 400, "unsupported_grant_type"),
        ("grant_type=", "", FORM, 400, "unsupported_grant_type"),
        ("scope=all", "", FORM, 400, "invalid_request"),
        ("grant_type=client_credentials", "", FORM, 401, "invalid_client"),
        ("grant_type=client_credentials", "nobody:nothing", FORM, 401, "invalid_client"),
        ("grant_type=client_credentials", "nobody", FORM, 401, "invalid_client"),
        ('{"grant_type": "client_credentials"}', "", "application/json", 400, "invalid_request"),
    ],
)
def test_errors_are_in_the_words_of_oauth(
    shared: Cloud, form: str, basic: str, kind: str, status: int, error: str
) -> None:
    result = ask(shared, form, basic, kind)
    assert result.status_code == status
    assert result.json["error"] == error
    assert result.json["error_description"]
    assert ("WWW-Authenticate" in result.headers) == (status == 401)


def test_a_wrong_secret_and_a_user_who_must_prove_more_get_nothing(
    shared: Cloud, admins: Admin, client: dict[str, Any]
) -> None:
    assert ask(shared, basic=f"{client['id']}:wrong").status_code == 401
    rules = [["password", "totp"]]
    admins.change("user", client["user_id"], options={"multi_factor_auth_rules": rules})
    try:
        assert ask(shared, basic=f"{client['id']}:{client['secret']}").status_code == 401
    finally:
        admins.change("user", client["user_id"], options={"multi_factor_auth_rules": None})


@pytest.fixture
def behind_a_proxy(shared: Cloud) -> Iterator[Cloud]:
    """The cloud as an operator sets it up behind a proxy at 127.0.0.1."""
    shared.settings.external_user_header = "X-Remote-User"
    shared.settings.external_domain_header = "X-Remote-Domain"
    before, shared.front.proxies = shared.front.proxies, Proxies(["127.0.0.1"])
    yield shared
    shared.front.proxies = before
    shared.settings.external_user_header = shared.settings.external_domain_header = ""


def external(cloud: Cloud, **headers: str) -> int:
    return int(cloud.authenticate({"external": {}}, "unscoped", **headers).status_code)


def test_a_proxy_that_was_named_says_who_it_is(behind_a_proxy: Cloud) -> None:
    result = behind_a_proxy.authenticate({"external": {}}, X_Remote_User="demo")
    assert result.status_code == 201, result.text
    assert result.json["token"]["methods"] == ["external"]
    assert result.json["token"]["user"]["name"] == "demo"
    assert external(behind_a_proxy, X_Remote_User="demo", X_Remote_Domain="Default") == 201
    assert external(behind_a_proxy, X_Remote_User="demo", X_Remote_Domain="Other") == 401
    assert external(behind_a_proxy, X_Remote_User="nobody") == 401
    assert external(behind_a_proxy) == 401


def test_nobody_else_is_believed_and_without_the_setting_nobody_at_all(shared: Cloud, behind_a_proxy: Cloud) -> None:
    behind_a_proxy.front.proxies = Proxies(["192.0.2.1"])
    assert external(behind_a_proxy, X_Remote_User="demo") == 401
    behind_a_proxy.front.proxies = Proxies(["127.0.0.1"])
    behind_a_proxy.settings.external_user_header = ""
    assert external(behind_a_proxy, X_Remote_User="demo") == 401
