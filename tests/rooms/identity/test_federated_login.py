"""People of a real OpenID Connect provider log in: by its tokens, through a browser, by a trusted proxy."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from falcon.testing import Result

from stackyard.kernel.errors import Unavailable
from stackyard.kernel.work import SystemClock
from stackyard.rooms.identity.reconcile import end_memberships
from stackyard.rooms.identity.resources.federation import discovery
from stackyard.rooms.identity.resources.federation.assertion import from_claims
from stackyard.rooms.identity.resources.federation.connections import Oidc
from stackyard.rooms.identity.resources.federation.oidc import AT_ONCE
from stackyard.rooms.identity.throttle import PER_ADDRESS, PER_USER
from tests.rooms.identity.cloud import Admin, Cloud, project_scope
from tests.rooms.identity.conftest import MovableClock
from tests.rooms.identity.federation import PROVIDERS, call, mapping, protocol, provider
from tests.rooms.identity.oidc_provider import CLIENT, SECRET, Provider, acme

# Authlib, below the provider, is on its way to another library of its own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

__all__ = ["acme"]

AUTH = f"{PROVIDERS}/acme/protocols/openid/auth"
WEBSSO = "/v3/auth/OS-FEDERATION/identity_providers/acme/protocols/openid/websso"
DASHBOARD = "https://horizon.test/auth/websso/"
RULES = [
    {
        "local": [
            {"user": {"name": "{0}", "email": "{1}"}},
            {"groups": "{2}", "domain": {"id": "default"}},
        ],
        "remote": [{"type": "OIDC-sub"}, {"type": "HTTP_OIDC_EMAIL"}, {"type": "OIDC-groups", "blacklist": ["ops"]}],
    }
]


def connect(cloud: Cloud, acme: Provider, **more: Any) -> None:
    """The operator's side."""
    section = {"issuer": acme.url, "client_id": CLIENT, "client_secret": SECRET}
    section |= {"introspection_endpoint": f"{acme.url}/more/introspect", **more}
    write(cloud, {"trusted_dashboards": [DASHBOARD], "providers": {"acme": {"openid": section}}})


def write(cloud: Cloud, connections: Any) -> Path:
    path = cloud.settings.state_dir / "federation.yaml"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(connections))
    return path


@pytest.fixture
def ready(cloud: Cloud, do: Admin, acme: Provider) -> dict[str, Any]:
    """The administrator's side; a group `dev` that may use the project `demo`. Returns the provider."""
    connect(cloud, acme)
    made = provider(do, enabled=True)
    mapping(do, "people", RULES)
    protocol(do)
    dev = do.make("group", name="dev", domain_id="default")
    do.grant(f"projects/{do.named('project', 'demo')['id']}", f"groups/{dev['id']}", "member")
    return {**made, "dev": dev["id"]}


def log_in(cloud: Cloud, token: str, status: int = 201) -> Result:
    answer = cloud.ask("POST", AUTH, Authorization=f"Bearer {token}")
    assert answer.status_code == status, answer.text
    return answer


