"""Domains, projects, users, groups and roles, asked through the wire."""

from typing import Any

import pytest

from tests.rooms.identity.cloud import BASE, Admin, Cloud, project_scope


def test_a_user_is_made_shown_listed_changed_and_deleted(cloud: Cloud, do: Admin) -> None:
    user = do.make("user", name="ada", password="lovelace", email="ada@example.org", description="first")
    assert user["domain_id"] == "default"
    assert user["enabled"] is True
    assert user["options"] == {}
    assert user["password_expires_at"] is None
    assert user["email"] == "ada@example.org"
    assert user["links"] == {"self": f"{BASE}/identity/v3/users/{user['id']}"}
    assert len(user["id"]) == 32
    assert "default_project_id" not in user
    assert "password" not in str(sorted(set(user) - {"password_expires_at"}))
    assert do.do("GET", f"/v3/users/{user['id']}").json["user"] == user
    listed = do.do("GET", "/v3/users").json
    assert user in listed["users"]
    assert listed["links"] == {"next": None, "self": f"{BASE}/identity/v3/users", "previous": None}
    assert do.change("user", user["id"], name="countess")["name"] == "countess"
    do.do("DELETE", f"/v3/users/{user['id']}")
    gone = cloud.ask("GET", f"/v3/users/{user['id']}", token=do.token)
    assert (gone.status_code, gone.json["error"]["title"]) == (404, "Not Found")


def test_a_user_logs_in_with_the_password_they_were_given(cloud: Cloud, do: Admin) -> None:
    do.make("user", name="ada", password="a" * 100)
    assert cloud.log_in("ada", password="a" * 100).status_code == 201
    assert cloud.log_in("ada", password="a" * 99).status_code == 401


def test_attributes_the_api_does_not_know_are_kept_and_shown(do: Admin) -> None:
    user = do.make("user", name="ada", shoe_size=38)
    assert user["shoe_size"] == 38
    assert do.change("user", user["id"], hat="tall")["hat"] == "tall"
    assert do.do("GET", f"/v3/users/{user['id']}").json["user"]["shoe_size"] == 38
    project = do.make("project", name="engine", cards=7)
    assert do.do("GET", f"/v3/projects/{project['id']}").json["project"]["cards"] == 7


def test_what_only_the_cloud_sets_cannot_be_given(cloud: Cloud, do: Admin) -> None:
    secret = {"password_hash": "bcrypt-sha256:$2b$04$", "generation": 9, "password_from": "seed", "extra": {"id": "x"}}
    user = do.make("user", name="ada", password="ada", id="chosen", links={}, **secret)
    assert user["id"] != "chosen"
    assert user["links"]["self"].endswith(user["id"])
    assert not set(secret) & set(user) - {"extra"}
    do.change("user", user["id"], password_hash="x", generation=0, is_domain=True)
    assert cloud.log_in("ada", password="ada").status_code == 201
    assert do.do("GET", f"/v3/users/{user['id']}").json["user"]["id"] == user["id"]


def test_a_hyphen_in_a_name_makes_it_one_that_is_not_known(cloud: Cloud, do: Admin) -> None:
    domain, other = (do.make("domain", name=name)["id"] for name in ("own", "other"))
    boss = do.make("user", name="boss", domain_id=domain, password="secret")["id"]
    do.grant(f"domains/{domain}", f"users/{boss}", "manager")
    token = cloud.token("boss", {"domain": {"id": domain}}, "secret", domain)
    body = {"user": {"name": "ada", "domain-id": other}}
    assert cloud.ask("POST", "/v3/users", body, token).status_code == 403
    body["user"]["domain_id"] = domain
    made = cloud.ask("POST", "/v3/users", body, token).json["user"]
    assert (made["domain_id"], made["domain-id"]) == (domain, other)
    body = {"user": {"domain-id": other}}
    changed = cloud.ask("PATCH", f"/v3/users/{made['id']}", body, token).json["user"]
    assert (changed["domain_id"], changed["domain-id"]) == (domain, other)


