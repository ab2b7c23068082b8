"""A domain whose users and groups are in an LDAP directory: Debian's slapd, started here."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stackyard.rooms.identity import reconcile
from stackyard.rooms.identity.directories import directories_of
from stackyard.rooms.identity.mirror import public_id
from tests.rooms.identity.cloud import Admin, Cloud
from tests.rooms.identity.slapd import LIMIT, PEOPLE, TEAMS, Slapd, slapd

pytestmark = pytest.mark.thorough


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with slapd(tmp_path_factory.mktemp("slapd")) as running:
        yield running


@pytest.fixture
def domain(cloud: Cloud, do: Admin, server: Slapd) -> str:
    """The domain `corp`, connected to the directory; what it says is looked at each time."""
    made = str(do.make("domain", name="corp")["id"])
    connect(do, made, **server.options())
    directories_of(cloud.services).fresh = 0
    return made


def connect(do: Admin, domain: str, **options: Any) -> None:
    do.do("PUT", f"/v3/domains/{domain}/config", {"config": {"identity": {"driver": "ldap"}, "ldap": options}})


def names(do: Admin, kind: str, domain: str) -> list[str]:
    found = do.do("GET", f"/v3/{kind}?domain_id={domain}").json[kind]
    return sorted(each["name"] for each in found)


def project_of(do: Admin, domain: str) -> tuple[str, dict[str, Any]]:
    project = do.make("project", name="engine", domain_id=domain)["id"]
    return project, {"project": {"id": project}}


def test_users_and_groups_of_a_directory_are_listed_shown_and_have_keystones_ids(
    do: Admin, server: Slapd, domain: str
) -> None:
    ada = server.person("ada", description="the first")
    server.team("crew", ada, description="all of them")
    assert names(do, "users", domain) == ["ada"]
    assert names(do, "groups", domain) == ["crew"]
    user, group = public_id(domain, "user", "ada"), public_id(domain, "group", "crew")
    shown = do.do("GET", f"/v3/users/{user}").json["user"]
    assert {name: shown[name] for name in ("id", "name", "domain_id", "enabled", "email", "description")} == {
        "id": user, "name": "ada", "domain_id": domain, "enabled": True, "email": "ada@example.org",
        "description": "the first",
    }  # fmt: skip
    assert len(user) == 64
    assert do.do("GET", f"/v3/groups/{group}").json["group"]["description"] == "all of them"
    assert [each["id"] for each in do.do("GET", f"/v3/groups/{group}/users").json["users"]] == [user]
    assert do.do("GET", f"/v3/users?name=ada&domain_id={domain}").json["users"][0]["id"] == user
    assert "local_id" not in shown


def test_a_password_is_judged_by_the_directory_and_roles_come_through_its_groups(
    cloud: Cloud, do: Admin, server: Slapd, domain: str
) -> None:
    ada = server.person("ada")
    server.team("crew", ada)
    assert names(do, "groups", domain) == ["crew"]
    project, scope = project_of(do, domain)
    do.grant(f"projects/{project}", f"groups/{public_id(domain, 'group', 'crew')}", "member")
    answer = cloud.log_in("ada", scope, "adaada", domain)
    assert answer.status_code == 201, answer.text
    told = answer.json["token"]
    assert told["user"] == {
        "id": public_id(domain, "user", "ada"), "name": "ada", "domain": {"id": domain, "name": "corp"},
        "password_expires_at": None,
    }  # fmt: skip
    assert [each["name"] for each in told["roles"]] == ["member", "reader"]
    by_id = {"user": {"id": told["user"]["id"], "password": "adaada"}}
    identity = {"methods": ["password"], "password": by_id}
    assert cloud.ask("POST", "/v3/auth/tokens", {"auth": {"identity": identity}}).status_code == 201
    listed = do.do("GET", f"/v3/role_assignments?effective&include_names&scope.project.id={project}").json
    assert {each["user"]["name"] for each in listed["role_assignments"]} == {"ada"}


def test_every_refusal_is_the_same_and_asks_the_directory_as_often(
    cloud: Cloud, server: Slapd, domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stackyard.rooms.identity.drivers.ldap.connections import Connections

    server.person("ada")
    server.person("off", employeeType="FALSE")
    asked: list[str] = []
    ask, bind = Connections.ask, Connections.may_bind
    monkeypatch.setattr(Connections, "ask", lambda *given: asked.append("search") or ask(*given))
    monkeypatch.setattr(Connections, "may_bind", lambda *given: asked.append("bind") or bind(*given))
    told = set()
    for name, password in (("ada", "guess"), ("ada", ""), ("nobody", "guess"), ("off", "offoff"), ("*", "adaada")):
        asked.clear()
        answer = cloud.log_in(name, password=password, domain=domain)
        told.add((answer.status_code, answer.text, tuple(asked)))
    assert [(status, done) for status, _, done in told] == [(401, ("search", "bind"))]
    assert told == {(401, cloud.log_in("demo", password="guess").text, ("search", "bind"))}


@pytest.mark.parametrize("name", ["*", "ad*", "ada)(uid=*", "ada)(|(uid=*", "\\2a", "(", "ad\u0430", "ada "])
def test_a_name_is_a_name_and_never_a_filter(cloud: Cloud, do: Admin, server: Slapd, domain: str, name: str) -> None:
    server.person("ada")
    assert cloud.log_in(name, password="adaada", domain=domain).status_code == (201 if name == "ada " else 401)
    query = do.cloud.client.simulate_get(
        "/identity/v3/users", params={"name": name, "domain_id": domain}, headers={"X-Auth-Token": do.token}
    )
    assert (query.status_code, query.json["users"]) == (200, [])


def test_names_with_every_special_character_are_found(cloud: Cloud, do: Admin, server: Slapd, domain: str) -> None:
    for uid in ("o'neil (ada)", "a*b", "back\\slash", "grüße"):
        server.add(
            f"cn=entry {ord(uid[0])} {len(uid)},{PEOPLE}", "inetOrgPerson", cn="entry", sn="x", uid=uid,
            userPassword="secret",
        )  # fmt: skip
        assert cloud.log_in(uid, password="secret", domain=domain).status_code == 201, uid


def test_who_leaves_the_directory_leaves_the_cloud_with_roles_and_tokens(
    cloud: Cloud, do: Admin, server: Slapd, domain: str
) -> None:
    ada, bob = server.person("ada"), server.person("bob")
    server.team("crew", ada, bob)
    project, scope = project_of(do, domain)
    assert names(do, "users", domain) == ["ada", "bob"]
    do.grant(f"projects/{project}", f"users/{public_id(domain, 'user', 'ada')}", "member")
    do.grant(f"projects/{project}", f"groups/{public_id(domain, 'group', 'crew')}", "reader")
    tokens = {name: cloud.token(name, scope, name * 2, domain) for name in ("ada", "bob")}
    server.remove(ada)
    server.change(f"cn=crew,{TEAMS}", member=[ada])
    report = reconcile.follow_directories(cloud.services)
    assert (report.examined, report.failed, len(report.repaired)) == (1, [], 1)
    for name, token in tokens.items():
        assert cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 401, name
    left = do.do("GET", f"/v3/role_assignments?scope.project.id={project}").json["role_assignments"]
    assert [each.get("user") for each in left] == [None], "what was given to a group that is there stays"
    assert names(do, "users", domain) == ["bob"]
    assert reconcile.follow_directories(cloud.services).repaired == []


def test_groups_are_those_of_the_moment_of_the_login(cloud: Cloud, do: Admin, server: Slapd, domain: str) -> None:
    ada = server.person("ada")
    crew, board = server.team("crew", ada), server.team("board", PEOPLE)
    assert names(do, "groups", domain) == ["board", "crew"]
    project, scope = project_of(do, domain)
    do.grant(f"projects/{project}", f"groups/{public_id(domain, 'group', 'board')}", "manager")
    assert cloud.log_in("ada", scope, "adaada", domain).status_code == 401
    server.change(board, member=[ada])
    server.change(crew, member=[PEOPLE])
    token = cloud.token("ada", scope, "adaada", domain)
    user = public_id(domain, "user", "ada")
    assert [each["name"] for each in do.do("GET", f"/v3/users/{user}/groups").json["groups"]] == ["board"]
    server.change(board, member=[PEOPLE])
    assert cloud.log_in("ada", None, "adaada", domain).status_code == 201
    assert cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 401, "the older token has no role left"


def test_groups_within_groups_count_where_the_domain_says_so_also_in_circles(
    cloud: Cloud, do: Admin, server: Slapd, domain: str
) -> None:
    ada = server.person("ada")
    inner = server.team("inner", ada)
    outer = server.team("outer", inner)
    server.change(inner, member=[ada, outer])
    user, group = public_id(domain, "user", "ada"), public_id(domain, "group", "outer")
    assert names(do, "groups", domain) == ["inner", "outer"]
    assert do.do("GET", f"/v3/groups/{group}/users").json["users"] == []
    connect(do, domain, **server.options(group_ad_nesting=True))
    assert names(do, "groups", domain) == ["inner", "outer"]
    assert [each["id"] for each in do.do("GET", f"/v3/groups/{group}/users").json["users"]] == [user]
    assert cloud.log_in("ada", None, "adaada", domain).status_code == 201
    held = do.do("GET", f"/v3/users/{user}/groups").json["groups"]
    assert sorted(each["name"] for each in held) == ["inner", "outer"]


def test_groups_may_name_their_members_by_id(cloud: Cloud, do: Admin, server: Slapd, domain: str) -> None:
    server.person("ada")
    server.add(f"cn=crew,{TEAMS}", "posixGroup", cn="crew", gidNumber=7, memberUid=["ada", "gone"])
    by_id = {"group_objectclass": "posixGroup", "group_member_attribute": "memberUid", "group_members_are_ids": True}
    connect(do, domain, **server.options(**by_id))
    assert names(do, "users", domain) == ["ada"]
    assert names(do, "groups", domain) == ["crew"]
    group = public_id(domain, "group", "crew")
    assert [each["name"] for each in do.do("GET", f"/v3/groups/{group}/users").json["users"]] == ["ada"]
    assert cloud.log_in("ada", None, "adaada", domain).status_code == 201
    user = public_id(domain, "user", "ada")
    assert [each["id"] for each in do.do("GET", f"/v3/users/{user}/groups").json["groups"]] == [group]


@pytest.mark.parametrize(
    ("how", "values"),
    [
        ({}, {"on": "TRUE", "off": "FALSE", "mute": None}),
        ({"user_enabled_invert": True, "user_enabled_default": "False"}, {"on": "FALSE", "off": "TRUE", "mute": None}),
        ({"user_enabled_mask": 2, "user_enabled_default": "512"}, {"on": "512", "off": "514", "mute": None}),
    ],
)
def test_a_directory_says_who_is_enabled_in_its_own_way(
    cloud: Cloud, do: Admin, server: Slapd, domain: str, how: dict[str, Any], values: dict[str, str | None]
) -> None:
    for name, value in values.items():
        server.person(name, **({"employeeType": value} if value else {}))
    connect(do, domain, **server.options(**how))
    listed = do.do("GET", f"/v3/users?domain_id={domain}").json["users"]
    assert {each["name"]: each["enabled"] for each in listed} == {"on": True, "off": False, "mute": True}
    for name, status in (("on", 201), ("off", 401), ("mute", 201)):
        assert cloud.log_in(name, None, name * 2, domain).status_code == status, name


def test_a_group_can_say_who_is_enabled_and_being_taken_out_ends_tokens(
    cloud: Cloud, do: Admin, server: Slapd, domain: str
) -> None:
    ada = server.person("ada")
    server.person("bob")
    enabled = server.team("enabled", ada)
    connect(do, domain, **server.options(user_enabled_emulation=True, user_enabled_emulation_dn=enabled))
    listed = do.do("GET", f"/v3/users?domain_id={domain}").json["users"]
    assert {each["name"]: each["enabled"] for each in listed} == {"ada": True, "bob": False}
    assert cloud.log_in("bob", None, "bobbob", domain).status_code == 401
    token = cloud.token("ada", None, "adaada", domain)
    server.change(enabled, member=[PEOPLE])
    reconcile.follow_directories(cloud.services)
    assert cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 401


def test_filters_classes_scope_and_attributes_are_the_domains_choice(do: Admin, server: Slapd, domain: str) -> None:
    deep = f"ou=deep,{PEOPLE}"
    server.add(deep, "organizationalUnit", ou="deep")
    server.person("ada", title="cloud", telephoneNumber="1")
    server.person("bob")
    server.add(f"uid=eve,{deep}", "inetOrgPerson", uid="eve", cn="Eve", sn="eve", title="cloud")
    chosen = {
        "query_scope": "sub", "user_filter": "(title=cloud)", "user_name_attribute": "cn",
        "user_additional_attribute_mapping": ["telephoneNumber:phone"], "user_attribute_ignore": ["email"],
    }  # fmt: skip
    connect(do, domain, **server.options(**chosen))
    listed = do.do("GET", f"/v3/users?domain_id={domain}").json["users"]
    assert {each["name"] for each in listed} == {"Ada", "Eve"}
    ada = next(each for each in listed if each["name"] == "Ada")
    assert (ada["phone"], "email" in ada) == ("1", False)
    server.change(f"uid=ada,{PEOPLE}", telephoneNumber=[])
    again = do.do("GET", f"/v3/users?domain_id={domain}").json["users"]
    assert "phone" not in next(each for each in again if each["name"] == "Ada")


def test_a_directory_is_read_page_by_page_beyond_its_limit(do: Admin, server: Slapd, domain: str) -> None:
    with server.root() as connection:
        for number in range(LIMIT + 5):
            connection.add(f"uid=u{number},{PEOPLE}", "inetOrgPerson", {"uid": f"u{number}", "cn": "u", "sn": "u"})
    assert len(names(do, "users", domain)) == LIMIT + 5
    connect(do, domain, **server.options(page_size=0))
    refused = do.cloud.ask("GET", f"/v3/users?domain_id={domain}", token=do.token)
    assert refused.status_code == 503
    report = reconcile.follow_directories(do.cloud.services)
    assert "cannot be asked" in report.failed[0]


def test_a_directory_that_is_away_is_said_so_and_nobody_else_is_held_up(
    cloud: Cloud, do: Admin, server: Slapd, domain: str
) -> None:
    server.person("ada")
    token = cloud.token("ada", None, "adaada", domain)
    server.stop()
    for _ in range(2):
        away = cloud.log_in("ada", None, "adaada", domain)
        assert away.status_code == 503
        assert "directory of domain corp cannot be asked" in away.json["error"]["message"]
        assert away.headers["Retry-After"] == "3"
        assert cloud.ask("GET", f"/v3/users?domain_id={domain}", token=do.token).status_code == 503
    assert cloud.log_in("demo").status_code == 201
    assert cloud.ask("GET", "/v3/users", token=do.token).status_code == 200
    assert cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 200, "tokens stay good meanwhile"
    assert do.do("GET", f"/v3/users/{public_id(domain, 'user', 'ada')}").json["user"]["name"] == "ada"
    assert reconcile.follow_directories(cloud.services).failed
    server.start()
    end = time.monotonic() + 30
    while cloud.log_in("ada", None, "adaada", domain).status_code != 201:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_connection_that_the_server_has_ended_is_opened_again(cloud: Cloud, server: Slapd, domain: str) -> None:
    server.person("ada")
    assert cloud.log_in("ada", None, "adaada", domain).status_code == 201
    server.stop()
    server.start()
    assert cloud.log_in("ada", None, "adaada", domain).status_code == 201


def test_one_that_does_not_answer_is_given_up_and_the_second_url_is_tried(
    cloud: Cloud, do: Admin, server: Slapd, domain: str
) -> None:
    server.person("ada")
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        deaf = f"ldap://127.0.0.1:{mute.getsockname()[1]}"
        connect(do, domain, **server.options(url=deaf, connection_timeout=1))
        assert cloud.log_in("ada", None, "adaada", domain).status_code == 503
    connect(do, domain, **server.options(url=f"{deaf},{server.url}", connection_timeout=1))
    assert cloud.log_in("ada", None, "adaada", domain).status_code == 201


def test_tls_is_spoken_and_the_server_must_be_the_right_one(
    cloud: Cloud, do: Admin, server: Slapd, domain: str, tmp_path: Path
) -> None:
    server.person("ada")
    for url, use_tls in ((server.url, True), (server.tls_url, False)):
        trusted = {"url": url, "use_tls": use_tls, "tls_cacertfile": str(server.ca)}
        connect(do, domain, **server.options(**trusted))
        assert cloud.log_in("ada", None, "adaada", domain).status_code == 201
        connect(do, domain, **server.options(**{**trusted, "tls_cacertfile": None}))
        assert cloud.log_in("ada", None, "adaada", domain).status_code == 503
        connect(do, domain, **server.options(**{**trusted, "tls_cacertfile": None, "tls_req_cert": "never"}))
        assert cloud.log_in("ada", None, "adaada", domain).status_code == 201


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "wrong"}, "user, password: the directory does not let them in"),
        ({"user_tree_dn": "ou=None,dc=example,dc=org"}, "there is no ou=None"),
        ({"url": "http://127.0.0.1"}, "url: write it like"),
        ({"query_scope": "all"}, "query_scope: one or sub"),
        ({"user_filter": "title=cloud"}, "user_filter: a filter is written in parentheses"),
        ({"tls_req_cert": "maybe"}, "tls_req_cert"),
        ({"user_additional_attribute_mapping": ["phone"]}, "ldap_attribute:attribute"),
    ],
)
def test_a_wrong_configuration_is_told_to_the_operator_and_not_to_strangers(
    cloud: Cloud, do: Admin, server: Slapd, domain: str, wrong: dict[str, Any], said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    connect(do, domain, **server.options(**wrong))
    with caplog.at_level("WARNING", "stackyard.identity"):
        refused = cloud.log_in("ada", None, "adaada", domain)
    assert refused.status_code == 503
    reasons = " ".join(str(getattr(each, "reason", "")) for each in caplog.records)
    assert said in reasons
    assert said not in refused.text
    assert "sesame" not in caplog.text + reasons


def test_what_a_directory_keeps_is_changed_there(cloud: Cloud, do: Admin, server: Slapd, domain: str) -> None:
    server.team("crew", server.person("ada"))
    assert names(do, "users", domain) == ["ada"]
    assert names(do, "groups", domain) == ["crew"]
    user, group = public_id(domain, "user", "ada"), public_id(domain, "group", "crew")
    for method, path, body in (
        ("POST", "/v3/users", {"user": {"name": "eve", "domain_id": domain}}),
        ("POST", "/v3/groups", {"group": {"name": "eve", "domain_id": domain}}),
        ("PATCH", f"/v3/users/{user}", {"user": {"enabled": False}}),
        ("PATCH", f"/v3/groups/{group}", {"group": {"name": "other"}}),
        ("DELETE", f"/v3/users/{user}", None),
        ("DELETE", f"/v3/groups/{group}", None),
        ("DELETE", f"/v3/groups/{group}/users/{user}", None),
        ("PUT", f"/v3/groups/{group}/users/{do.named('user', 'demo')['id']}", None),
    ):
        refused = cloud.ask(method, path, body, do.token)
        assert refused.status_code == 403, f"{method} {path}"
        assert "kept in its directory" in refused.json["error"]["message"]
    change = {"user": {"original_password": "adaada", "password": "other"}}
    assert cloud.ask("POST", f"/v3/users/{user}/password", change).status_code == 401


def test_a_file_in_the_state_folder_connects_a_domain_as_keystones_do(
    cloud: Cloud, do: Admin, server: Slapd, tmp_path: Path
) -> None:
    server.person("ada")
    domain = do.make("domain", name="files")["id"]
    folder = cloud.settings.state_dir / "domains"
    folder.mkdir()
    lines = [f"{name} = {value}" for name, value in server.options(user_attribute_ignore="email,phone").items()]
    (folder / "keystone.files.conf").write_text("\n".join(["[identity]", "driver = ldap", "[ldap]", *lines]))
    assert cloud.log_in("ada", None, "adaada", domain).status_code == 201
    assert names(do, "users", domain) == ["ada"]
    (folder / "keystone.files.conf").write_text("driver = ldap")
    assert cloud.log_in("ada", None, "adaada", domain).status_code == 401, "a file that cannot be read connects nothing"


def test_two_entries_of_one_name_are_nobody(cloud: Cloud, do: Admin, server: Slapd, domain: str) -> None:
    for number in (1, 2):
        server.person(f"ada{number}", cn="Ada", userPassword="secret")
    connect(do, domain, **server.options(user_name_attribute="cn"))
    assert cloud.log_in("Ada", None, "secret", domain).status_code == 401
    assert names(do, "users", domain) == ["Ada"]


def test_a_directory_that_shows_nobody_any_more_is_not_believed(do: Admin, server: Slapd, domain: str) -> None:
    ada = server.person("ada")
    assert names(do, "users", domain) == ["ada"]
    server.remove(ada)
    assert do.cloud.ask("GET", f"/v3/users?domain_id={domain}", token=do.token).status_code == 503
    assert "nobody at all" in reconcile.follow_directories(do.cloud.services).failed[0]
    user = public_id(domain, "user", "ada")
    assert do.do("GET", f"/v3/users/{user}").json["user"]["name"] == "ada"


def test_a_deleted_domain_leaves_nothing_of_its_directory(do: Admin, server: Slapd, domain: str) -> None:
    server.team("crew", server.person("ada"))
    assert names(do, "users", domain) == ["ada"]
    do.change("domain", domain, enabled=False)
    do.do("DELETE", f"/v3/domains/{domain}")
    user = public_id(domain, "user", "ada")
    assert do.cloud.ask("GET", f"/v3/users/{user}", token=do.token).status_code == 404