def rescoped(cloud: Cloud, unscoped: str, scope: Any) -> Result:
    identity = {"methods": ["token"], "token": {"id": unscoped}}
    return cloud.ask("POST", "/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}})


# -- by a token of the provider --


def test_a_token_of_the_provider_is_good_for_an_unscoped_one_and_that_for_a_scoped_one(
    cloud: Cloud, do: Admin, acme: Provider, ready: dict[str, Any]
) -> None:
    answer = log_in(cloud, acme.token())
    token, unscoped = answer.json["token"], answer.headers["X-Subject-Token"]
    assert token["methods"] == ["mapped"]
    assert (token["user"]["name"], token["user"]["domain"]["id"]) == ("jane", ready["domain_id"])
    said = {"groups": [{"id": ready["dev"]}], "identity_provider": {"id": "acme"}, "protocol": {"id": "openid"}}
    assert token["user"]["OS-FEDERATION"] == said
    assert "project" not in token
    assert "password_expires_at" not in token["user"]
    for path in ("/v3/auth/projects", "/v3/OS-FEDERATION/projects"):
        assert [each["name"] for each in cloud.ask("GET", path, token=unscoped).json["projects"]] == ["demo"]
    assert cloud.ask("GET", "/v3/OS-FEDERATION/domains", token=unscoped).json["domains"] == []
    answer = rescoped(cloud, unscoped, project_scope("demo"))
    assert [each["name"] for each in answer.json["token"]["roles"]] == ["member", "reader"]
    scoped = answer.headers["X-Subject-Token"]
    shown = cloud.ask("GET", "/v3/auth/tokens", token=do.token, X_Subject_Token=scoped).json["token"]
    assert shown["user"]["OS-FEDERATION"] == said
    assert set(shown["methods"]) == {"mapped", "token"}
    assert rescoped(cloud, unscoped, project_scope("admin")).status_code == 401
    user = call(do, 200, "GET", f"/v3/users/{token['user']['id']}")["user"]
    assert user["email"] == "jane@acme.test"
    assert user["federated"] == [{"idp_id": "acme", "protocols": [{"protocol_id": "openid", "unique_id": "jane"}]}]


def test_who_comes_again_is_the_same_user_under_the_name_of_today(
    cloud: Cloud, do: Admin, acme: Provider, ready: dict[str, Any]
) -> None:
    local = {"user": {"id": "{0}", "name": "{1}"}}
    by_id = [{"local": [local], "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-name"}]}]
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", {"mapping": {"rules": by_id}})
    first = log_in(cloud, acme.token(sub="7/ü", name="Jane")).json["token"]["user"]
    again = log_in(cloud, acme.token(sub="7/ü", name="Jane Doe")).json["token"]["user"]
    other = log_in(cloud, acme.token(sub="8", name="Jane Doe")).json["token"]["user"]
    assert (first["id"], first["name"], again["name"]) == (again["id"], "Jane", "Jane Doe")
    assert (other["id"] != again["id"], other["name"]) == (True, "Jane Doe (8)")
    assert [each["id"] for each in call(do, 200, "GET", "/v3/users?unique_id=7/%25C3%25BC")["users"]] == [first["id"]]


def test_an_opaque_token_is_asked_about(cloud: Cloud, acme: Provider, ready: dict[str, Any]) -> None:
    assert log_in(cloud, acme.opaque()).json["token"]["user"]["name"] == "jane"
    assert "not active" in log_in(cloud, "made-up", 401).text
    assert "not for stackyard" in log_in(cloud, acme.opaque(client_id="somebody-else"), 401).text


#: What a token says otherwise than it must, and why it is refused then.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"exp": 1}, "expired"),
    ({"nbf": 4_000_000_000}, "not good yet"),
    ({"exp": "soon"}, "no moment"),
    ({"exp": None}, "until when"),
    ({"aud": "somebody-else"}, "for somebody-else, not for stackyard"),
    ({"aud": None}, "for nobody"),
    ({"iss": "https://elsewhere.test"}, "issued by https://elsewhere.test"),
    ({"key_id": "unknown"}, "does not publish"),
    ({"key": rsa.generate_private_key(65537, 2048)}, "signature does not hold"),
]


def test_a_token_that_is_not_for_here_and_now_is_refused_with_the_reason(
    cloud: Cloud, acme: Provider, ready: dict[str, Any]
) -> None:
    for claims, said in REFUSED:
        assert said in log_in(cloud, acme.token(**claims), 401).text


def test_signatures_that_anybody_can_make_are_refused(cloud: Cloud, acme: Provider, ready: dict[str, Any]) -> None:
    import jwt

    claims = jwt.decode(acme.token(), options={"verify_signature": False})
    for token in (jwt.encode(claims, "", "none"), jwt.encode(claims, "k" * 32, "HS256", {"kid": acme.key_id})):
        assert "is not taken" in log_in(cloud, token, 401).text
    assert "has no token" in cloud.ask("GET", AUTH).text


