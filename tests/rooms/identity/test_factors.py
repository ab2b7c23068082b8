"""Passcodes, several methods in one request, and rules about which a user must prove together."""

import base64
import hashlib
import hmac
import itertools
import struct
from datetime import timedelta
from typing import Any

import pytest
from falcon.testing import Result

from tests.rooms.identity.cloud import Admin, Cloud, project_scope

_NAMES = (f"careful-{number}" for number in itertools.count())
SEED = b"12345678901234567890"


def passcode(cloud: Cloud, ahead: int = 0, seed: bytes = SEED) -> str:
    """RFC 6238, written out."""
    step = int(cloud.clock.now().timestamp()) // 30 + ahead
    digest = hmac.new(seed, struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


class Careful:
    """Somebody with a seed of passcodes, and options about what they must prove."""

    def __init__(self, admins: Admin, **options: Any) -> None:
        self.cloud, self.name = admins.cloud, next(_NAMES)
        self.id = admins.make("user", name=self.name, password="secret", options=options)["id"]
        seed = {"user_id": self.id, "type": "totp", "blob": base64.b32encode(SEED).decode().rstrip("=")}
        admins.do("POST", "/v3/credentials", {"credential": seed})

    def password(self, password: str = "secret") -> dict[str, Any]:
        return {"password": {"user": {"id": self.id, "password": password}}}

    def totp(self, ahead: int = 0, code: str = "") -> dict[str, Any]:
        # In the middle of a time step, whatever the real clock says, so that no test meets its end.
        clock = self.cloud.clock
        into = clock.now().timestamp() % 30
        if not 10 < into < 20:
            clock.ahead += timedelta(seconds=(45 - into) % 30)  # type: ignore[attr-defined]
        return {"totp": {"user": {"id": self.id, "passcode": code or passcode(self.cloud, ahead)}}}

    def log_in(self, methods: dict[str, Any], scope: Any = None, **headers: str) -> Result:
        return self.cloud.authenticate(methods, scope, **headers)


@pytest.fixture
def careful(admins: Admin) -> Careful:
    return Careful(admins)


@pytest.fixture
def both(admins: Admin) -> Careful:
    return Careful(admins, multi_factor_auth_enabled=True, multi_factor_auth_rules=[["password", "totp"]])


def test_a_passcode_logs_in_once(careful: Careful) -> None:
    proof = careful.totp()
    result = careful.log_in(proof)
    assert result.status_code == 201, result.text
    assert result.json["token"]["methods"] == ["totp"]
    assert careful.log_in(proof).status_code == 401


def test_the_passcode_before_is_good_and_none_before_that_or_after(careful: Careful) -> None:
    assert careful.log_in(careful.totp(-2)).status_code == 401
    assert careful.log_in(careful.totp(1)).status_code == 401
    assert careful.log_in(careful.totp(-1)).status_code == 201
    assert careful.log_in(careful.totp()).status_code == 201
    # What is older than a passcode that was taken is not good either.
    assert careful.log_in(careful.totp(-1)).status_code == 401


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"user": {"name": "demo", "domain": {"id": "default"}, "passcode": "000000"}}, 401),
        ({"user": {"id": "nobody", "passcode": "000000"}}, 401),
        ({"user": {"id": "nobody"}}, 400),
        ({"user": {"passcode": "000000"}}, 400),
        ({}, 400),
    ],
)
def test_a_bad_passcode_is_refused(shared: Cloud, given: dict[str, Any], status: int) -> None:
    assert shared.authenticate({"totp": given}).status_code == status


def test_several_methods_must_be_of_one_user(careful: Careful, admins: Admin) -> None:
    result = careful.log_in({**careful.password(), **careful.totp()})
    assert set(result.json["token"]["methods"]) == {"password", "totp"}
    other = Careful(admins)
    assert careful.log_in({**careful.password(), **other.totp()}).status_code == 401


def test_half_of_what_is_required_gets_a_receipt_and_the_other_half_a_token(both: Careful) -> None:
    result = both.log_in(both.password())
    assert result.status_code == 401
    assert "X-Subject-Token" not in result.headers
    assert result.json["required_auth_methods"] == [["password", "totp"]]
    receipt = result.json["receipt"]
    assert receipt["methods"] == ["password"]
    assert receipt["user"]["id"] == both.id
    text = result.headers["Openstack-Auth-Receipt"]
    done = both.log_in(both.totp(), Openstack_Auth_Receipt=text)
    assert done.status_code == 201, done.text
    assert set(done.json["token"]["methods"]) == {"password", "totp"}
    again = both.log_in({"token": {"id": done.headers["X-Subject-Token"]}})
    assert again.status_code == 201


