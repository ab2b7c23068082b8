"""What is handed on gets nobody more: no token that acts by somebody's leave finds or makes what logs its user in."""

import base64
import itertools
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from falcon.testing import Result

from tests.rooms.identity.cloud import Admin, Cloud, project_scope

_SEED = base64.b32encode(b"a seed of twenty byt").decode()
_NAMES = (f"lent-{number}" for number in itertools.count())


class Lender:
    """A member of a project who lends another, or a program, what they may: as readers only."""

    def __init__(self, admins: Admin) -> None:
        self.cloud, self.name = admins.cloud, next(_NAMES)
        self.project = admins.make("project", name=self.name)["id"]
        self.id = admins.make("user", name=self.name, password="secret")["id"]
        self.friend = admins.make("user", name=f"{self.name}-friend", password="secret")["id"]
        admins.grant(f"projects/{self.project}", f"users/{self.id}", "member")
        self.token = self.cloud.token(self.name, project_scope(self.name), "secret")
        self.ec2_path = f"/v3/users/{self.id}/credentials/OS-EC2"

    def program(self, **values: Any) -> str:
        """The token of an application credential."""
        body = {"name": next(_NAMES), "roles": [{"name": "reader"}], **values}
        path = f"/v3/users/{self.id}/application_credentials"
        made = self.ask("POST", path, {"application_credential": body}).json["application_credential"]
        answer = self.cloud.authenticate({"application_credential": {"id": made["id"], "secret": made["secret"]}})
        return str(answer.headers["X-Subject-Token"])

    def trusted(self, **values: Any) -> str:
        """The token of a trust in which the friend passes for the lender."""
        body = {"trustor_user_id": self.id, "trustee_user_id": self.friend, "impersonation": True, **values}
        trust = self.ask("POST", "/v3/OS-TRUST/trusts", {"trust": body}).json["trust"]
        proof = {"password": {"user": {"id": self.friend, "password": "secret"}}}
        answer = self.cloud.authenticate(proof, {"OS-TRUST:trust": {"id": trust["id"]}})
        return str(answer.headers["X-Subject-Token"])

    def delegated(self, how: str) -> str:
        match how:
            case "restricted":
                return self.program()
            case "unrestricted":
                return self.program(unrestricted=True)
            case "trusted":
                return self.trusted(project_id=self.project, roles=[{"name": "reader"}])
        return self.trusted()

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Result:
        return self.cloud.ask(method, path, body, token or self.token)

    def keep(self, token: str | None = None, **values: Any) -> Result:
        return self.ask("POST", "/v3/credentials", {"credential": {"user_id": self.id, **values}}, token)

    def ec2(self) -> dict[str, Any]:
        made = self.ask("POST", self.ec2_path, {"tenant_id": self.project})
        assert made.status_code == 201, made.text
        credential: dict[str, Any] = made.json["credential"]
        return credential

    def listed(self, token: str) -> list[str]:
        return [each["id"] for each in self.ask("GET", "/v3/credentials", token=token).json["credentials"]]


@pytest.fixture
def lender(admins: Admin) -> Lender:
    return Lender(admins)


@pytest.mark.parametrize("how", ["restricted", "unrestricted", "trusted", "trusted without a project"])
def test_a_delegated_token_makes_no_second_factor(lender: Lender, how: str) -> None:
    token = lender.delegated(how)
    for kind, project in itertools.product(("totp", "TOTP"), (None, lender.project)):
        assert lender.keep(token, type=kind, blob=_SEED, project_id=project).status_code == 403
        assert lender.keep(token, type="note", blob=_SEED, project_id=project).status_code == 403
    step = int(lender.cloud.clock.now().timestamp()) // 30
    passcode = HOTP(base64.b32decode(_SEED), 6, SHA1()).generate(step).decode()
    login = lender.cloud.authenticate({"totp": {"user": {"id": lender.id, "passcode": passcode}}})
    assert login.status_code == 401