def test_a_new_key_is_found_when_the_provider_has_rotated(
    cloud: Cloud, acme: Provider, ready: dict[str, Any], clock: MovableClock
) -> None:
    import joserfc.jwk

    log_in(cloud, acme.token())
    fresh = joserfc.jwk.RSAKey.generate_key(2048, {"kid": "fresh"})
    token = acme.token(key=fresh.private_key, key_id="fresh")
    assert "does not publish" in log_in(cloud, token, 401).text
    with pytest.MonkeyPatch.context() as patch:
        published = {"keys": [fresh.as_dict(private=False)]}
        patch.setitem(acme.app.view_functions, "oidc-provider-mock.jwks", lambda: published)
        clock.ahead += type(clock.ahead)(seconds=6)
        log_in(cloud, token)
    clock.ahead += type(clock.ahead)(seconds=6)
    log_in(cloud, acme.token())


def test_what_the_provider_does_not_answer_is_unavailable(cloud: Cloud, acme: Provider, ready: dict[str, Any]) -> None:
    connect(cloud, acme, jwks_uri="http://127.0.0.1:1/jwks")
    assert "does not answer" in log_in(cloud, acme.token(), 503).text
    connect(cloud, acme, client_secret="wrong")
    assert "does not take this cloud's client" in log_in(cloud, acme.opaque(), 503).text


def test_a_provider_that_hangs_holds_up_no_more_than_its_share(
    cloud: Cloud, acme: Provider, ready: dict[str, Any]
) -> None:
    connect(cloud, acme)
    log_in(cloud, acme.token())
    parties = cloud.services.bound["federation"]
    party = parties.party(parties.connection("acme", "openid"))
    with ExitStack() as waiting:
        for _ in range(AT_ONCE):
            waiting.enter_context(party._place())
        assert "Try again" in log_in(cloud, acme.token(), 503).text
    log_in(cloud, acme.token())


def test_a_file_that_cannot_be_used_says_so_and_nothing_of_what_it_holds(
    cloud: Cloud, acme: Provider, ready: dict[str, Any]
) -> None:
    path = write(cloud, {"providers": {"acme": {"openid": {"issuer": "http://far.test", "client_id": "x"}}}})
    said = log_in(cloud, acme.token(), 503).text
    assert "federation.yaml" in said
    assert "far.test" not in said
    path.chmod(0o644)
    assert "chmod 600" in log_in(cloud, acme.token(), 503).text
    path.unlink()
    assert "not connected" in log_in(cloud, acme.token(), 404).text


# -- what comes of it --


def test_disabling_the_provider_ends_its_tokens_at_once(
    cloud: Cloud, do: Admin, acme: Provider, ready: dict[str, Any]
) -> None:
    unscoped = log_in(cloud, acme.token()).headers["X-Subject-Token"]
    call(do, 200, "PATCH", f"{PROVIDERS}/acme", {"identity_provider": {"enabled": False}})
    assert cloud.ask("GET", "/v3/auth/projects", token=unscoped).status_code == 401
    assert "disabled" in log_in(cloud, acme.token(), 403).text
    call(do, 200, "PATCH", f"{PROVIDERS}/acme", {"identity_provider": {"enabled": True}})
    assert cloud.ask("GET", "/v3/auth/projects", token=unscoped).status_code == 200
    call(do, 204, "DELETE", f"{PROVIDERS}/acme/protocols/openid")
    assert cloud.ask("GET", "/v3/auth/projects", token=unscoped).status_code == 401
    log_in(cloud, acme.token(), 404)


