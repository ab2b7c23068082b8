"""Roles: given, checked, listed and taken back, on every kind of target; what comes out of them; implied roles."""

from typing import Any

import pytest

from tests.rooms.identity.cloud import BASE, Admin, Cloud, project_scope


@pytest.fixture
def who(do: Admin) -> dict[str, str]:
    """A user in a group, and a project of their own."""
    made = {"users": do.make("user", name="ada", password="ada")["id"], "groups": do.make("group", name="crew")["id"]}
    do.do("PUT", f"/v3/groups/{made['groups']}/users/{made['users']}")
    return {**made, "project": do.make("project", name="engine")["id"]}


def entries(do: Admin, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = do.do("GET", f"/v3/role_assignments?{query}").json["role_assignments"]
    return found


@pytest.mark.parametrize("actors", ["users", "groups"])
@pytest.mark.parametrize("where", ["projects", "domains", "system"])
def test_a_grant_is_made_checked_listed_and_revoked(
    cloud: Cloud, do: Admin, who: dict[str, str], actors: str, where: str
) -> None:
    target = {"projects": f"projects/{who['project']}", "domains": "domains/default", "system": "system"}[where]
    role = do.named("role", "reader")
    path = f"/v3/{target}/{actors}/{who[actors]}/roles"
    assert cloud.ask("HEAD", f"{path}/{role['id']}", token=do.token).status_code == 404
    assert do.do("PUT", f"{path}/{role['id']}").status_code == 204
    assert do.do("PUT", f"{path}/{role['id']}").status_code == 204
    assert do.do("HEAD", f"{path}/{role['id']}").status_code == 204
    listed = do.do("GET", path).json
    assert listed["roles"] == [role]
    assert listed["links"]["self"] == f"{BASE}/identity{path}"
    assert do.do("DELETE", f"{path}/{role['id']}").status_code == 204
    assert cloud.ask("DELETE", f"{path}/{role['id']}", token=do.token).status_code == 404
    assert do.do("GET", path).json["roles"] == []


@pytest.mark.parametrize("actors", ["users", "groups"])
def test_an_inherited_grant_holds_below_and_not_there(
    cloud: Cloud, do: Admin, who: dict[str, str], actors: str
) -> None:
    child = do.make("project", name="part", parent_id=who["project"])["id"]
    role = do.named("role", "reader")
    path = f"/v3/OS-INHERIT/projects/{who['project']}/{actors}/{who[actors]}/roles"
    assert do.do("PUT", f"{path}/{role['id']}/inherited_to_projects").status_code == 204
    assert do.do("HEAD", f"{path}/{role['id']}/inherited_to_projects").status_code == 204
    assert do.do("GET", f"{path}/inherited_to_projects").json["roles"] == [role]
    assert do.do("GET", f"/v3/projects/{who['project']}/{actors}/{who[actors]}/roles").json["roles"] == []
    assert cloud.log_in("ada", {"project": {"id": child}}, "ada").status_code == 201
    assert cloud.log_in("ada", {"project": {"id": who["project"]}}, "ada").status_code == 401
    granted = entries(do, f"{actors[:-1]}.id={who[actors]}")
    assert granted[0]["scope"] == {"project": {"id": who["project"]}, "OS-INHERIT:inherited_to": "projects"}
    assert granted[0]["links"]["assignment"].endswith("/inherited_to_projects")
    come_out = entries(do, f"effective&user.id={who['users']}")
    assert [each["scope"] for each in come_out] == [{"project": {"id": child}, "OS-INHERIT:inherited_to": "projects"}]
    do.do("DELETE", f"{path}/{role['id']}/inherited_to_projects")
    assert cloud.log_in("ada", {"project": {"id": child}}, "ada").status_code == 401


def test_a_grant_inherited_from_a_domain_holds_in_all_its_projects(
    cloud: Cloud, do: Admin, who: dict[str, str]
) -> None:
    role = do.named("role", "member")["id"]
    do.do("PUT", f"/v3/OS-INHERIT/domains/default/users/{who['users']}/roles/{role}/inherited_to_projects")
    token = cloud.log_in("ada", project_scope("engine"), "ada").json["token"]
    assert [each["name"] for each in token["roles"]] == ["member", "reader"]
    assert cloud.log_in("ada", {"domain": {"id": "default"}}, "ada").status_code == 401
    own = cloud.ask("GET", "/v3/auth/projects", token=cloud.token("ada", "unscoped", "ada")).json["projects"]
    assert {each["name"] for each in own} == {"admin", "demo", "engine", "service"}


@pytest.mark.parametrize("missing", ["project", "user", "role"])
def test_a_grant_of_something_unknown_is_not_found(cloud: Cloud, do: Admin, who: dict[str, str], missing: str) -> None:
    named = {
        "project": who["project"],
        "user": who["users"],
        "role": do.named("role", "reader")["id"],
        missing: "f" * 32,
    }
    path = f"/v3/projects/{named['project']}/users/{named['user']}/roles/{named['role']}"
    refused = cloud.ask("PUT", path, token=do.token)
    assert refused.status_code == 404
    assert f"Could not find {missing}" in refused.json["error"]["message"]


def test_assignments_come_with_names_when_asked(do: Admin, who: dict[str, str]) -> None:
    do.grant(f"projects/{who['project']}", f"groups/{who['groups']}", "reader")
    (entry,) = entries(do, f"include_names&group.id={who['groups']}")
    default = {"id": "default", "name": "Default"}
    assert entry["role"]["name"] == "reader"
    assert entry["group"] == {"id": who["groups"], "name": "crew", "domain": default}
    assert entry["scope"] == {"project": {"id": who["project"], "name": "engine", "domain": default}}
    (plain,) = entries(do, f"group.id={who['groups']}")
    assert set(plain["group"]) == set(plain["role"]) == {"id"}


def test_effective_assignments_are_of_users_with_all_that_is_implied(do: Admin, who: dict[str, str]) -> None:
    do.grant(f"projects/{who['project']}", f"groups/{who['groups']}", "member")
    come_out = entries(do, f"effective&include_names&user.id={who['users']}")
    assert [each["role"]["name"] for each in come_out] == ["member", "reader"]
    assert all(each["user"]["id"] == who["users"] and "group" not in each for each in come_out)
    member, reader = come_out
    assert member["links"]["membership"] == f"{BASE}/identity/v3/groups/{who['groups']}/users/{who['users']}"
    assert "prior_role" not in member["links"]
    assert reader["links"]["prior_role"].endswith(f"/v3/roles/{do.named('role', 'member')['id']}")


def test_assignments_are_narrowed_by_role_scope_and_tree(do: Admin, who: dict[str, str]) -> None:
    child = do.make("project", name="part", parent_id=who["project"])["id"]
    do.grant(f"projects/{who['project']}", f"users/{who['users']}", "reader")
    do.grant(f"projects/{child}", f"users/{who['users']}", "member")
    do.grant("domains/default", f"users/{who['users']}", "reader")
    do.grant("system", f"users/{who['users']}", "reader")
    mine = f"user.id={who['users']}"
    assert len(entries(do, mine)) == 4
    assert len(entries(do, f"{mine}&role.id={do.named('role', 'member')['id']}")) == 1
    assert [each["scope"] for each in entries(do, f"{mine}&scope.system=all")] == [{"system": {"all": True}}]
    assert [each["scope"] for each in entries(do, f"{mine}&scope.domain.id=default")] == [{"domain": {"id": "default"}}]
    assert len(entries(do, f"{mine}&scope.project.id={who['project']}")) == 1
    assert len(entries(do, f"{mine}&scope.project.id={who['project']}&include_subtree")) == 2


@pytest.mark.parametrize(
    "query",
    [
        "user.id=a&group.id=b",
        "scope.system=all&scope.domain.id=a",
        "scope.project.id=a&scope.domain.id=b",
        "effective&group.id=a",
        "include_subtree",
    ],
)
def test_filters_that_exclude_one_another_are_refused(cloud: Cloud, do: Admin, query: str) -> None:
    assert cloud.ask("GET", f"/v3/role_assignments?{query}", token=do.token).status_code == 400


def test_a_role_implies_another_until_told_otherwise(cloud: Cloud, do: Admin, who: dict[str, str]) -> None:
    captain, cook = do.make("role", name="captain"), do.make("role", name="cook")
    path = f"/v3/roles/{captain['id']}/implies/{cook['id']}"
    made = do.do("PUT", path)
    assert made.status_code == 201
    assert made.json["role_inference"]["prior_role"]["name"] == "captain"
    assert made.json["role_inference"]["implies"]["name"] == "cook"
    assert do.do("GET", path).json == made.json
    assert do.do("HEAD", path).status_code == 204
    listed = do.do("GET", f"/v3/roles/{captain['id']}/implies").json["role_inference"]
    assert [each["id"] for each in listed["implies"]] == [cook["id"]]
    do.grant(f"projects/{who['project']}", f"users/{who['users']}", "captain")
    roles = cloud.log_in("ada", project_scope("engine"), "ada").json["token"]["roles"]
    assert [each["name"] for each in roles] == ["captain", "cook"]
    assert do.do("DELETE", path).status_code == 204
    assert cloud.ask("DELETE", path, token=do.token).status_code == 404
    roles = cloud.log_in("ada", project_scope("engine"), "ada").json["token"]["roles"]
    assert [each["name"] for each in roles] == ["captain"]


def test_no_role_implies_admin_nor_itself_in_a_circle(cloud: Cloud, do: Admin) -> None:
    admin, reader, member = (do.named("role", name)["id"] for name in ("admin", "reader", "member"))
    assert cloud.ask("PUT", f"/v3/roles/{reader}/implies/{admin}", token=do.token).status_code == 403
    assert cloud.ask("PUT", f"/v3/roles/{reader}/implies/{member}", token=do.token).status_code == 403
    assert cloud.ask("PUT", f"/v3/roles/{reader}/implies/{reader}", token=do.token).status_code == 403


def test_all_inferences_are_listed(do: Admin) -> None:
    found = do.do("GET", "/v3/role_inferences").json["role_inferences"]
    pairs = {(each["prior_role"]["name"], one["name"]) for each in found for one in each["implies"]}
    assert pairs == {("admin", "manager"), ("manager", "member"), ("member", "reader")}


def test_a_role_of_the_whole_cloud_implies_no_domains_own(cloud: Cloud, do: Admin) -> None:
    own, far = do.make("role", name="own", domain_id="default"), do.make("domain", name="far")["id"]
    other = do.make("role", name="other", domain_id=far)
    reader = do.named("role", "reader")["id"]
    assert cloud.ask("PUT", f"/v3/roles/{reader}/implies/{own['id']}", token=do.token).status_code == 403
    assert do.do("PUT", f"/v3/roles/{own['id']}/implies/{other['id']}").status_code == 201


def test_a_domains_own_role_only_serves_to_imply_others(cloud: Cloud, do: Admin, who: dict[str, str]) -> None:
    own = do.make("role", name="crew chief", domain_id="default")
    assert own["domain_id"] == "default"
    assert own not in do.do("GET", "/v3/roles").json["roles"]
    assert do.do("GET", "/v3/roles?domain_id=default").json["roles"] == [own]
    do.do("PUT", f"/v3/roles/{own['id']}/implies/{do.named('role', 'member')['id']}")
    do.do("PUT", f"/v3/projects/{who['project']}/users/{who['users']}/roles/{own['id']}")
    roles = cloud.log_in("ada", project_scope("engine"), "ada").json["token"]["roles"]
    assert [each["name"] for each in roles] == ["member", "reader"]
    other = do.make("domain", name="other")["id"]
    stranger = do.make("project", name="far", domain_id=other)["id"]
    refused = cloud.ask("PUT", f"/v3/projects/{stranger}/users/{who['users']}/roles/{own['id']}", token=do.token)
    assert refused.status_code == 403


@pytest.mark.parametrize("kind", ["user", "group", "project", "role"])
def test_what_is_deleted_is_no_longer_assigned(do: Admin, who: dict[str, str], kind: str) -> None:
    role = do.make("role", name="cook")["id"]
    actors = "groups" if kind == "group" else "users"
    do.grant(f"projects/{who['project']}", f"{actors}/{who[actors]}", "cook")
    assert entries(do, f"role.id={role}")
    do.do(
        "DELETE",
        {"role": f"/v3/roles/{role}", "project": f"/v3/projects/{who['project']}"}.get(
            kind, f"/v3/{actors}/{who[actors]}"
        ),
    )
    assert entries(do, f"role.id={role}") == []


def test_effective_roles_can_be_narrowed_to_where_they_come_from_and_go(do: Admin, who: dict[str, str]) -> None:
    child = do.make("project", name="part", parent_id=who["project"])["id"]
    grandchild = do.make("project", name="screw", parent_id=child)["id"]
    member, reader = (do.named("role", each)["id"] for each in ("member", "reader"))
    do.do(
        "PUT", f"/v3/OS-INHERIT/projects/{who['project']}/groups/{who['groups']}/roles/{member}/inherited_to_projects"
    )
    do.grant(f"projects/{child}", f"users/{who['users']}", "reader")
    user = f"effective&user.id={who['users']}"

    def places(query: str) -> set[tuple[str, str]]:
        return {(each["scope"]["project"]["id"], each["role"]["id"]) for each in entries(do, query)}

    everything = {(place, role) for place in (child, grandchild) for role in (member, reader)}
    assert places(user) == everything
    assert places(f"{user}&scope.project.id={grandchild}") == {(grandchild, member), (grandchild, reader)}
    assert places(f"{user}&scope.project.id={who['project']}") == set()
    assert places(f"{user}&scope.project.id={child}&include_subtree") == everything
    assert places(f"{user}&scope.OS-INHERIT:inherited_to=projects&role.id={member}") == {
        (child, member),
        (grandchild, member),
    }
    assert places(f"{user}&scope.project.id={child}&role.id={reader}") == {(child, reader)}
    assert places(f"scope.project.id={child}&include_subtree") == {(child, reader)}
    links = entries(do, f"{user}&scope.project.id={grandchild}&role.id={member}")[0]["links"]
    assert links["membership"].endswith(f"/v3/groups/{who['groups']}/users/{who['users']}")
    assert links["assignment"].endswith("/inherited_to_projects")


def test_effective_roles_on_the_system_are_listed_when_asked_for(do: Admin, who: dict[str, str]) -> None:
    do.grant("system", f"groups/{who['groups']}", "reader")
    assert entries(do, f"effective&user.id={who['users']}") == []
    [found] = entries(do, f"effective&user.id={who['users']}&scope.system=all")
    assert found["scope"] == {"system": {"all": True}}
    assert len(entries(do, f"group.id={who['groups']}")) == 1


@pytest.mark.parametrize(
    "query",
    [
        "user.id=a&group.id=b",
        "scope.project.id=a&scope.domain.id=b",
        "scope.project.id=a&scope.system=all",
        "effective&group.id=a",
        "effective&scope.domain.id=a&scope.OS-INHERIT:inherited_to=projects",
        "include_subtree",
    ],
)
def test_filters_that_can_find_nothing_are_refused(cloud: Cloud, admin: str, query: str) -> None:
    assert cloud.ask("GET", f"/v3/role_assignments?{query}", token=admin).status_code == 400
