"""Credentials: whose they are, how they are kept, and the tokens that signed requests get."""

import base64
import hashlib
import hmac
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from falcon.testing import Result

from stackyard.kernel.caller import service_caller
from stackyard.rooms.identity.resources.credential.resource import CREDENTIAL
from stackyard.rooms.identity.resources.credential.rules import access_id
from stackyard.rooms.identity.resources.credential.sealing import seal
from stackyard.rooms.identity.resources.ec2 import signatures
from stackyard.rooms.identity.rotation import keys_of, rotate
from tests.rooms.identity.cloud import SYSTEM, Admin, Cloud, project_scope

_NAMES = (f"kept-{number}" for number in itertools.count())


class Owner:
    """Somebody with the role `member` on a project of their own."""

    def __init__(self, admins: Admin) -> None:
        self.cloud, self.name = admins.cloud, next(_NAMES)
        self.project = admins.make("project", name=self.name)["id"]
        self.id = admins.make("user", name=self.name, password="secret")["id"]
        admins.grant(f"projects/{self.project}", f"users/{self.id}", "member")
        self.token = self.cloud.token(self.name, project_scope(self.name), "secret")
        self.ec2_path = f"/v3/users/{self.id}/credentials/OS-EC2"

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Result:
        return self.cloud.ask(method, path, body, token or self.token)

    def keep(self, token: str | None = None, **values: Any) -> Result:
        body = {"user_id": self.id, "type": "cert", "blob": "a certificate", **values}
        return self.ask("POST", "/v3/credentials", {"credential": body}, token)

    def kept(self, **values: Any) -> dict[str, Any]:
        result = self.keep(**values)
        assert result.status_code == 201, result.text
        credential: dict[str, Any] = result.json["credential"]
        return credential

    def ec2(self) -> dict[str, Any]:
        result = self.ask("POST", self.ec2_path, {"tenant_id": self.project})
        assert result.status_code == 201, result.text
        credential: dict[str, Any] = result.json["credential"]
        return credential


@pytest.fixture
def owner(admins: Admin) -> Owner:
    return Owner(admins)


def test_a_credential_is_kept_shown_changed_and_deleted(owner: Owner) -> None:
    made = owner.kept(colour="red")
    assert made["blob"] == "a certificate"
    assert made["colour"] == "red"
    path = f"/v3/credentials/{made['id']}"
    assert made["links"]["self"].endswith(path)
    assert owner.ask("GET", path).json["credential"] == made
    changed = owner.ask("PATCH", path, {"credential": {"blob": "another", "type": "key"}}).json["credential"]
    assert (changed["blob"], changed["type"]) == ("another", "key")
    assert owner.ask("DELETE", path).status_code == 204
    assert owner.ask("GET", path).status_code in (403, 404)


def test_what_is_kept_cannot_be_read_from_the_database(owner: Owner) -> None:
    made = owner.kept(blob="very secret")
    with owner.cloud.database.read() as tx:
        row = tx.get(CREDENTIAL.table, id=made["id"])
    assert row is not None
    assert "secret" not in row.blob


def test_rotating_the_keys_seals_everything_anew_and_a_key_that_got_out_opens_nothing(owner: Owner) -> None:
    made = owner.kept()
    services = owner.cloud.services
    before = _row(owner, made["id"])
    rotate(services, keys_of(services).credentials)
    after = _row(owner, made["id"])
    assert after["blob"] != before["blob"]
    assert after["key_id"] != before["key_id"]
    rotate(services, keys_of(services).credentials, compromised=True)
    assert owner.ask("GET", f"/v3/credentials/{made['id']}").json["credential"] == made
    with owner.cloud.database.read() as tx:
        assert after["key_id"] not in {each.id for each in keys_of(services).credentials.keys(tx)}


def _row(owner: Owner, credential_id: str) -> dict[str, Any]:
    with owner.cloud.database.read() as tx:
        row = tx.get(CREDENTIAL.table, id=credential_id)
    assert row is not None
    return dict(row)