def test_a_membership_outlives_the_token_by_the_time_of_the_provider(
    cloud: Cloud, do: Admin, acme: Provider, ready: dict[str, Any], clock: MovableClock
) -> None:
    user = log_in(cloud, acme.token()).json["token"]["user"]["id"]
    members = f"/v3/groups/{ready['dev']}/users"
    assert call(do, 200, "GET", members)["users"] == []
    call(do, 200, "PATCH", f"{PROVIDERS}/acme", {"identity_provider": {"authorization_ttl": 10}})
    log_in(cloud, acme.token())
    assert [each["id"] for each in call(do, 200, "GET", members)["users"]] == [user]
    listed = call(do, 200, "GET", f"/v3/users/{user}/groups")["groups"]
    assert listed[0]["membership_expires_at"] is not None
    unscoped = log_in(cloud, acme.token(groups=["hr"])).headers["X-Subject-Token"]
    assert call(do, 200, "GET", members)["users"] == []
    assert rescoped(cloud, unscoped, project_scope("demo")).status_code == 401
    earlier = log_in(cloud, acme.token()).headers["X-Subject-Token"]
    log_in(cloud, acme.token(groups=["hr"]))
    assert rescoped(cloud, earlier, project_scope("demo")).status_code == 404
    log_in(cloud, acme.token())
    clock.ahead += type(clock.ahead)(minutes=11)
    assert end_memberships(cloud.services).examined == 1
    assert call(do, 200, "GET", members)["users"] == []
    assert end_memberships(cloud.services).examined == 0


def test_projects_are_made_and_roles_given_and_taken_as_the_mapping_says(
    cloud: Cloud, do: Admin, acme: Provider, ready: dict[str, Any]
) -> None:
    local = {"user": {"name": "{0}"}, "projects": [{"name": "lab of {0}", "roles": [{"name": "member"}]}]}
    rules = [{"local": [local], "remote": [{"type": "OIDC-sub"}]}]
    change = {"mapping": {"rules": rules, "schema_version": "3.0"}}
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", change)
    unscoped = log_in(cloud, acme.token()).headers["X-Subject-Token"]
    answer = rescoped(cloud, unscoped, project_scope("lab of jane", ready["domain_id"]))
    assert [each["name"] for each in answer.json["token"]["roles"]] == ["member", "reader"]
    local["projects"] = [{"name": "other", "roles": [{"name": "reader"}], "domain": {"name": "Default"}}]
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", change)
    unscoped = log_in(cloud, acme.token()).headers["X-Subject-Token"]
    reached = cloud.ask("GET", "/v3/auth/projects", token=unscoped).json["projects"]
    assert [(each["name"], each["domain_id"]) for each in reached] == [("other", "default")]
    local["projects"][0]["roles"] = [{"name": "captain"}]
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", change)
    assert "captain" in log_in(cloud, acme.token(), 400).text


def test_a_role_of_a_domain_is_given_on_projects_of_that_domain_alone(
    cloud: Cloud, do: Admin, acme: Provider, ready: dict[str, Any]
) -> None:
    do.make("role", name="pilot", domain_id=ready["domain_id"])
    project: dict[str, Any] = {"name": "lab", "roles": [{"name": "pilot"}]}
    rules = [{"local": [{"user": {"name": "{0}"}, "projects": [project]}], "remote": [{"type": "OIDC-sub"}]}]
    change = {"mapping": {"rules": rules, "schema_version": "2.0"}}
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", change)
    user = log_in(cloud, acme.token()).json["token"]["user"]["id"]
    (given,) = do.do("GET", f"/v3/role_assignments?user.id={user}&include_names=true").json["role_assignments"]
    assert (given["role"]["name"], given["scope"]["project"]["name"]) == ("pilot", "lab")
    project["domain"] = {"name": "Default"}
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", change)
    assert "there is no such role" in log_in(cloud, acme.token(), 400).text
    do.make("role", name="navigator", domain_id="default")
    project["roles"] = [{"name": "navigator"}]
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", change)
    assert "there is no such role" in log_in(cloud, acme.token(), 400).text, "it is not of the user's domain"


