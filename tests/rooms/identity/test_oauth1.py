"""OAuth 1.0a: consumers who act for users with their leave."""

import itertools
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from falcon.testing import Result
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256, Client

from stackyard.rooms.identity.rotation import keys_of, rotate
from tests.rooms.identity.cloud import BASE, SYSTEM, Admin, project_scope

_NAMES = (f"giver-{number}" for number in itertools.count())


class Consumer:
    """A program, as it speaks to the cloud."""

    def __init__(self, admins: Admin) -> None:
        self.cloud, self.admins = admins.cloud, admins
        made = admins.do("POST", "/v3/OS-OAUTH1/consumers", {"consumer": {"description": "a printer"}})
        assert made.status_code == 201
        self.made: dict[str, Any] = made.json["consumer"]
        self.path = f"/v3/OS-OAUTH1/consumers/{self.made['id']}"
        self.project = admins.named("project", "admin")["id"]
        self.user = admins.named("user", "admin")["id"]

    def signed(
        self, path: str, token: dict[str, str] | None = None, method: str = SIGNATURE_HMAC_SHA1, **more: Any
    ) -> str:
        """The header of a request to this path."""
        token = token or {}
        client = Client(
            self.made["id"], client_secret=self.made["secret"], signature_method=method,
            resource_owner_key=token.get("oauth_token"), resource_owner_secret=token.get("oauth_token_secret"), **more,
        )  # fmt: skip
        _, headers, _ = client.sign(f"{BASE}/identity{path}", http_method="POST")
        return str(headers["Authorization"])

    def ask(self, path: str, header: str, **headers: str) -> Result:
        return self.cloud.ask("POST", path, Authorization=header, **headers)

    def request_token(self, **more: Any) -> dict[str, str]:
        path = "/v3/OS-OAUTH1/request_token"
        result = self.ask(path, self.signed(path, callback_uri="oob", **more), Requested_Project_Id=self.project)
        assert result.status_code == 201, result.text
        assert result.headers["Content-Type"] == "application/x-www-form-urlencoded"
        return dict(parse_qsl(result.text))

    def authorize(self, token: dict[str, str], roles: Any = None, by: str | None = None) -> Result:
        body = {"roles": [{"name": "member"}] if roles is None else roles}
        return self.cloud.ask("PUT", f"/v3/OS-OAUTH1/authorize/{token['oauth_token']}", body, by or self.admins.token)

    def exchange(self, token: dict[str, str], verifier: str) -> Result:
        path = "/v3/OS-OAUTH1/access_token"
        return self.ask(path, self.signed(path, token, verifier=verifier))

    def access_token(self) -> dict[str, str]:
        token = self.request_token()
        verifier = self.authorize(token).json["token"]["oauth_verifier"]
        result = self.exchange(token, verifier)
        assert result.status_code == 201, result.text
        return dict(parse_qsl(result.text))

    def log_in(self, token: dict[str, str], scope: Any = None, header: str | None = None) -> Result:
        signed = header or self.signed("/v3/auth/tokens", token)
        return self.cloud.authenticate({"oauth1": {}}, scope, Authorization=signed)


@pytest.fixture
def consumer(admins: Admin) -> Consumer:
    return Consumer(admins)


def test_a_consumers_secret_is_shown_once(consumer: Consumer, admins: Admin) -> None:
    assert len(consumer.made["secret"]) == 32
    shown = admins.do("GET", consumer.path).json["consumer"]
    assert shown == {name: value for name, value in consumer.made.items() if name != "secret"}
    changed = admins.do("PATCH", consumer.path, {"consumer": {"description": "another", "colour": "red"}}).json
    assert (changed["consumer"]["description"], changed["consumer"]["colour"]) == ("another", "red")
    refused = admins.cloud.ask("PATCH", consumer.path, {"consumer": {"secret": "x"}}, admins.token)
    assert refused.status_code == 400
    listed = admins.do("GET", "/v3/OS-OAUTH1/consumers").json["consumers"]
    assert consumer.made["id"] in {each["id"] for each in listed}
    assert admins.cloud.ask("GET", consumer.path, token=admins.cloud.token("demo")).status_code == 403


