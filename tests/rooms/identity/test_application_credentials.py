"""Application credentials: what a program may do in its owner's place, and everything that ends it."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from falcon.testing import Result

from tests.rooms.identity.cloud import SYSTEM, Admin, Cloud, project_scope

_NAMES = (f"made-{number}" for number in itertools.count())


class Person:
    """Somebody with the role `member` (and so `reader`) on a project of their own."""

    def __init__(self, admins: Admin) -> None:
        self.cloud = admins.cloud
        self.name = next(_NAMES)
        self.project = admins.make("project", name=self.name)
        self.user = admins.make("user", name=self.name, password="secret")
        self.where = f"projects/{self.project['id']}"
        admins.grant(self.where, f"users/{self.user['id']}", "member")
        self.path = f"/v3/users/{self.user['id']}/application_credentials"
        self.token = self.cloud.token(self.name, project_scope(self.name), "secret")

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Result:
        return self.cloud.ask(method, path, body, token or self.token)

    def create(self, token: str | None = None, **values: Any) -> Result:
        body = {"application_credential": {"name": next(_NAMES), **values}}
        return self.ask("POST", self.path, body, token)

    def made(self, token: str | None = None, **values: Any) -> dict[str, Any]:
        result = self.create(token, **values)
        assert result.status_code == 201, result.text
        credential: dict[str, Any] = result.json["application_credential"]
        return credential

    def log_in(self, credential: dict[str, Any], scope: Any = None, **also: Any) -> Result:
        proof = {"id": credential["id"], "secret": credential["secret"]}
        return self.cloud.authenticate({"application_credential": {**proof, **also}}, scope)

    def token_of(self, credential: dict[str, Any]) -> str:
        return str(self.log_in(credential).headers["X-Subject-Token"])

    def works(self, token: str) -> bool:
        return self.ask("GET", "/v3/auth/projects", token=token).status_code == 200


@pytest.fixture
def person(admins: Admin) -> Person:
    return Person(admins)


def test_the_secret_is_shown_once_and_logs_in_to_the_project(person: Person) -> None:
    made = person.made(description="for the backup")
    assert len(made["secret"]) >= 64
    assert made["project_id"] == person.project["id"]
    assert made["unrestricted"] is False
    assert made["expires_at"] is None
    assert {role["name"] for role in made["roles"]} == {"member", "reader"}
    assert "access_rules" not in made
    shown = person.ask("GET", f"{person.path}/{made['id']}").json["application_credential"]
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    token = person.log_in(made).json["token"]
    assert token["methods"] == ["application_credential"]
    assert token["project"]["id"] == person.project["id"]
    assert token["application_credential"] == {"id": made["id"], "name": made["name"], "restricted": True}
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}


def test_a_name_with_its_users_logs_in_as_well(person: Person) -> None:
    made = person.made(secret="chosen")
    assert made["secret"] == "chosen"
    for user in ({"id": person.user["id"]}, {"name": person.name, "domain": {"id": "default"}}):
        given = {"name": made["name"], "secret": "chosen", "user": user}
        assert person.cloud.authenticate({"application_credential": given}).status_code == 201


@pytest.mark.parametrize(
    ("given", "status", "field"),
    [
        ({"id": "0" * 32, "secret": "x"}, 401, ""),
        ({"id": "0" * 32}, 400, "secret"),
        ({"secret": "x"}, 400, "id or name"),
        ({"name": "x", "secret": "x"}, 400, "user"),
        ({"name": "x", "secret": "x", "user": {"name": "demo"}}, 400, "domain"),
        ({"name": "x", "secret": "x", "user": {"name": "demo", "domain": {"id": "default"}}}, 401, ""),
    ],
)
def test_a_bad_login_is_refused(shared: Cloud, given: dict[str, Any], status: int, field: str) -> None:
    result = shared.authenticate({"application_credential": given})
    assert result.status_code == status
    assert field in result.json["error"]["message"]


def test_a_wrong_secret_is_refused(person: Person) -> None:
    assert person.log_in(person.made(), secret="wrong").status_code == 401


def test_it_logs_in_its_owner_whoever_is_named_beside_it(person: Person, admins: Admin) -> None:
    made, victim = person.made(), admins.named("user", "admin")["id"]
    for named in ({"id": victim}, {"name": "admin", "domain": {"id": "default"}}):
        login = {"id": made["id"], "secret": made["secret"], "user": named}
        answer = person.cloud.authenticate({"application_credential": login})
        assert (answer.status_code, answer.json["token"]["user"]["id"]) == (201, person.user["id"])


def test_its_tokens_are_for_its_project_only(person: Person) -> None:
    made = person.made()
    for scope in (project_scope("demo"), SYSTEM, "unscoped"):
        assert person.log_in(made, scope).status_code == 401
    token = person.token_of(made)
    again = {"token": {"id": token}}
    for scope in (None, project_scope("demo"), {"project": {"id": person.project["id"]}}, SYSTEM, "unscoped"):
        assert person.cloud.authenticate(again, scope).status_code == 403


def test_roles_are_chosen_among_those_of_the_token_with_what_they_imply(person: Person, admins: Admin) -> None:
    reader = admins.named("role", "reader")
    made = person.made(roles=[{"name": "reader"}])
    assert [role["id"] for role in made["roles"]] == [reader["id"]]
    assert [role["name"] for role in person.log_in(made).json["token"]["roles"]] == ["reader"]
    by_id = person.made(roles=[{"id": admins.named("role", "member")["id"]}])
    assert {role["name"] for role in by_id["roles"]} == {"member", "reader"}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"roles": [{"name": "admin"}]}, "roles"),
        ({"roles": [{"name": "nothing"}]}, "roles.0"),
        ({"roles": [{}]}, "roles.0"),
        ({"roles": [{"name": "reader", "domain": {"id": "default"}}]}, "roles.0.domain"),
        ({"name": " "}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"expires_at": "2001-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ({"unrestricted": "yes"}, "unrestricted"),
        ({"secret": ""}, "secret"),
        ({"access_rules": [{"path": "/v2.0/ports", "method": "GET"}]}, "access_rules.service"),
        ({"access_rules": [{"path": "v2.0", "method": "GET", "service": "network"}]}, "access_rules.0.path"),
        ({"access_rules": [{"path": "/", "method": "LIST", "service": "network"}]}, "access_rules.0.method"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_input_is_400_with_the_field(person: Person, values: dict[str, Any], named: str) -> None:
    result = person.create(**values)
    assert result.status_code == 400
    assert f"'{named}'" in result.json["error"]["message"]


def test_a_name_is_given_once_per_user(person: Person) -> None:
    made = person.made()
    assert person.create(name=made["name"]).status_code == 409
    listed = person.ask("GET", f"{person.path}?name={made['name']}").json["application_credentials"]
    assert [each["id"] for each in listed] == [made["id"]]


def test_only_its_owner_makes_one_and_with_a_token_for_a_project(person: Person, admins: Admin) -> None:
    body = {"application_credential": {"name": "x"}}
    assert admins.cloud.ask("POST", person.path, body, admins.token).status_code == 403
    unscoped = person.cloud.token(person.name, "unscoped", "secret")
    assert person.ask("POST", person.path, body, unscoped).status_code == 403


def test_others_cannot_see_it_and_an_administrator_can_delete_it(person: Person, admins: Admin) -> None:
    made, other = person.made(), Person(admins)
    assert other.ask("GET", f"{person.path}/{made['id']}").status_code == 403
    assert other.ask("GET", f"{other.path}/{made['id']}").status_code == 403
    assert other.ask("DELETE", f"{other.path}/{made['id']}").status_code == 403
    assert other.ask("GET", f"{other.path}/{'0' * 32}").status_code == 404
    token = person.token_of(made)
    assert person.works(token)
    admins.do("DELETE", f"{person.path}/{made['id']}")
    assert not person.works(token)
    assert person.log_in(made).status_code == 401


def test_a_restricted_one_manages_no_others_and_an_unrestricted_one_does(person: Person) -> None:
    restricted, free = person.made(), person.made(unrestricted=True)
    token = person.token_of(restricted)
    assert person.create(token).status_code == 403
    assert person.ask("DELETE", f"{person.path}/{free['id']}", token=token).status_code == 403
    assert person.ask("GET", person.path, token=token).status_code == 200
    wide = person.token_of(free)
    assert person.log_in(free).json["token"]["application_credential"]["restricted"] is False
    person.made(wide)
    assert person.ask("DELETE", f"{person.path}/{restricted['id']}", token=wide).status_code == 204
    assert not person.works(token)


def test_credentials_for_a_project_end_with_any_role_of_their_owner_on_it(person: Person, admins: Admin) -> None:
    role = admins.make("role", name=next(_NAMES))["id"]
    elsewhere = admins.make("project", name=next(_NAMES))
    admins.grant(f"projects/{elsewhere['id']}", f"users/{person.user['id']}", "member")
    other = person.made(person.cloud.token(person.name, project_scope(elsewhere["name"]), "secret"))
    made = person.made(roles=[{"name": "reader"}])
    admins.do("PUT", f"/v3/{person.where}/users/{person.user['id']}/roles/{role}")
    admins.do("DELETE", f"/v3/roles/{role}")
    assert person.log_in(made).status_code == 401
    listed = person.ask("GET", person.path, token=admins.token).json["application_credentials"]
    assert [each["id"] for each in listed] == [other["id"]]


def test_a_credential_made_with_fewer_roles_passes_on_no_more(person: Person) -> None:
    reader = person.token_of(person.made(unrestricted=True, roles=[{"name": "reader"}]))
    assert person.create(reader, roles=[{"name": "member"}]).status_code == 400
    assert [role["name"] for role in person.made(reader)["roles"]] == ["reader"]


def test_it_ends_when_it_was_said_to_and_so_do_its_tokens(person: Person) -> None:
    end = datetime.now(UTC) + timedelta(minutes=10)
    made = person.made(expires_at=end.replace(tzinfo=None).isoformat())
    assert made["expires_at"] == end.replace(tzinfo=None).isoformat(timespec="microseconds")
    token = person.log_in(made)
    assert token.json["token"]["expires_at"][:19] == made["expires_at"][:19]
    person.cloud.clock.ahead = timedelta(minutes=11)  # type: ignore[attr-defined]
    try:
        assert person.log_in(made).status_code == 401
    finally:
        person.cloud.clock.ahead = timedelta()  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", ["role", "user", "disabled user", "project", "disabled project"])
def test_what_ends_its_owners_rights_ends_its_tokens_at_once(person: Person, admins: Admin, how: str) -> None:
    made = person.made()
    token = person.token_of(made)
    assert person.works(token)
    user, project = f"/v3/users/{person.user['id']}", f"/v3/{person.where}"
    if how == "role":
        admins.grant(person.where, f"users/{person.user['id']}", "member", "DELETE")
        # What was taken away does not come back by itself.
        admins.grant(person.where, f"users/{person.user['id']}", "member")
    elif how.endswith("user"):
        admins.do(*(("DELETE", user) if how == "user" else ("PATCH", user, {"user": {"enabled": False}})))
        if how == "disabled user":
            # Whoever comes back makes new ones.
            admins.do("PATCH", user, {"user": {"enabled": True}})
    else:
        admins.do(*(("DELETE", project) if how == "project" else ("PATCH", project, {"project": {"enabled": False}})))
    assert not person.works(token)
    assert person.log_in(made).status_code == 401


def test_a_lost_group_ends_its_tokens(person: Person, admins: Admin) -> None:
    group = admins.make("group", name=next(_NAMES))
    admins.do("PUT", f"/v3/groups/{group['id']}/users/{person.user['id']}")
    admins.grant(person.where, f"groups/{group['id']}", "admin")
    strong = person.cloud.token(person.name, project_scope(person.name), "secret")
    made = person.made(strong, roles=[{"name": "admin"}])
    token = person.token_of(made)
    admins.do("DELETE", f"/v3/groups/{group['id']}/users/{person.user['id']}")
    assert not person.works(token)
    again = person.log_in(made).json["token"]
    assert {role["name"] for role in again["roles"]} == {"member", "reader"}


RULE = {"service": "identity", "method": "GET", "path": "/v3/users/{user_id}/projects"}


def test_access_rules_bound_what_its_tokens_are_good_for(person: Person) -> None:
    made = person.made(access_rules=[RULE, {"service": "identity", "method": "GET", "path": "/v3/auth/**"}])
    assert {**made["access_rules"][0], "id": ""} == {**RULE, "id": ""}
    token = person.token_of(made)
    assert person.ask("GET", f"/v3/users/{person.user['id']}/projects", token=token).status_code == 200
    assert person.ask("GET", "/v3/auth/projects", token=token).status_code == 200
    refused = person.ask("GET", person.path, token=token)
    assert refused.status_code == 401
    assert "access rules" in refused.json["error"]["message"]
    assert person.ask("HEAD", f"/v3/users/{person.user['id']}/projects", token=token).status_code == 401


def test_who_validates_a_token_with_access_rules_must_say_that_they_are_enforced(person: Person, admins: Admin) -> None:
    token = person.token_of(person.made(access_rules=[RULE]))
    assert person.cloud.ask("GET", "/v3/auth/tokens", token=admins.token, X_Subject_Token=token).status_code == 404
    for asker in (admins.token, token):
        given = {"X_Subject_Token": token, "OpenStack_Identity_Access_Rules": "1.0"}
        shown = person.cloud.ask("GET", "/v3/auth/tokens", token=asker, **given)
        assert shown.status_code == 200
        (rule,) = shown.json["token"]["application_credential"]["access_rules"]
        assert {name: rule[name] for name in RULE} == RULE


def test_access_rules_are_kept_for_the_next_credential(person: Person, admins: Admin) -> None:
    first = person.made(access_rules=[RULE])["access_rules"][0]
    assert person.made(access_rules=[RULE])["access_rules"][0]["id"] == first["id"]
    third = person.made(access_rules=[{"id": first["id"]}])
    path = f"/v3/users/{person.user['id']}/access_rules"
    listed = person.ask("GET", path).json["access_rules"]
    assert [each["id"] for each in listed] == [first["id"]]
    assert listed[0]["links"]["self"].endswith(f"{path}/{first['id']}")
    assert person.ask("GET", f"{path}?method=POST").json["access_rules"] == []
    other = Person(admins)
    assert other.create(access_rules=[{"id": first["id"]}]).status_code == 404
    assert other.ask("GET", f"{path}/{first['id']}").status_code == 403
    assert person.ask("DELETE", f"{path}/{first['id']}").status_code == 403
    for each in person.ask("GET", person.path).json["application_credentials"]:
        person.ask("DELETE", f"{person.path}/{each['id']}")
    assert person.ask("DELETE", f"{path}/{first['id']}").status_code == 204
    assert person.ask("GET", f"{path}/{first['id']}").status_code == 404
    assert person.log_in(third).status_code == 401