def test_a_project_that_is_named_twice_has_the_roles_of_both(
    cloud: Cloud, do: Admin, acme: Provider, ready: dict[str, Any]
) -> None:
    projects = [{"name": "lab", "roles": [{"name": each}]} for each in ("reader", "manager")]
    rules = [{"local": [{"user": {"name": "{0}"}, "projects": projects}], "remote": [{"type": "OIDC-sub"}]}]
    change = {"mapping": {"rules": rules, "schema_version": "3.0"}}
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", change)
    for _ in range(2):
        user = log_in(cloud, acme.token()).json["token"]["user"]["id"]
        path = f"/v3/role_assignments?user.id={user}&include_names=true"
        given = do.do("GET", path).json["role_assignments"]
        assert sorted(each["role"]["name"] for each in given) == ["manager", "reader"]


def test_a_mapping_may_mean_a_user_of_this_cloud(
    cloud: Cloud, do: Admin, acme: Provider, ready: dict[str, Any]
) -> None:
    local = {"user": {"name": "{0}", "type": "local", "domain": {"name": "Default"}}}
    rules = [{"local": [local], "remote": [{"type": "OIDC-sub"}]}]
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", {"mapping": {"rules": rules}})
    token = log_in(cloud, acme.token(sub="demo")).json["token"]
    assert token["user"]["id"] == do.named("user", "demo")["id"]
    assert "OS-FEDERATION" not in token["user"]
    log_in(cloud, acme.token(sub="nobody"), 401)


def test_an_assertion_that_the_mapping_cannot_use_names_the_rule(
    cloud: Cloud, do: Admin, acme: Provider, ready: dict[str, Any]
) -> None:
    assert "rule 0 needs the attribute OIDC-groups" in log_in(cloud, acme.token(groups=None), 401).text
    assert "Rule 0" in log_in(cloud, acme.token(email=["a", "b"]), 400).text
    assert "NUL" in log_in(cloud, acme.token(name="J\x00"), 400).text
    assert "user.email" in log_in(cloud, acme.token(email="x" * 256), 400).text
    assert "user.name" in log_in(cloud, acme.token(sub=" "), 400).text
    away = [{"local": [{"user": {"name": "x"}, "group": {"id": "gone"}}], "remote": [{"type": "OIDC-sub"}]}]
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", {"mapping": {"rules": away}})
    assert "group gone" in log_in(cloud, acme.token(), 400).text


def test_the_provider_must_be_the_one_that_the_assertion_names(
    cloud: Cloud, do: Admin, acme: Provider, ready: dict[str, Any]
) -> None:
    named = {"protocol": {"mapping_id": "people", "remote_id_attribute": "HTTP_OIDC_ISS"}}
    call(do, 200, "PATCH", f"{PROVIDERS}/acme/protocols/openid", named)
    call(do, 200, "PATCH", f"{PROVIDERS}/acme", {"identity_provider": {"remote_ids": ["https://other.test"]}})
    log_in(cloud, acme.token(), 403)
    call(do, 200, "PATCH", f"{PROVIDERS}/acme", {"identity_provider": {"remote_ids": [acme.url]}})
    log_in(cloud, acme.token())


def test_the_method_mapped_takes_a_scope_at_once(cloud: Cloud, acme: Provider, ready: dict[str, Any]) -> None:
    said = {"methods": ["mapped"], "mapped": {"identity_provider": "acme", "protocol": "openid"}}
    body = {"auth": {"identity": said, "scope": project_scope("demo")}}
    answer = cloud.ask("POST", "/v3/auth/tokens", body, Authorization=f"Bearer {acme.token()}")
    assert answer.json["token"]["project"]["name"] == "demo"
    assert cloud.ask("POST", "/v3/auth/tokens", body).status_code == 401