@pytest.mark.parametrize("how", ["restricted", "unrestricted", "trusted", "trusted without a project"])
def test_a_delegated_token_reaches_no_key_or_factor(lender: Lender, how: str) -> None:
    keys = lender.ec2()
    factors = [lender.keep(type="totp", blob=_SEED, project_id=each) for each in (None, lender.project)]
    lender.keep(type="EC2", blob=json.dumps({"access": "A", "secret": "s"}), project_id=lender.project)
    token = lender.delegated(how)
    assert lender.listed(token) == []
    assert lender.ask("GET", lender.ec2_path, token=token).status_code == 403
    assert lender.ask("GET", f"{lender.ec2_path}/{keys['access']}", token=token).status_code == 403
    assert lender.ask("DELETE", f"{lender.ec2_path}/{keys['access']}", token=token).status_code == 403
    (kept,) = lender.ask("GET", "/v3/credentials?type=ec2").json["credentials"]
    for each in (kept["id"], *(factor.json["credential"]["id"] for factor in factors)):
        for method, body in (("GET", None), ("PATCH", {"credential": {"blob": kept["blob"]}}), ("DELETE", None)):
            assert lender.ask(method, f"/v3/credentials/{each}", body, token).status_code == 403


@pytest.mark.parametrize("how", ["restricted", "unrestricted", "trusted", "trusted without a project"])
def test_a_delegated_token_does_not_end_its_users_others(lender: Lender, admins: Admin, how: str) -> None:
    path, mine = f"/v3/users/{lender.id}/tokens", lender.delegated("trusted")
    assert lender.ask("DELETE", path, token=lender.delegated(how)).status_code == 403
    assert lender.ask("GET", "/v3/auth/projects", token=mine).status_code == 200
    assert lender.ask("DELETE", path, token=admins.token).status_code == 204
    assert lender.ask("GET", "/v3/auth/projects", token=mine).status_code == 401


def test_a_token_of_a_trust_takes_back_no_other_trust(lender: Lender) -> None:
    one, other = (lender.trusted(project_id=lender.project, roles=[{"name": "reader"}]) for _ in range(2))

    def trust_of(token: str) -> str:
        shown = lender.cloud.ask("GET", "/v3/auth/tokens", token=token, X_Subject_Token=token).json["token"]
        return f"/v3/OS-TRUST/trusts/{shown['OS-TRUST:trust']['id']}"

    assert lender.ask("DELETE", trust_of(other), token=one).status_code == 403
    assert lender.ask("DELETE", trust_of(one), token=one).status_code == 204
    assert lender.ask("DELETE", trust_of(other)).status_code == 204


def test_an_expired_token_is_shown_only_when_that_is_asked_for(cloud: Cloud, clock: Any) -> None:
    old = cloud.token("demo")
    clock.ahead += timedelta(hours=2)
    admin = cloud.token("admin")

    def asked(query: str) -> int:
        return cloud.ask("GET", f"/v3/auth/tokens{query}", token=admin, X_Subject_Token=old).status_code

    assert [asked(each) for each in ("", "?allow_expired=0", "?allow_expired=false")] == [404, 404, 404]
    assert asked("?allow_expired=1") == 200


@pytest.mark.parametrize("header", ["Basic \xe9", "Basic \xff\xfe", "Basic ====", "Basic"])
def test_an_oauth2_client_that_cannot_be_read_is_refused(shared: Cloud, header: str) -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": header}
    answer = shared.client.simulate_request(
        "POST", "/identity/v3/OS-OAUTH2/token", body="grant_type=client_credentials", headers=sent
    )
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_nobody_keeps_others_from_writing_by_a_long_list(lender: Lender) -> None:
    many = [{"name": "reader"}] * 501
    paths = {
        f"/v3/users/{lender.id}/application_credentials": {"application_credential": {"name": "p", "roles": many}},
        "/v3/OS-TRUST/trusts": {
            "trust": {
                "trustor_user_id": lender.id, "trustee_user_id": lender.friend, "impersonation": False,
                "project_id": lender.project, "roles": many,
            }
        },
    }  # fmt: skip
    for path, body in paths.items():
        answer = lender.ask("POST", path, body)
        assert answer.status_code == 400
        assert "at most 500" in answer.json["error"]["message"]