def test_people_see_their_own_and_administrators_and_readers_of_the_system_all(owner: Owner, admins: Admin) -> None:
    other = Owner(admins)
    mine, theirs = owner.kept(), other.kept()

    def listed(token: str, query: str = "") -> set[str]:
        result = owner.cloud.ask("GET", f"/v3/credentials{query}", token=token)
        return {each["id"] for each in result.json["credentials"]}

    assert listed(owner.token) == {mine["id"]}
    assert {mine["id"], theirs["id"]} <= listed(admins.token)
    assert {mine["id"], theirs["id"]} <= listed(owner.cloud.token("admin", SYSTEM))
    assert listed(admins.token, f"?user_id={owner.id}") == {mine["id"]}
    assert listed(admins.token, f"?user_id={owner.id}&type=ec2") == set()
    path = f"/v3/credentials/{theirs['id']}"
    assert owner.ask("GET", path).status_code == 403
    assert owner.ask("PATCH", path, {"credential": {"blob": "x"}}).status_code == 403
    assert owner.ask("DELETE", path).status_code == 403
    assert owner.keep(user_id=other.id).status_code == 403
    given_away = owner.ask("PATCH", f"/v3/credentials/{mine['id']}", {"credential": {"user_id": other.id}})
    assert given_away.status_code == 403


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"blob": 7}, "blob"),
        ({"type": ""}, "type"),
        ({"type": "ec2", "blob": "{}"}, "project_id"),
        ({"type": "ec2", "blob": "no json", "project_id": "p"}, "blob"),
        ({"type": "ec2", "blob": "[]", "project_id": "p"}, "blob"),
        ({"type": "ec2", "blob": '{"secret": "s"}', "project_id": "p"}, "blob.access"),
        ({"type": "totp", "blob": "not base32!"}, "blob"),
        ({"type": "totp", "blob": ""}, "blob"),
        ({"type": "totp", "blob": "GEZDGNBV"}, "blob"),
    ],
)
def test_bad_input_is_400_with_the_field(owner: Owner, values: dict[str, Any], named: str) -> None:
    result = owner.keep(**values)
    assert result.status_code == 400
    assert f"'{named}'" in result.json["error"]["message"]


def test_an_access_key_is_taken_once(owner: Owner) -> None:
    blob = json.dumps({"access": next(_NAMES), "secret": "s"})
    made = owner.kept(type="ec2", blob=blob, project_id=owner.project)
    assert made["id"] == hashlib.sha256(json.loads(blob)["access"].encode()).hexdigest()
    assert owner.keep(type="ec2", blob=blob, project_id=owner.project).status_code == 409


def test_ec2_credentials_are_credentials_of_type_ec2(owner: Owner, admins: Admin) -> None:
    made = owner.ec2()
    assert (made["user_id"], made["tenant_id"], made["trust_id"]) == (owner.id, owner.project, None)
    path = f"{owner.ec2_path}/{made['access']}"
    assert made["links"]["self"].endswith(path)
    assert owner.ask("GET", path).json["credential"] == made
    assert owner.ask("GET", owner.ec2_path).json["credentials"] == [made]
    (same,) = owner.ask("GET", "/v3/credentials?type=ec2").json["credentials"]
    assert json.loads(same["blob"]) == {"access": made["access"], "secret": made["secret"]}
    other = Owner(admins)
    assert other.ask("GET", path).status_code == 403
    assert other.ask("GET", owner.ec2_path).status_code == 403
    assert other.ask("POST", owner.ec2_path, {"tenant_id": owner.project}).status_code == 403
    assert other.ask("GET", f"{other.ec2_path}/{made['access']}").status_code == 403
    assert owner.ask("POST", owner.ec2_path, {}).status_code == 400
    assert owner.ask("POST", owner.ec2_path, {"tenant_id": "nothing"}).status_code == 404
    assert owner.ask("DELETE", path).status_code == 204
    assert owner.ask("GET", path).status_code == 404