def test_user_options_are_merged_and_null_takes_one_away(do: Admin) -> None:
    user = do.make("user", name="ada", options={"lock_password": True})
    changed = do.change("user", user["id"], options={"ignore_password_expiry": True})
    assert changed["options"] == {"lock_password": True, "ignore_password_expiry": True}
    assert do.change("user", user["id"], options={"lock_password": None})["options"] == {"ignore_password_expiry": True}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("users", {"user": {"name": ""}}, "name"),
        ("users", {"user": {"name": "   "}}, "name"),
        ("users", {"user": {"name": "x" * 256}}, "name"),
        ("users", {"user": {"name": 7}}, "name"),
        ("users", {"user": {}}, "name"),
        ("users", {"user": {"name": "a", "enabled": "true"}}, "enabled"),
        ("users", {"user": {"name": "a", "password": 1}}, "password"),
        ("users", {"user": {"name": "a", "password": "x" * 5000}}, "password"),
        ("users", {"user": {"name": "a", "options": {"fly": True}}}, "options.fly"),
        ("users", {"user": {"name": "a", "options": {"multi_factor_auth_rules": "x"}}}, "multi_factor_auth_rules"),
        ("users", {"user": {"name": "a", "domain_id": "not/one"}}, "domain_id"),
        ("users", {"person": {"name": "a"}}, "user"),
        ("users", "[", "JSON"),
        ("projects", {"project": {"name": "x" * 65}}, "name"),
        ("projects", {"project": {"name": "a", "tags": ["a,b"]}}, "tags"),
        ("projects", {"project": {"name": "a", "tags": [str(n) for n in range(81)]}}, "tags"),
        ("projects", {"project": {"name": "a", "tags": ["a", "a"]}}, "tags"),
        ("projects", {"project": {"name": "a", "is_domain": "yes"}}, "is_domain"),
        ("projects", {"project": {"name": "a", "parent_id": {}}}, "parent_id"),
        ("domains", {"domain": {"name": "x" * 65}}, "name"),
        ("domains", {"domain": {"name": "a", "explicit_domain_id": "a b"}}, "explicit_domain_id"),
        ("roles", {"role": {"name": "x" * 256}}, "name"),
        ("groups", {"group": {"name": None}}, "name"),
        ("services", {"service": {"name": "a"}}, "type"),
        ("services", {"service": {"type": "a", "enabled": 1}}, "enabled"),
        ("endpoints", {"endpoint": {"interface": "secret", "url": "http://x", "service_id": "a"}}, "interface"),
        ("endpoints", {"endpoint": {"interface": "public", "url": "here", "service_id": "a"}}, "url"),
        ("endpoints", {"endpoint": {"interface": "public", "url": "http://x", "service_id": "none"}}, "service_id"),
    ],
)
def test_a_malformed_body_names_the_field(cloud: Cloud, do: Admin, path: str, body: Any, field: str) -> None:
    result = cloud.ask("POST", f"/v3/{path}", body, do.token)
    assert result.status_code == 400, result.text
    assert field in result.json["error"]["message"]
    assert result.json["error"]["title"] == "Bad Request"


@pytest.mark.parametrize("kind", ["user", "group", "project", "domain", "role"])
def test_a_name_is_taken_once_in_its_domain(cloud: Cloud, do: Admin, kind: str) -> None:
    do.make(kind, name="one")
    two = do.make(kind, name="two")
    assert cloud.ask("POST", f"/v3/{kind}s", {kind: {"name": "one"}}, do.token).status_code == 409
    assert cloud.ask("PATCH", f"/v3/{kind}s/{two['id']}", {kind: {"name": "one"}}, do.token).status_code == 409
    assert do.change(kind, two["id"], name="two")["name"] == "two"


def test_the_same_name_is_free_in_another_domain(do: Admin) -> None:
    other = do.make("domain", name="other")
    for kind in ("user", "group", "project"):
        do.make(kind, name="same")
        assert do.make(kind, name="same", domain_id=other["id"])["domain_id"] == other["id"]


def test_an_unknown_domain_is_not_found_but_for_projects_where_it_is_bad_input(cloud: Cloud, do: Admin) -> None:
    for kind, status in (("user", 404), ("group", 404), ("project", 400)):
        made = cloud.ask("POST", f"/v3/{kind}s", {kind: {"name": "a", "domain_id": "f" * 32}}, do.token)
        assert made.status_code == status, made.text
        assert f"Could not find domain: {'f' * 32}" in made.json["error"]["message"]


def test_an_id_in_a_change_must_be_the_objects_own(cloud: Cloud, do: Admin) -> None:
    for kind in ("user", "group", "project", "role", "service"):
        made = do.make(kind, name="same", **({"type": "x"} if kind == "service" else {}))
        path = f"/v3/{kind}s/{made['id']}"
        assert do.do("PATCH", path, {kind: {"id": made["id"], "name": "other"}}).json[kind]["name"] == "other"
        for wrong in ("f" * 32, None, 7, [], {}):
            refused = cloud.ask("PATCH", path, {kind: {"id": wrong, "name": "third"}}, do.token)
            assert refused.status_code == 400, refused.text
            assert f"Cannot change {kind} ID" in refused.json["error"]["message"]