def test_guessing_tokens_takes_too_long_and_good_ones_cost_nothing(
    cloud: Cloud, acme: Provider, ready: dict[str, Any]
) -> None:
    connect(cloud, acme)
    cloud.forgive(lambda: 0.0)
    for _ in range(PER_USER.most + 1):
        log_in(cloud, acme.token())
    expired = acme.token(exp=1)
    for status in [401] * PER_USER.most + [429] * PER_ADDRESS.most:
        log_in(cloud, expired, status)
    assert int(log_in(cloud, expired, 429).headers["Retry-After"]) <= PER_USER.seconds
    log_in(cloud, acme.token())  # who comes again and again with the same has kept out nobody else of their network
    for number in range(PER_ADDRESS.most - PER_USER.most):
        log_in(cloud, acme.token(exp=1, jti=str(number)), 401)
    assert int(log_in(cloud, acme.token(), 429).headers["Retry-After"]) <= PER_ADDRESS.seconds


def test_a_claim_takes_no_other_claims_place() -> None:
    claims = {"groups": ["dev"], "Groups": ["admin"], "e_mail": "a", "name": "jane"}
    found = from_claims(claims, "OIDC-")
    assert (found["OIDC-groups"], found["OIDC-Groups"]) == (["dev"], ["admin"])
    assert "HTTP_OIDC_GROUPS" not in found
    assert (found["HTTP_OIDC_E_MAIL"], found["HTTP_OIDC_NAME"]) == (["a"], ["jane"])