def test_credentials_go_with_their_owner_and_their_project(owner: Owner, admins: Admin) -> None:
    keys, made = owner.ec2(), owner.kept()
    admins.do("DELETE", f"/v3/projects/{owner.project}")
    assert admins.cloud.ask("GET", f"{owner.ec2_path}/{keys['access']}", token=admins.token).status_code == 404
    admins.do("GET", f"/v3/credentials/{made['id']}")
    admins.do("DELETE", f"/v3/users/{owner.id}")
    assert admins.cloud.ask("GET", f"/v3/credentials/{made['id']}", token=admins.token).status_code == 404


@pytest.mark.parametrize("unrestricted", [False, True])
def test_a_program_has_nothing_to_do_with_credentials(owner: Owner, unrestricted: bool) -> None:
    kept, keys = owner.kept(project_id=owner.project), owner.ec2()
    body = {"application_credential": {"name": next(_NAMES), "unrestricted": unrestricted}}
    path = f"/v3/users/{owner.id}/application_credentials"
    made = owner.ask("POST", path, body).json["application_credential"]
    given = {"application_credential": {"id": made["id"], "secret": made["secret"]}}
    program = str(owner.cloud.authenticate(given).headers["X-Subject-Token"])
    assert owner.ask("GET", "/v3/credentials", token=program).json["credentials"] == []
    assert owner.keep(program, project_id=owner.project).status_code == 403
    one, key = f"/v3/credentials/{kept['id']}", f"{owner.ec2_path}/{keys['access']}"
    for method, where, change in (
        ("GET", one, None),
        ("PATCH", one, {"credential": {"blob": "other"}}),
        ("DELETE", one, None),
        ("GET", owner.ec2_path, None),
        ("POST", owner.ec2_path, {"tenant_id": owner.project}),
        ("GET", key, None),
        ("DELETE", key, None),
    ):
        assert owner.ask(method, where, change, program).status_code == 403, where
    assert owner.ask("GET", one).json["credential"]["blob"] == kept["blob"]


def test_a_token_of_a_signed_request_manages_no_identity_and_gets_no_other(owner: Owner) -> None:
    signed = str(signed_in(owner, owner.ec2()).headers["X-Subject-Token"])
    for scope in ({"project": {"id": owner.project}}, None):
        again = owner.cloud.authenticate({"token": {"id": signed}}, scope)
        assert again.status_code == 403, again.text
    trust = {"trustor_user_id": owner.id, "trustee_user_id": owner.id, "project_id": owner.project,
             "impersonation": True, "roles": [{"name": "member"}]}  # fmt: skip
    path = f"/v3/users/{owner.id}/application_credentials"
    for method, where, body in (
        ("GET", f"/v3/users/{owner.id}", None),
        ("GET", "/v3/auth/projects", None),
        ("GET", "/v3/auth/tokens", None),
        ("POST", "/v3/OS-TRUST/trusts", {"trust": trust}),
        ("GET", "/v3/OS-TRUST/trusts", None),
        ("POST", path, {"application_credential": {"name": "more"}}),
        ("GET", path, None),
        ("GET", f"/v3/users/{owner.id}/access_rules", None),
        ("POST", owner.ec2_path, {"tenant_id": owner.project}),
    ):
        assert owner.ask(method, where, body, signed).status_code == 403, where
    assert owner.keep(signed, type="totp", blob="GEZDGNBVGY3TQOJQ", project_id=owner.project).status_code == 403


def test_nobody_says_by_whose_leave_a_credential_was_made(owner: Owner) -> None:
    keys = owner.ec2()
    (kept,) = owner.ask("GET", "/v3/credentials?type=ec2").json["credentials"]
    for name in ("trust_id", "app_cred_id", "access_token_id"):
        blob = json.dumps({"access": next(_NAMES), "secret": "s", name: "somebody's"})
        assert owner.keep(type="ec2", blob=blob, project_id=owner.project).status_code == 400
        changed = {**json.loads(kept["blob"]), name: "somebody's"}
        body = {"credential": {"blob": json.dumps(changed)}}
        assert owner.ask("PATCH", f"/v3/credentials/{kept['id']}", body).status_code == 400
    assert signed_in(owner, keys).status_code == 200