def test_all_that_is_required_at_once_gets_a_token(both: Careful) -> None:
    assert both.log_in({**both.password(), **both.totp()}).status_code == 201


def test_a_receipt_is_no_token_and_a_token_no_receipt(both: Careful, careful: Careful) -> None:
    receipt = both.log_in(both.password()).headers["Openstack-Auth-Receipt"]
    assert both.cloud.ask("GET", "/v3/auth/projects", token=receipt).status_code == 401
    assert both.log_in({"token": {"id": receipt}}).status_code == 404
    token = careful.log_in(careful.password()).headers["X-Subject-Token"]
    assert careful.log_in(careful.totp(), Openstack_Auth_Receipt=token).status_code == 401
    assert both.log_in(both.totp(), Openstack_Auth_Receipt="nothing").status_code == 401


def test_a_receipt_is_for_its_user_for_five_minutes_and_until_their_password_changes(
    both: Careful, careful: Careful, admins: Admin
) -> None:
    receipt = both.log_in(both.password()).headers["Openstack-Auth-Receipt"]
    assert careful.log_in(careful.totp(), Openstack_Auth_Receipt=receipt).status_code == 401
    admins.change("user", both.id, password="another")
    assert both.log_in(both.totp(-1), Openstack_Auth_Receipt=receipt).status_code == 401
    receipt = both.log_in(both.password("another")).headers["Openstack-Auth-Receipt"]
    clock = both.cloud.clock
    clock.ahead += timedelta(seconds=301)  # type: ignore[attr-defined]
    try:
        assert both.log_in(both.totp(), Openstack_Auth_Receipt=receipt).status_code == 401
    finally:
        clock.ahead -= timedelta(seconds=301)  # type: ignore[attr-defined]


def test_a_wrong_password_gets_no_receipt(both: Careful) -> None:
    assert "Openstack-Auth-Receipt" not in both.log_in(both.password("wrong")).headers
    assert "Openstack-Auth-Receipt" not in both.log_in({**both.password(), **both.totp(code="000000")}).headers


def test_any_one_rule_is_enough_and_what_is_not_offered_counts_for_nothing(admins: Admin) -> None:
    either = Careful(admins, multi_factor_auth_rules=[["password", "totp"], ["password", "retina"]])
    assert either.log_in(either.password()).status_code == 201
    unknown = Careful(admins, multi_factor_auth_rules=[["retina"]])
    assert unknown.log_in(unknown.password()).status_code == 201
    off = Careful(admins, multi_factor_auth_enabled=False, multi_factor_auth_rules=[["password", "totp"]])
    assert off.log_in(off.password()).status_code == 201


def test_rules_hold_for_tokens_got_before_them(careful: Careful, admins: Admin) -> None:
    before = careful.log_in(careful.password()).headers["X-Subject-Token"]
    admins.change("user", careful.id, options={"multi_factor_auth_rules": [["password", "totp"]]})
    result = careful.log_in({"token": {"id": before}}, project_scope("demo"))
    assert result.status_code == 401
    assert "Openstack-Auth-Receipt" not in result.headers


def test_a_receipt_keeps_what_bounds_the_token(careful: Careful, admins: Admin) -> None:
    project = admins.make("project", name=next(_NAMES))
    admins.grant(f"projects/{project['id']}", f"users/{careful.id}", "member")
    token = careful.log_in(careful.password(), {"project": {"id": project["id"]}}).headers["X-Subject-Token"]
    path, wanted = f"/v3/users/{careful.id}/application_credentials", {"name": "x", "roles": [{"name": "reader"}]}
    made = careful.cloud.ask("POST", path, {"application_credential": wanted}, token).json["application_credential"]
    admins.change("user", careful.id, options={"multi_factor_auth_rules": [["application_credential", "totp"]]})
    half = careful.log_in({"application_credential": {"id": made["id"], "secret": made["secret"]}})
    assert half.status_code == 401
    receipt = half.headers["Openstack-Auth-Receipt"]
    assert careful.log_in(careful.totp(-1), "unscoped", Openstack_Auth_Receipt=receipt).status_code == 401
    whole = careful.log_in(careful.totp(), Openstack_Auth_Receipt=receipt).json["token"]
    assert whole["application_credential"] == {"id": made["id"], "name": "x", "restricted": True}
    assert [role["name"] for role in whole["roles"]] == ["reader"]