def test_a_provider_cannot_send_the_clients_secret_through_the_open(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = "https://acme.test"
    published = {
        "issuer": issuer,
        "token_endpoint": "http://acme.test/token",
        "jwks_uri": "https://acme.test/keys",
        "userinfo_endpoint": "http://127.0.0.1:1/me",
    }
    monkeypatch.setattr(discovery, "get", lambda connection, url: published)
    party = discovery.Published(Oidc(issuer=issuer, client_id="cloud"), SystemClock())
    assert party.endpoint("jwks_uri") == published["jwks_uri"]
    assert party.endpoint("userinfo_endpoint") == published["userinfo_endpoint"]
    assert party.endpoint("introspection_endpoint") == ""
    with pytest.raises(Unavailable, match="`token_endpoint` must begin with https://"):
        party.endpoint("token_endpoint")


def test_userinfo_tells_what_the_token_does_not(cloud: Cloud, acme: Provider, ready: dict[str, Any]) -> None:
    connect(cloud, acme, userinfo=True)
    with pytest.MonkeyPatch.context() as patch:
        told = {"sub": "jane", "email": "jane@told.test", "groups": ["dev"]}
        patch.setitem(acme.app.view_functions, "oidc-provider-mock.userinfo", lambda: told)
        answer = log_in(cloud, acme.token(email=None, groups=None))
        assert answer.json["token"]["user"]["OS-FEDERATION"]["groups"] == [{"id": ready["dev"]}]
        assert "somebody else" in log_in(cloud, acme.token(sub="joe"), 401).text


# -- through a browser --


class Browser:
    """Follows a login step by step, keeping cookies."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.cookie = ""

    def begin(self, path: str = f"{WEBSSO}?origin={DASHBOARD}") -> str:
        answer = self.cloud.ask("GET", path)
        assert answer.status_code == 302, answer.text
        self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        assert "HttpOnly; SameSite=Lax" in answer.headers["Set-Cookie"]
        return str(answer.headers["Location"])

    def back(self, url: str) -> Result:
        parts = urlsplit(url)
        path = parts.path.removeprefix("/identity")
        return self.cloud.ask("GET", f"{path}?{parts.query}", Cookie=self.cookie)


def agreed(url: str, sub: str = "jane") -> str:
    """Where the provider sends the browser of somebody who logs in there."""
    page = httpx.get(url, trust_env=False, timeout=30)
    assert page.status_code == 200, page.text
    answer = httpx.post(url, data={"sub": sub}, trust_env=False, timeout=30)
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


@pytest.fixture
def browser(cloud: Cloud, ready: dict[str, Any], acme: Provider) -> Browser:
    connect(cloud, acme)
    return Browser(cloud)


def test_a_browser_comes_to_the_dashboard_with_a_token(cloud: Cloud, acme: Provider, browser: Browser) -> None:
    url = browser.begin()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
    answer = browser.back(agreed(url))
    assert answer.status_code == 200, answer.text
    assert f'action="{DASHBOARD}"' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    token = answer.text.split('name="token" value="')[1].split('"')[0]
    assert [each["name"] for each in cloud.ask("GET", "/v3/auth/projects", token=token).json["projects"]] == ["demo"]
    exchanged = next(each for each in reversed(acme.asked) if each["path"] == "/oauth2/token")
    assert challenge_of(exchanged["code_verifier"]) == asked["code_challenge"]
    assert exchanged["redirect_uri"] == asked["redirect_uri"]


def challenge_of(verifier: str) -> str:
    import base64
    import hashlib

    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def test_who_must_prove_more_gets_no_token_by_a_browser_either(cloud: Cloud, do: Admin, browser: Browser) -> None:
    browser.back(agreed(browser.begin()))
    user = call(do, 200, "GET", "/v3/users?unique_id=jane")["users"][0]
    options = {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["mapped", "totp"]]}
    do.change("user", user["id"], options=options)
    answer = browser.back(agreed(browser.begin()))
    assert (answer.status_code, "Openstack-Auth-Receipt" in answer.headers) == (401, True)


def test_the_way_by_the_protocol_alone_leads_to_its_one_provider(
    cloud: Cloud, do: Admin, acme: Provider, browser: Browser
) -> None:
    path = f"/v3/auth/OS-FEDERATION/websso/openid?origin={DASHBOARD}"
    assert browser.begin(path).startswith(acme.url)
    section = {"issuer": acme.url, "client_id": CLIENT}
    write(cloud, {"providers": {"acme": {"openid": section}, "beta": {"openid": section}}})
    provider(do, "beta", enabled=True), protocol(do, "beta")
    assert "acme, beta" in cloud.ask("GET", path).text
    assert cloud.ask("GET", "/v3/auth/OS-FEDERATION/websso/saml2").status_code == 404


def test_a_token_goes_to_no_dashboard_but_those_that_are_trusted(cloud: Cloud, browser: Browser) -> None:
    for origin in ("https://evil.test/", DASHBOARD.rstrip("/"), f"{DASHBOARD}x", f" {DASHBOARD}", f"x{DASHBOARD}"):
        assert cloud.ask("GET", f"{WEBSSO}?origin={origin}").status_code == 403
    assert cloud.ask("GET", WEBSSO).status_code == 400


def test_a_dashboard_is_the_same_in_small_letters_and_in_capitals(cloud: Cloud, browser: Browser) -> None:
    answer = cloud.ask("GET", f"{WEBSSO}?origin={DASHBOARD.replace('horizon', 'Horizon')}")
    assert answer.status_code == 302
    browser.cookie = answer.headers["Set-Cookie"].split(";")[0]
    assert f'action="{DASHBOARD}"' in browser.back(agreed(answer.headers["Location"])).text


def test_a_login_that_is_replayed_is_refused(acme: Provider, browser: Browser) -> None:
    back = agreed(browser.begin())
    assert browser.back(back).status_code == 200
    assert "ended already" in browser.back(back).text
    code = parse_qs(urlsplit(back).query)["code"][0]
    fresh = agreed(browser.begin())
    replayed = fresh.replace(parse_qs(urlsplit(fresh).query)["code"][0], code)
    answer = browser.back(replayed)
    assert (answer.status_code, "invalid_grant" in answer.text) == (401, True)


def test_only_the_browser_that_began_a_login_can_end_it(cloud: Cloud, browser: Browser) -> None:
    back = agreed(browser.begin())
    stranger = Browser(cloud)
    assert stranger.back(back).status_code == 401
    other = browser.cookie
    browser.begin()
    assert "not begun by this browser" in browser.back(back).text
    browser.cookie = other.partition("=")[0] + "=forged"
    assert browser.back(back).status_code == 401
    browser.cookie = other
    assert browser.back(back).status_code == 200


def test_the_answer_to_another_login_is_refused(acme: Provider, browser: Browser) -> None:
    url = browser.begin()
    nonce = parse_qs(urlsplit(url).query)["nonce"][0]
    answer = browser.back(agreed(url.replace(nonce, "of-another-login")))
    assert (answer.status_code, "nonce" in answer.text) == (401, True)


def test_who_says_no_or_takes_too_long_is_refused(browser: Browser, clock: MovableClock) -> None:
    url = browser.begin()
    denied = httpx.post(url, data={"action": "deny"}, trust_env=False, timeout=30).headers["location"]
    state = parse_qs(urlsplit(url).query)["state"][0]
    answer = browser.back(denied if "state=" in denied else f"{denied}&state={state}")
    assert (answer.status_code, "access_denied" in answer.text) == (401, True)
    back = agreed(browser.begin())
    clock.ahead += type(clock.ahead)(minutes=11)
    assert "too long" in browser.back(back).text


# -- by a trusted proxy --


@pytest.fixture
def proxied(cloud: Cloud, do: Admin, ready: dict[str, Any]) -> dict[str, str]:
    """What a proxy with mod_auth_openidc sends."""
    dashboards = [DASHBOARD]
    write(cloud, {"trusted_dashboards": dashboards, "providers": {"acme": {"openid": {"proxy": True}}}})
    return {"OIDC_sub": "jane", "OIDC_email": "jane@ac\u00c3\u00bcme.test", "OIDC_groups": "dev;ops"}


def test_headers_count_only_from_a_trusted_proxy(cloud: Cloud, do: Admin, proxied: dict[str, str]) -> None:
    assert "Nobody vouches" in cloud.ask("GET", AUTH, **proxied).text
    with cloud.trusting("127.0.0.1"):
        answer = cloud.ask("GET", AUTH, **proxied)
        assert answer.status_code == 201, answer.text
        user = answer.json["token"]["user"]
        assert user["name"] == "jane"
        assert call(do, 200, "GET", f"/v3/users/{user['id']}")["user"]["email"] == "jane@acüme.test"
        page = cloud.ask("POST", f"{WEBSSO}?origin={DASHBOARD}", **proxied)
        assert 'name="token"' in page.text
        nobody = cloud.ask("GET", AUTH, OIDC_email="x", OIDC_groups="dev")
        assert "rule 0 needs the attribute OIDC-sub" in nobody.text


def test_a_header_that_a_client_writes_otherwise_than_the_proxy_counts_for_nothing(
    cloud: Cloud, do: Admin, proxied: dict[str, str]
) -> None:
    def asked(**headers: str) -> Any:
        sent = {"OIDC-email": "jane@acme.test", "OIDC-groups": "dev", **headers}
        return cloud.client.simulate_request("GET", f"/identity{AUTH}", headers=sent)

    with cloud.trusting("127.0.0.1"):
        both = asked(**{"OIDC-sub": "jane", "OIDC_sub": "joe"})
        assert (both.status_code, "2 ways of writing" in both.text) == (400, True)
        assert asked(**{"OIDC-sub": "jane", "X-Colour": "red", "X_Colour": "blue"}).status_code == 201
        rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}]
        call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", {"mapping": {"rules": rules}})
        for name in ("Remote-User", "REMOTE_USER", "HTTP_REMOTE_USER"):
            assert "needs the attribute REMOTE_USER" in asked(**{name: "jane"}).text


def test_who_the_proxy_logged_in_by_itself_is_named_by_it(cloud: Cloud, do: Admin, proxied: dict[str, str]) -> None:
    rules = [{"local": [{"group": {"name": "dev", "domain": {"id": "default"}}}], "remote": [{"type": "REMOTE_USER"}]}]
    call(do, 200, "PATCH", "/v3/OS-FEDERATION/mappings/people", {"mapping": {"rules": rules}})
    with cloud.trusting("127.0.0.1"):
        assert cloud.ask("GET", AUTH, X_Remote_User="joe").json["token"]["user"]["name"] == "joe"