@pytest.mark.parametrize("name", ["trust_id", "app_cred_id", "access_token_id"])
def test_keys_of_a_version_in_which_a_leave_could_make_them_are_good_for_nothing(owner: Owner, name: str) -> None:
    keys, services = owner.ec2(), owner.cloud.services
    blob = json.dumps({"access": keys["access"], "secret": keys["secret"], name: "somebody's"})
    with owner.cloud.database.write() as tx:
        sealed = seal(services.work(tx, service_caller("test")), blob, "blob")
        tx.update(CREDENTIAL.table, sealed, id=access_id(keys["access"]))
    signed = request_of(keys, "2")
    assert show_to_keystone(owner.cloud, signed, owner.cloud.token("admin")).status_code == 401


# -- signatures --


def now(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


def request_of(keys: dict[str, Any], version: str, host: str = "ec2.test:8773", **params: str) -> dict[str, Any]:
    """A request to an EC2 API as a service shows it, signed."""
    given = {"Action": "DescribeInstances", "AWSAccessKeyId": keys["access"], "Timestamp": now(), **params}
    signed = {
        "access": keys["access"], "host": "ec2.test:8773", "verb": "GET", "path": "/", "headers": {},
        "params": {**given, "SignatureVersion": version},
    }  # fmt: skip
    return {**signed, "signature": signatures.of_request(keys["secret"], signed, host)}


def request_of_version_4(keys: dict[str, Any], moment: str) -> dict[str, Any]:
    scope = f"{moment[:8]}/RegionOne/ec2/aws4_request"
    said = f"AWS4-HMAC-SHA256 Credential={keys['access']}/{scope}, SignedHeaders=host;x-amz-date, Signature="
    headers = {"Authorization": said, "Host": "ec2.test", "X-Amz-Date": moment}
    signed = {
        "access": keys["access"], "host": "ec2.test", "verb": "POST", "path": "/", "params": {"Action": "x"},
        "headers": headers, "body_hash": hashlib.sha256(b"Action=x").hexdigest(),
    }  # fmt: skip
    return {**signed, "signature": signatures.of_request(keys["secret"], signed, "ec2.test")}


def show_to_keystone(cloud: Cloud, signed: dict[str, Any], token: str, path: str = "/v3/ec2tokens") -> Result:
    return cloud.ask("POST", path, {"credentials": signed}, token)


def signed_in(owner: Owner, keys: dict[str, Any], version: str = "2") -> Result:
    result = show_to_keystone(owner.cloud, request_of(keys, version), owner.cloud.token("admin"))
    assert result.status_code == 200, result.text
    return result


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_a_signed_request_gets_its_signer_a_token(owner: Owner, version: str) -> None:
    result = signed_in(owner, owner.ec2(), version)
    token = result.json["token"]
    assert token["user"]["id"] == owner.id
    assert token["project"]["id"] == owner.project
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    subject = result.headers["X-Subject-Token"]
    shown = owner.cloud.ask("GET", "/v3/auth/tokens", token=owner.token, X_Subject_Token=subject)
    assert shown.json["token"]["audit_ids"] == token["audit_ids"]


def test_a_request_signed_with_version_4_gets_its_signer_a_token(owner: Owner, admins: Admin) -> None:
    keys = owner.ec2()
    signed = request_of_version_4(keys, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
    assert show_to_keystone(owner.cloud, signed, admins.token).status_code == 200
    changed = {**signed, "path": "/other"}
    assert show_to_keystone(owner.cloud, changed, admins.token).status_code == 401


def test_the_port_may_be_left_out_of_what_is_signed(owner: Owner, admins: Admin) -> None:
    keys = owner.ec2()
    assert show_to_keystone(owner.cloud, request_of(keys, "2", "ec2.test"), admins.token).status_code == 200
    assert show_to_keystone(owner.cloud, request_of(keys, "2", "other.test"), admins.token).status_code == 401


def test_signatures_are_those_that_the_standards_give() -> None:
    """AWS's own example of version 4, "get-vanilla-query-order-key-case"."""
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    said = (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=x"
    )
    signed = {
        "verb": "GET", "path": "/", "params": {"Param2": "value2", "Param1": "value1"},
        "headers": {"Authorization": said, "Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z"},
        "body_hash": hashlib.sha256(b"").hexdigest(),
    }  # fmt: skip
    expected = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
    assert signatures.of_request(secret, signed, "example.amazonaws.com") == expected


@pytest.mark.parametrize("version", ["1", "3", "x"])
def test_what_is_wrong_with_a_signature_is_not_told(owner: Owner, admins: Admin, version: str) -> None:
    keys = owner.ec2()
    signed = request_of(keys, "2")
    wrong = {
        "1": {**signed, "signature": "x"},
        "3": {**signed, "params": {**signed["params"], "SignatureVersion": "3"}},
        "x": {**signed, "access": "unknown"},
    }[version]
    result = show_to_keystone(owner.cloud, wrong, admins.token)
    assert result.status_code == 401
    assert result.json["error"]["message"] == "The request you have made requires authentication."


@pytest.mark.parametrize("ahead", [-20, 20])
def test_a_request_of_another_time_is_refused(owner: Owner, admins: Admin, ahead: int) -> None:
    signed = request_of(owner.ec2(), "2", Timestamp=now(minutes=ahead))
    assert show_to_keystone(owner.cloud, signed, admins.token).status_code == 401


def test_only_services_and_administrators_may_ask(owner: Owner, admins: Admin) -> None:
    signed = request_of(owner.ec2(), "2")
    for path in ("/v3/ec2tokens", "/v3/s3tokens"):
        assert owner.cloud.ask("POST", path, {"credentials": signed}).status_code == 401
        assert show_to_keystone(owner.cloud, signed, owner.token, path).status_code == 403
    bodies: list[dict[str, Any]] = [{}, {"credentials": "x"}, {"credentials": {"params": []}}]
    for body in bodies:
        assert owner.cloud.ask("POST", "/v3/ec2tokens", body, admins.token).status_code == 400
    admins.grant(f"projects/{owner.project}", f"users/{owner.id}", "service")
    service = owner.cloud.token(owner.name, project_scope(owner.name), "secret")
    assert show_to_keystone(owner.cloud, signed, service).status_code == 200


def test_s3_shows_the_string_to_sign(owner: Owner, admins: Admin) -> None:
    keys = owner.ec2()
    text = b"GET\n\n\nWed, 25 Nov 2026 03:00:00 GMT\n/bucket"
    first = base64.b64encode(hmac.new(keys["secret"].encode(), text, hashlib.sha1).digest()).decode()
    fourth = b"AWS4-HMAC-SHA256\n20261125T030000Z\n20261125/RegionOne/s3/aws4_request\n" + b"0" * 64
    for string, signature in ((text, first), (fourth, signatures.of_text(keys["secret"], fourth))):
        signed = {"access": keys["access"], "token": base64.urlsafe_b64encode(string).decode(), "signature": signature}
        result = show_to_keystone(owner.cloud, signed, admins.token, "/v3/s3tokens")
        assert result.status_code == 200, result.text
        assert result.json["token"]["user"]["id"] == owner.id
        assert "X-Subject-Token" not in result.headers
        wrong = {**signed, "token": base64.urlsafe_b64encode(string + b"x").decode()}
        assert show_to_keystone(owner.cloud, wrong, admins.token, "/v3/s3tokens").status_code == 401
    bad = {"access": keys["access"], "token": "AWS4", "signature": "x"}
    assert show_to_keystone(owner.cloud, bad, admins.token, "/v3/s3tokens").status_code == 401


def test_a_signature_is_worth_what_its_owner_is(owner: Owner, admins: Admin) -> None:
    signed = request_of(owner.ec2(), "2")
    admins.change("user", owner.id, enabled=False)
    assert show_to_keystone(owner.cloud, signed, admins.token).status_code == 401