def test_people_change_their_own_password_by_the_old_one(cloud: Cloud, do: Admin, demo: str) -> None:
    path = f"/v3/users/{do.named('user', 'demo')['id']}/password"
    old = cloud.password("demo")

    def change(original: str, new: Any) -> int:
        return cloud.ask("POST", path, {"user": {"original_password": original, "password": new}}, demo).status_code

    assert change("wrong", "new one") == 401
    assert change(old, 7) == 400
    assert change(old, old) == 400
    assert cloud.ask("POST", path, {"user": {"password": "new one"}}, demo).status_code == 400
    assert cloud.ask("GET", "/v3/auth/projects", token=demo).status_code == 200
    assert change(old, "new one") == 204
    assert cloud.ask("GET", "/v3/auth/projects", token=demo).status_code == 401
    assert cloud.log_in("demo", password=old).status_code == 401
    assert cloud.log_in("demo", password="new one").status_code == 201


def test_a_locked_password_and_an_unknown_user_cannot_change_theirs(cloud: Cloud, do: Admin) -> None:
    user = do.make("user", name="ada", password="old", options={"lock_password": True})
    body = {"user": {"original_password": "old", "password": "new"}}
    assert cloud.ask("POST", f"/v3/users/{user['id']}/password", body).status_code == 400
    assert cloud.ask("POST", f"/v3/users/{'f' * 32}/password", body).status_code == 401


def test_a_domain_must_be_disabled_before_it_is_deleted_with_all_it_owns(cloud: Cloud, do: Admin) -> None:
    domain = do.make("domain", name="other", description="elsewhere")
    user = do.make("user", name="ada", password="ada", domain_id=domain["id"])
    group = do.make("group", name="crew", domain_id=domain["id"])
    project = do.make("project", name="engine", domain_id=domain["id"])
    child = do.make("project", name="part", parent_id=project["id"])
    role = do.make("role", name="own", domain_id=domain["id"])
    do.grant(f"projects/{project['id']}", f"users/{user['id']}", "member")
    do.grant(f"domains/{domain['id']}", f"groups/{group['id']}", "reader")
    refused = cloud.ask("DELETE", f"/v3/domains/{domain['id']}", token=do.token)
    assert (refused.status_code, "disable it first" in refused.json["error"]["message"]) == (403, True)
    do.change("domain", domain["id"], enabled=False)
    do.do("DELETE", f"/v3/domains/{domain['id']}")
    made = {"users": user, "groups": group, "projects": project, "roles": role, "domains": domain}
    for kind, each in (*made.items(), ("projects", child)):
        assert cloud.ask("GET", f"/v3/{kind}/{each['id']}", token=do.token).status_code == 404
    left = do.do("GET", "/v3/role_assignments").json["role_assignments"]
    assert not [each for each in left if domain["id"] in str(each) or project["id"] in str(each)]


def test_a_domain_can_be_given_its_id(cloud: Cloud, do: Admin) -> None:
    domain = do.make("domain", name="chosen", explicit_domain_id="a1b2")
    assert domain["id"] == "a1b2"
    assert "explicit_domain_id" not in domain
    again = cloud.ask("POST", "/v3/domains", {"domain": {"name": "more", "explicit_domain_id": "a1b2"}}, do.token)
    assert again.status_code == 409


def test_a_project_may_act_as_a_domain(cloud: Cloud, do: Admin) -> None:
    project = do.make("project", name="both", is_domain=True)
    assert (project["is_domain"], project["domain_id"], project["parent_id"]) == (True, None, None)
    assert do.do("GET", f"/v3/domains/{project['id']}").json["domain"]["name"] == "both"
    assert "both" not in {each["name"] for each in do.do("GET", "/v3/projects").json["projects"]}
    acting = do.do("GET", "/v3/projects?is_domain=true").json["projects"]
    assert {"Default", "both"} == {each["name"] for each in acting}
    assert cloud.ask("DELETE", f"/v3/projects/{project['id']}", token=do.token).status_code == 403


