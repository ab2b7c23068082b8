"""Trusts: what they give, to whom, how often, how far they can be handed on, and how they end."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from falcon import testing

from tests.rooms.identity.cloud import Admin, Cloud

TRUSTS = "/v3/OS-TRUST/trusts"
_NUMBERS = itertools.count()


@dataclass
class Parties:
    """A trustor with two roles on a project of their own, and two others."""

    admins: Admin
    project: str
    trustor: str
    trustee: str
    third: str

    @property
    def cloud(self) -> Cloud:
        return self.admins.cloud

    def token(self, who: str, project: bool = False) -> str:
        identity = {"methods": ["password"], "password": {"user": {"id": who, "password": "secret"}}}
        scope = {"scope": {"project": {"id": self.project}}} if project else {}
        answer = self.cloud.ask("POST", "/v3/auth/tokens", {"auth": {"identity": identity, **scope}})
        assert answer.status_code == 201, answer.text
        return str(answer.headers["X-Subject-Token"])

    def trust(self, token: str | None = None, **given: Any) -> testing.Result:
        wanted = {
            "trustor_user_id": self.trustor,
            "trustee_user_id": self.trustee,
            "project_id": self.project,
            "impersonation": False,
            "roles": [{"name": "member"}],
            **given,
        }
        return self.cloud.ask("POST", TRUSTS, {"trust": wanted}, token or self.token(self.trustor, project=True))

    def trust_id(self, token: str | None = None, **given: Any) -> str:
        made = self.trust(token, **given)
        assert made.status_code == 201, made.text
        return str(made.json["trust"]["id"])

    def asking(self, trust_id: str, who: str | None = None) -> dict[str, Any]:
        identity = {"methods": ["token"], "token": {"id": self.token(who or self.trustee)}}
        return {"auth": {"identity": identity, "scope": {"OS-TRUST:trust": {"id": trust_id}}}}

    def redeem(self, trust_id: str, who: str | None = None) -> testing.Result:
        return self.cloud.ask("POST", "/v3/auth/tokens", self.asking(trust_id, who))

    async def at_once(self, times: int, body: Any) -> list[int]:
        transport = httpx.ASGITransport(app=self.cloud.front)
        async with httpx.AsyncClient(transport=transport, base_url="http://cloud.test") as client:
            asked = (client.post("/identity/v3/auth/tokens", json=body) for _ in range(times))
            return [each.status_code for each in await asyncio.gather(*asked)]

    def works(self, token: str) -> bool:
        return self.cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 200


@pytest.fixture
def parties(admins: Admin) -> Parties:
    number = next(_NUMBERS)
    users = [
        admins.make("user", name=f"{who}-{number}", password="secret")["id"] for who in ("trustor", "trustee", "third")
    ]
    project = admins.make("project", name=f"engine-{number}")["id"]
    for role in ("member", "manager"):
        admins.grant(f"projects/{project}", f"users/{users[0]}", role)
    return Parties(admins, project, *users)


def test_a_trustee_gets_a_token_with_the_roles_that_were_given(parties: Parties) -> None:
    trust = parties.trust(roles=[{"name": "reader"}]).json["trust"]
    assert [role["name"] for role in trust["roles"]] == ["reader"]
    assert trust["roles_links"]["self"].endswith(f"{TRUSTS}/{trust['id']}/roles")
    assert (trust["deleted_at"], trust["remaining_uses"], trust["redelegation_count"]) == (None, None, 0)
    token = parties.redeem(trust["id"]).json["token"]
    assert token["user"]["id"] == parties.trustee
    assert token["project"]["id"] == parties.project
    assert [role["name"] for role in token["roles"]] == ["reader"]
    assert token["OS-TRUST:trust"] == {
        "id": trust["id"],
        "impersonation": False,
        "trustor_user": {"id": parties.trustor},
        "trustee_user": {"id": parties.trustee},
    }


def test_with_impersonation_the_token_carries_the_trustors_name(parties: Parties) -> None:
    answer = parties.redeem(parties.trust_id(impersonation=True))
    assert answer.json["token"]["user"]["id"] == parties.trustor
    text = answer.headers["X-Subject-Token"]
    shown = parties.cloud.ask("GET", "/v3/auth/tokens", token=parties.admins.token, X_Subject_Token=text)
    assert shown.json["token"]["OS-TRUST:trust"]["impersonation"] is True
    assert shown.json["token"]["user"]["id"] == parties.trustor


def test_nobody_but_the_trustee_can_use_a_trust(parties: Parties) -> None:
    trust = parties.trust_id()
    assert parties.redeem(trust, parties.third).status_code == 403
    assert parties.redeem("nothing").status_code == 401


def test_a_token_of_a_trust_gets_no_other_and_makes_no_credentials(parties: Parties) -> None:
    text = parties.redeem(parties.trust_id()).headers["X-Subject-Token"]
    auth = {"identity": {"methods": ["token"], "token": {"id": text}}, "scope": {"project": {"id": parties.project}}}
    assert parties.cloud.ask("POST", "/v3/auth/tokens", {"auth": auth}).status_code == 403
    path = f"/v3/users/{parties.trustee}/application_credentials"
    body = {"application_credential": {"name": "mine"}}
    assert parties.cloud.ask("POST", path, body, text).status_code == 403


def test_only_what_the_trustor_has_can_be_given(parties: Parties) -> None:
    assert parties.trust(roles=[{"name": "admin"}]).status_code == 404
    assert parties.trust(roles=[]).status_code == 403
    assert parties.trust(trustee_user_id="nobody").status_code == 404
    assert parties.trust(trustor_user_id=parties.third).status_code == 403
    assert parties.trust(roles=[{"id": "x", "name": "y"}]).status_code == 400


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"expires_at": "2015-02-30"}, "expires_at"),
        ({"expires_at": "2015-01-01T00:00:00Z"}, "expires_at"),
        ({"impersonation": "yes"}, "impersonation"),
        ({"remaining_uses": 0}, "remaining_uses"),
        ({"remaining_uses": 2, "allow_redelegation": True}, "remaining_uses"),
    ],
)
def test_what_cannot_be_a_trust_is_named(parties: Parties, given: dict[str, Any], field: str) -> None:
    refused = parties.trust(**given)
    assert (refused.status_code, field in refused.json["error"]["message"]) == (400, True)


def test_a_trust_ends_with_its_time(parties: Parties, later: Any) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    trust = parties.trust_id(expires_at=soon)
    assert parties.trust(expires_at=soon).status_code == 409
    answer = parties.redeem(trust)
    assert answer.json["token"]["expires_at"][:19] == soon[:19]
    later(timedelta(minutes=6))
    assert not parties.works(answer.headers["X-Subject-Token"])
    assert parties.redeem(trust).status_code == 401
    own = parties.token(parties.trustor)
    assert parties.cloud.ask("GET", f"{TRUSTS}/{trust}", token=own).status_code == 404
    assert parties.cloud.ask("DELETE", f"{TRUSTS}/{trust}", token=own).status_code == 204


@pytest.fixture
def later(shared: Cloud) -> Iterator[Any]:
    clock: Any = shared.services.clock

    def pass_(time: timedelta) -> None:
        clock.ahead += time

    yield pass_
    clock.ahead = timedelta()


def test_a_trust_is_used_as_often_as_it_may_however_many_ask_at_once(parties: Parties) -> None:
    trust = parties.trust_id(remaining_uses=3)
    answers = asyncio.run(parties.at_once(8, parties.asking(trust)))
    assert sorted(answers) == [201] * 3 + [401] * 5
    own = parties.token(parties.trustor)
    assert parties.cloud.ask("GET", f"{TRUSTS}/{trust}", token=own).status_code == 404


@pytest.mark.parametrize("end", ["deleted", "trustor", "trustee", "role", "password", "project"])
def test_its_tokens_end_at_once_when_a_trust_falls(parties: Parties, end: str) -> None:
    do, trust = parties.admins, parties.trust_id(impersonation=True)
    text = parties.redeem(trust).headers["X-Subject-Token"]
    assert parties.works(text)
    role = do.named("role", "member")["id"]
    manager = do.named("role", "manager")["id"]
    held = f"/v3/projects/{parties.project}/users/{parties.trustor}/roles"
    own = parties.token(parties.trustor)
    {
        "deleted": lambda: parties.cloud.ask("DELETE", f"{TRUSTS}/{trust}", token=own),
        "trustor": lambda: do.change("user", parties.trustor, enabled=False),
        "trustee": lambda: do.change("user", parties.trustee, enabled=False),
        "role": lambda: [do.do("DELETE", f"{held}/{each}") for each in (role, manager)],
        "password": lambda: do.change("user", parties.trustee, password="another"),
        "project": lambda: do.change("project", parties.project, enabled=False),
    }[end]()
    assert not parties.works(text)


def test_what_the_trustor_has_lost_is_not_given(parties: Parties) -> None:
    trust = parties.trust_id(roles=[{"name": "manager"}])
    parties.admins.grant(f"projects/{parties.project}", f"users/{parties.trustor}", "manager", "DELETE")
    refused = parties.redeem(trust)
    assert (refused.status_code, "no delegated roles" in refused.json["error"]["message"]) == (403, True)


def test_a_trust_can_be_handed_on_within_what_it_gives(parties: Parties) -> None:
    first = parties.trust_id(allow_redelegation=True, impersonation=True, roles=[{"name": "manager"}])
    shown = parties.cloud.ask("GET", f"{TRUSTS}/{first}", token=parties.token(parties.trustor)).json["trust"]
    assert shown["redelegation_count"] == 3
    token = str(parties.redeem(first).headers["X-Subject-Token"])
    wider = parties.trust(token, trustee_user_id=parties.third, impersonation=True, roles=[{"name": "member"}])
    assert wider.status_code == 403
    second = parties.trust(
        token, trustee_user_id=parties.third, impersonation=True, roles=[{"name": "manager"}], allow_redelegation=True
    ).json["trust"]
    assert (second["redelegated_trust_id"], second["redelegation_count"]) == (first, 2)
    answer = parties.redeem(second["id"], parties.third)
    assert answer.json["token"]["user"]["id"] == parties.trustor
    parties.admins.change("user", parties.trustee, enabled=False)
    assert not parties.works(str(answer.headers["X-Subject-Token"]))
    parties.admins.change("user", parties.trustee, enabled=True)
    own = parties.token(parties.trustor)
    assert parties.cloud.ask("DELETE", f"{TRUSTS}/{first}", token=own).status_code == 204
    assert parties.redeem(second["id"], parties.third).status_code == 401


def test_a_trust_that_was_not_to_be_handed_on_is_not(parties: Parties) -> None:
    token = str(parties.redeem(parties.trust_id(impersonation=True)).headers["X-Subject-Token"])
    assert parties.trust(token, trustee_user_id=parties.third, impersonation=True).status_code == 403
    assert parties.trust(allow_redelegation=True, redelegation_count=9).status_code == 403


def test_people_see_the_trusts_they_are_part_of(parties: Parties) -> None:
    trust = parties.trust_id()
    trustor, trustee, third = (parties.token(each) for each in (parties.trustor, parties.trustee, parties.third))

    def listed(query: str, token: str) -> Any:
        answer = parties.cloud.ask("GET", f"{TRUSTS}?{query}", token=token)
        return [each["id"] for each in answer.json["trusts"]] if answer.status_code == 200 else answer.status_code

    assert listed(f"trustor_user_id={parties.trustor}", trustor) == [trust]
    assert listed(f"trustee_user_id={parties.trustee}", trustee) == [trust]
    assert listed(f"trustor_user_id={parties.trustor}", trustee) == 403
    assert listed("", trustor) == 403
    assert trust in listed("", parties.admins.token)
    assert "roles" not in parties.cloud.ask("GET", TRUSTS, token=parties.admins.token).json["trusts"][0]
    for token, status in ((trustor, 200), (trustee, 200), (third, 403)):
        assert parties.cloud.ask("GET", f"{TRUSTS}/{trust}", token=token).status_code == status
    assert parties.cloud.ask("GET", f"{TRUSTS}/nothing", token=third).status_code == 404
    assert parties.cloud.ask("DELETE", f"{TRUSTS}/{trust}", token=trustee).status_code == 403
    roles = parties.cloud.ask("GET", f"{TRUSTS}/{trust}/roles", token=trustee).json["roles"]
    assert [role["name"] for role in roles] == ["member"]
    one = f"{TRUSTS}/{trust}/roles/{roles[0]['id']}"
    assert parties.cloud.ask("GET", one, token=trustee).json["role"]["name"] == "member"
    assert parties.cloud.ask("HEAD", one, token=trustee).status_code == 200
    assert parties.cloud.ask("GET", f"{TRUSTS}/{trust}/roles/x", token=trustee).status_code == 404


@pytest.mark.parametrize("gone", ["trustor", "trustee", "project"])
def test_a_trust_goes_with_whom_and_what_it_is_about(parties: Parties, gone: str) -> None:
    trust = parties.trust_id()
    object_id = {"trustor": parties.trustor, "trustee": parties.trustee, "project": parties.project}[gone]
    parties.admins.do("DELETE", f"/v3/{'projects' if gone == 'project' else 'users'}/{object_id}")
    assert parties.cloud.ask("GET", f"{TRUSTS}/{trust}", token=parties.admins.token).status_code == 404


def test_an_application_credential_has_nothing_to_do_with_trusts(parties: Parties) -> None:
    own = parties.token(parties.trustor, project=True)
    body = {"application_credential": {"name": "program", "unrestricted": True}}
    path = f"/v3/users/{parties.trustor}/application_credentials"
    made = parties.cloud.ask("POST", path, body, own).json["application_credential"]
    identity = {
        "methods": ["application_credential"],
        "application_credential": {"id": made["id"], "secret": made["secret"]},
    }
    answer = parties.cloud.ask("POST", "/v3/auth/tokens", {"auth": {"identity": identity}})
    token = str(answer.headers["X-Subject-Token"])
    assert parties.trust(token).status_code == 403
    assert parties.cloud.ask("GET", f"{TRUSTS}?trustor_user_id={parties.trustor}", token=token).status_code == 403


def test_who_does_not_say_whose_a_trust_is_to_be_is_told_so(parties: Parties) -> None:
    token = parties.token(parties.trustor, project=True)
    for body in ({}, {"trustor_user_id": None}, {"trustor_user_id": 7}):
        answer = parties.cloud.ask("POST", TRUSTS, {"trust": body}, token)
        assert answer.status_code == 400, answer.text
        assert "trustor_user_id" in answer.json["error"]["message"]
    assert parties.trust(token, trustor_user_id=parties.third).status_code == 403
