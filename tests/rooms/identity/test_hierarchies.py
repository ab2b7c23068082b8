"""What stands above and below a project, as its answer tells; and lists at paths of their own, narrowed."""

from typing import Any

import pytest

from tests.rooms.identity.cloud import Admin, Cloud


@pytest.fixture(scope="module")
def tree(admins: Admin) -> dict[str, str]:
    """top → middle → bottom, and beside the bottom one that the caller has no role on."""
    made: dict[str, str] = {}
    for name, above in (("top", None), ("middle", "top"), ("bottom", "middle"), ("beside", "middle")):
        made[name] = admins.make("project", name=name, parent_id=made.get(above or "", "default"))["id"]
    me = admins.named("user", "admin")["id"]
    for name in ("top", "middle", "bottom"):
        admins.grant(f"projects/{made[name]}", f"users/{me}", "reader")
    return made


def shown(admins: Admin, project: str, query: str) -> dict[str, Any]:
    found: dict[str, Any] = admins.do("GET", f"/v3/projects/{project}?{query}").json["project"]
    return found


def test_ids_are_nested_and_lists_name_what_the_caller_has_a_role_on(admins: Admin, tree: dict[str, str]) -> None:
    middle = shown(admins, tree["middle"], "parents_as_ids&subtree_as_ids")
    assert middle["parents"] == {tree["top"]: {"default": None}}
    assert middle["subtree"] == {tree["bottom"]: None, tree["beside"]: None}
    listed = shown(admins, tree["middle"], "parents_as_list&subtree_as_list")
    assert [each["project"]["name"] for each in listed["parents"]] == ["top"]
    assert [each["project"]["name"] for each in listed["subtree"]] == ["bottom"]
    below = listed["subtree"][0]["project"]
    assert below["links"]["self"].endswith(f"/v3/projects/{tree['bottom']}")
    assert below["parent_id"] == tree["middle"]
    assert not {"subtree", "parents", "limits"} & below.keys()


def test_lists_tell_limits_when_asked_to(admins: Admin, tree: dict[str, str]) -> None:
    service = admins.make("service", type="thing")["id"]
    what = {"service_id": service, "resource_name": "cores"}
    admins.do("POST", "/v3/registered_limits", {"registered_limits": [{**what, "default_limit": 9}]})
    admins.do("POST", "/v3/limits", {"limits": [{**what, "resource_limit": 2, "project_id": tree["bottom"]}]})
    [below] = shown(admins, tree["middle"], "subtree_as_list&include_limits")["subtree"]
    assert [each["resource_limit"] for each in below["project"]["limits"]] == [2]


def test_a_tree_is_shown_in_one_way(shared: Cloud, admins: Admin, tree: dict[str, str]) -> None:
    for pair in ("parents_as_ids&parents_as_list", "subtree_as_ids&subtree_as_list"):
        assert shared.ask("GET", f"/v3/projects/{tree['top']}?{pair}", token=admins.token).status_code == 400


def test_lists_below_something_take_the_filters_of_the_list_itself(admins: Admin, tree: dict[str, str]) -> None:
    me = admins.named("user", "admin")["id"]
    group = admins.make("group", name="crew")["id"]
    admins.do("PUT", f"/v3/groups/{group}/users/{me}")
    for path, kind in ((f"users/{me}/projects", "projects"), ("auth/projects", "projects")):
        assert [each["name"] for each in admins.do("GET", f"/v3/{path}?name=top").json[kind]] == ["top"]
        assert admins.do("GET", f"/v3/{path}?enabled=false").json[kind] == []
    assert admins.do("GET", f"/v3/users/{me}/groups?name=other").json["groups"] == []
    assert len(admins.do("GET", f"/v3/users/{me}/groups?name=crew").json["groups"]) == 1
    assert admins.do("GET", f"/v3/groups/{group}/users?enabled=false").json["users"] == []
    assert len(admins.do("GET", f"/v3/groups/{group}/users?enabled=true&name=admin").json["users"]) == 1