def test_projects_form_trees_of_five_levels(cloud: Cloud, do: Admin) -> None:
    line = [do.make("project", name="level 0")]
    assert line[0]["parent_id"] == "default"
    for depth in range(1, 5):
        line.append(do.make("project", name=f"level {depth}", parent_id=line[-1]["id"]))
        assert line[-1]["domain_id"] == "default"
    deeper = cloud.ask("POST", "/v3/projects", {"project": {"name": "level 5", "parent_id": line[-1]["id"]}}, do.token)
    assert deeper.status_code == 403
    middle = line[2]["id"]
    shown = do.do("GET", f"/v3/projects/{middle}?parents_as_ids&subtree_as_ids").json["project"]
    assert shown["parents"] == {line[1]["id"]: {line[0]["id"]: {"default": None}}}
    assert shown["subtree"] == {line[3]["id"]: {line[4]["id"]: None}}
    children = do.do("GET", f"/v3/projects?parent_id={middle}").json["projects"]
    assert [each["id"] for each in children] == [line[3]["id"]]
    assert cloud.ask("DELETE", f"/v3/projects/{middle}", token=do.token).status_code == 403
    body = {"project": {"enabled": False}}
    assert cloud.ask("PATCH", f"/v3/projects/{middle}", body, do.token).status_code == 403
    for each in reversed(line):
        do.change("project", each["id"], enabled=False)
    assert cloud.ask("PATCH", f"/v3/projects/{middle}", {"project": {"enabled": True}}, do.token).status_code == 403
    for each in reversed(line):
        do.do("DELETE", f"/v3/projects/{each['id']}")


def test_lists_of_projects_are_narrowed_by_tags(do: Admin) -> None:
    for name, tags in {"a": ["red"], "b": ["red", "blue"], "c": ["dark blue"], "d": []}.items():
        do.make("project", name=name, tags=tags)

    def names(query: str) -> set[str]:
        found = do.do("GET", f"/v3/projects?{query}").json["projects"]
        return {each["name"] for each in found} - {"admin", "demo", "service"}

    assert names("tags=red") == {"a", "b"}
    assert names("tags=red,blue") == {"b"}
    assert names("tags-any=blue,dark blue") == {"b", "c"}
    assert names("not-tags=red,blue") == {"a", "c", "d"}
    assert names("not-tags-any=red,blue") == {"c", "d"}
    assert names("tags=re") == set()


def test_tags_are_added_checked_replaced_and_taken_away(cloud: Cloud, do: Admin) -> None:
    path = f"/v3/projects/{do.make('project', name='tagged')['id']}/tags"
    added = do.do("PUT", f"{path}/red")
    assert added.status_code == 201
    assert added.headers["Location"].endswith(f"{path}/red")
    assert cloud.ask("PUT", f"{path}/red", token=do.token).status_code == 400
    assert do.do("GET", f"{path}/red").status_code == 204
    assert do.do("PUT", path, {"tags": ["b", "a"]}).json["tags"] == ["a", "b"]
    assert cloud.ask("GET", f"{path}/red", token=do.token).status_code == 404
    assert do.do("DELETE", f"{path}/a").status_code == 204
    assert cloud.ask("DELETE", f"{path}/a", token=do.token).status_code == 404
    listed = do.do("GET", path).json
    assert listed["tags"] == ["b"]
    assert listed["links"]["self"].endswith(path)
    assert do.do("DELETE", path).status_code == 204
    assert do.do("GET", path).json["tags"] == []


@pytest.mark.parametrize("kind", ["project", "domain", "role"])
def test_what_is_immutable_must_be_freed_first(cloud: Cloud, do: Admin, kind: str) -> None:
    made = do.make(kind, name="rock", options={"immutable": True})
    path = f"/v3/{kind}s/{made['id']}"
    assert cloud.ask("PATCH", path, {kind: {"description": "sand"}}, do.token).status_code == 403
    assert cloud.ask("DELETE", path, token=do.token).status_code == 403
    at_once = {"description": "sand", "options": {"immutable": False}}
    assert cloud.ask("PATCH", path, {kind: at_once}, do.token).status_code == 403
    do.change(kind, made["id"], options={"immutable": False})
    do.change(kind, made["id"], description="sand", options={"immutable": True})
    do.change(kind, made["id"], options={"immutable": None})
    do.change(kind, made["id"], description="gravel")


def test_a_domain_with_something_immutable_in_it_stays(cloud: Cloud, do: Admin) -> None:
    domain = do.make("domain", name="isles")["id"]
    rock = do.make("project", name="rock", domain_id=domain, options={"immutable": True})["id"]
    do.change("domain", domain, enabled=False)
    assert cloud.ask("DELETE", f"/v3/domains/{domain}", token=do.token).status_code == 403
    do.change("project", rock, options={"immutable": False})
    do.do("DELETE", f"/v3/domains/{domain}")