def test_a_consumer_acts_for_a_user_with_the_roles_they_gave(consumer: Consumer) -> None:
    access = consumer.access_token()
    token = consumer.log_in(access).json["token"]
    assert token["methods"] == ["oauth1"]
    assert token["user"]["id"] == consumer.user
    assert token["project"]["id"] == consumer.project
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    assert token["OS-OAUTH1"] == {"access_token_id": access["oauth_token"], "consumer_id": consumer.made["id"]}
    by_sha256 = consumer.signed("/v3/auth/tokens", access, SIGNATURE_HMAC_SHA256)
    assert consumer.log_in(access, header=by_sha256).status_code == 201


def test_users_see_and_take_back_what_they_gave(consumer: Consumer, admins: Admin) -> None:
    access = consumer.access_token()
    token = consumer.log_in(access).headers["X-Subject-Token"]
    path = f"/v3/users/{consumer.user}/OS-OAUTH1/access_tokens"
    mine = [each for each in admins.do("GET", path).json["access_tokens"] if each["id"] == access["oauth_token"]]
    assert mine[0]["consumer_id"] == consumer.made["id"]
    assert mine[0]["authorizing_user_id"] == consumer.user
    one = f"{path}/{access['oauth_token']}"
    shown = admins.do("GET", one).json["access_token"]
    assert shown == mine[0]
    assert shown["links"]["roles"].endswith(f"{one}/roles")
    assert "sealed" not in shown
    (role,) = admins.do("GET", f"{one}/roles").json["roles"]
    assert role["name"] == "member"
    assert admins.do("GET", f"{one}/roles/{role['id']}").json["role"]["id"] == role["id"]
    assert admins.cloud.ask("GET", f"{one}/roles/nothing", token=admins.token).status_code == 404
    assert admins.cloud.ask("GET", one, token=admins.cloud.token("demo")).status_code == 403
    assert consumer.cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 200
    admins.do("DELETE", one)
    assert consumer.cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 401
    assert consumer.log_in(access).status_code == 401


def test_what_was_given_outlasts_the_rotation_of_the_keys(consumer: Consumer) -> None:
    asked, access, services = consumer.request_token(), consumer.access_token(), consumer.cloud.services
    rotate(services, keys_of(services).credentials, compromised=True)
    assert consumer.log_in(access).status_code == 201
    verifier = consumer.authorize(asked).json["token"]["oauth_verifier"]
    assert consumer.exchange(asked, verifier).status_code == 201


def test_deleting_a_consumer_ends_all_it_was_given(consumer: Consumer, admins: Admin) -> None:
    access = consumer.access_token()
    token = consumer.log_in(access).headers["X-Subject-Token"]
    admins.do("DELETE", consumer.path)
    assert consumer.cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 401
    assert consumer.log_in(access).status_code == 401


def test_a_delegated_token_gets_no_other_and_manages_nothing(consumer: Consumer, admins: Admin) -> None:
    access = consumer.access_token()
    token = consumer.log_in(access).headers["X-Subject-Token"]
    assert consumer.cloud.authenticate({"token": {"id": token}}).status_code == 403
    assert consumer.log_in(access, project_scope("demo")).status_code == 401
    assert consumer.log_in(access, SYSTEM).status_code == 401
    path = f"/v3/users/{consumer.user}"
    body = {"application_credential": {"name": "x"}}
    assert consumer.cloud.ask("POST", f"{path}/application_credentials", body, token).status_code == 403
    assert consumer.cloud.ask("GET", f"{path}/OS-OAUTH1/access_tokens", token=token).status_code == 403
    assert consumer.authorize(consumer.request_token(), by=token).status_code == 403


def test_a_signature_is_good_once(consumer: Consumer) -> None:
    access = consumer.access_token()
    header = consumer.signed("/v3/auth/tokens", access)
    assert consumer.log_in(access, header=header).status_code == 201
    assert consumer.log_in(access, header=header).status_code == 401


def test_a_wrong_signature_is_refused(consumer: Consumer, admins: Admin) -> None:
    access = consumer.access_token()
    for wrong in ({**access, "oauth_token_secret": "x"}, {**access, "oauth_token": "0" * 32}):
        assert consumer.log_in(wrong).status_code == 401
    other = Consumer(admins)
    assert other.log_in(access).status_code == 401
    elsewhere = consumer.signed("/v3/elsewhere", access)
    assert consumer.log_in(access, header=elsewhere).status_code == 401
    old = consumer.signed("/v3/auth/tokens", access, timestamp="1700000000")
    assert consumer.log_in(access, header=old).status_code == 401
    for header in ("", "OAuth", "Basic eDp5", 'OAuth oauth_token="x"', "OAuth nothing"):
        assert consumer.log_in(access, header=header or "x").status_code == 400


def test_a_request_token_is_good_for_one_access_token_after_leave(consumer: Consumer) -> None:
    token = consumer.request_token()
    assert consumer.exchange(token, "guess").status_code == 401
    verifier = consumer.authorize(token).json["token"]["oauth_verifier"]
    assert consumer.exchange(token, "guess").status_code == 401
    assert consumer.exchange(token, verifier).status_code == 201
    assert consumer.exchange(token, verifier).status_code == 401


def test_what_a_request_token_needs(consumer: Consumer) -> None:
    path = "/v3/OS-OAUTH1/request_token"
    assert consumer.ask(path, consumer.signed(path)).status_code == 400
    assert consumer.ask(path, consumer.signed(path), Requested_Project_Id="nothing").status_code == 404
    assert consumer.ask(path, consumer.signed("/v3/other"), Requested_Project_Id=consumer.project).status_code == 401
    assert consumer.cloud.ask("POST", path, Requested_Project_Id=consumer.project).status_code == 400


@pytest.mark.parametrize(
    ("roles", "status"),
    [([], 400), ([{}], 400), ("member", 400), ([{"name": "nothing"}], 404), ([{"name": "service"}], 403)],
)
def test_leave_is_given_for_roles_that_the_user_has(consumer: Consumer, roles: Any, status: int) -> None:
    assert consumer.authorize(consumer.request_token(), roles).status_code == status


def test_a_token_that_is_too_old_is_refused(consumer: Consumer) -> None:
    asked, access = consumer.request_token(), consumer.access_token()
    clock = consumer.cloud.clock
    clock.ahead += timedelta(days=1, seconds=1)  # type: ignore[attr-defined]
    try:
        fresh = consumer.cloud.token("admin")
        assert consumer.authorize(asked, by=fresh).status_code == 401
        assert consumer.authorize({"oauth_token": "0" * 32}, by=fresh).status_code == 404
        assert consumer.log_in(access).status_code == 401
    finally:
        clock.ahead -= timedelta(days=1, seconds=1)  # type: ignore[attr-defined]


def test_tokens_go_with_the_user_who_gave_them(admins: Admin) -> None:
    consumer, name = Consumer(admins), next(_NAMES)
    user = admins.make("user", name=name, password="secret")
    admins.grant(f"projects/{consumer.project}", f"users/{user['id']}", "admin")
    asked = consumer.request_token()
    giver = admins.cloud.token(name, project_scope("admin"), "secret")
    verifier = consumer.authorize(asked, by=giver).json["token"]["oauth_verifier"]
    access = dict(parse_qsl(consumer.exchange(asked, verifier).text))
    token = consumer.log_in(access).headers["X-Subject-Token"]
    admins.grant(f"projects/{consumer.project}", f"users/{user['id']}", "admin", "DELETE")
    assert consumer.cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 401
    admins.do("DELETE", f"/v3/users/{user['id']}")
    assert consumer.log_in(access).status_code == 401