def test_users_join_and_leave_groups(cloud: Cloud, do: Admin) -> None:
    user, group = do.make("user", name="ada")["id"], do.make("group", name="crew")["id"]
    path = f"/v3/groups/{group}/users/{user}"
    assert cloud.ask("HEAD", path, token=do.token).status_code == 404
    assert cloud.ask("DELETE", path, token=do.token).status_code == 404
    assert do.do("PUT", path).status_code == 204
    assert do.do("PUT", path).status_code == 204
    assert do.do("HEAD", path).status_code == 204
    assert [each["id"] for each in do.do("GET", f"/v3/groups/{group}/users").json["users"]] == [user]
    listed = do.do("GET", f"/v3/users/{user}/groups").json
    assert [each["id"] for each in listed["groups"]] == [group]
    assert listed["groups"][0]["links"] == {"self": f"{BASE}/identity/v3/groups/{group}"}
    assert do.do("DELETE", path).status_code == 204
    assert do.do("GET", f"/v3/groups/{group}/users").json["users"] == []
    assert cloud.ask("PUT", f"/v3/groups/{group}/users/{'f' * 32}", token=do.token).status_code == 404


def test_filters_and_pages_of_users(do: Admin) -> None:
    for number in range(5):
        do.make("user", name=f"user {number}", enabled=number % 2 == 0)
    assert {each["name"] for each in do.do("GET", "/v3/users?enabled=false").json["users"]} == {"user 1", "user 3"}
    assert len(do.do("GET", "/v3/users?name=user 4").json["users"]) == 1
    assert len(do.do("GET", "/v3/users?name__contains=user").json["users"]) == 5
    assert do.do("GET", "/v3/users?domain_id=elsewhere").json["users"] == []
    first = do.do("GET", "/v3/users?limit=4&sort_key=name").json
    assert len(first["users"]) == 4
    rest = do.do("GET", first["links"]["next"].removeprefix(f"{BASE}/identity")).json
    assert len(rest["users"]) == 3
    assert rest["links"]["next"] is None
    names = [each["name"] for each in (*first["users"], *rest["users"])]
    assert names == sorted(names)


def test_what_one_can_get_a_token_for_is_listed(cloud: Cloud, do: Admin, demo: str) -> None:
    user = do.named("user", "demo")["id"]
    parent = do.make("project", name="parent")
    do.make("project", name="child", parent_id=parent["id"])
    reader = do.named("role", "reader")["id"]
    do.do("PUT", f"/v3/OS-INHERIT/projects/{parent['id']}/users/{user}/roles/{reader}/inherited_to_projects")
    off = do.make("project", name="off")
    do.grant(f"projects/{off['id']}", f"users/{user}", "reader")
    do.change("project", off["id"], enabled=False)
    own = cloud.ask("GET", "/v3/auth/projects", token=demo).json["projects"]
    assert [each["name"] for each in own] == ["child", "demo"]
    assert cloud.ask("GET", "/v3/auth/system", token=demo).json["system"] == []
    assert cloud.ask("GET", "/v3/auth/system", token=do.token).json["system"] == [{"all": True}]
    assert cloud.ask("GET", "/v3/auth/domains", token=demo).json["domains"] == []
    do.grant("domains/default", f"users/{user}", "reader")
    assert [each["id"] for each in cloud.ask("GET", "/v3/auth/domains", token=demo).json["domains"]] == ["default"]
    by_user = do.do("GET", f"/v3/users/{user}/projects").json["projects"]
    assert {each["name"] for each in by_user} == {"child", "demo", "off"}
    assert cloud.token("demo", project_scope("child"))
    assert cloud.log_in("demo", project_scope("parent")).status_code == 401


def test_the_version_documents_are_keystones(cloud: Cloud) -> None:
    listed = cloud.ask("GET", "")
    assert listed.status_code == 300
    version = listed.json["versions"]["values"][0]
    assert (version["id"], version["status"]) == ("v3.14", "stable")
    assert version["links"] == [{"rel": "self", "href": f"{BASE}/identity/v3/"}]
    for path in ("/v3", "/v3/"):
        assert cloud.ask("GET", path).json == {"version": version}


def test_what_is_fixed_once_made_cannot_be_changed(cloud: Cloud, do: Admin) -> None:
    other = do.make("domain", name="other")["id"]
    for kind in ("user", "group", "project", "role"):
        made = do.make(kind, name="fixed")
        path = f"/v3/{kind}s/{made['id']}"
        assert cloud.ask("PATCH", path, {kind: {"domain_id": other}}, do.token).status_code == 400
        assert do.change(kind, made["id"], domain_id=made["domain_id"])["domain_id"] == made["domain_id"]
    project = f"/v3/projects/{do.named('project', 'fixed')['id']}"
    assert cloud.ask("PATCH", project, {"project": {"is_domain": True}}, do.token).status_code == 400
    assert cloud.ask("PATCH", project, {"project": {"parent_id": other}}, do.token).status_code == 403
