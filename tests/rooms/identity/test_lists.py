"""Lists of the Identity API: pages, links and filters, of resources and of what hangs below them."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from stackyard.rooms.identity.resources.user.resource import USER
from tests.rooms.identity.cloud import Admin, Cloud

Made = dict[str, Any]


@pytest.fixture(scope="module")
def family(admins: Admin) -> Made:
    """A user in three groups with a role on three projects, and a group of three users."""
    user = admins.make("user", name="anna-of-many", password="secret")
    made: Made = {"user": user["id"], "groups": [], "projects": [], "users": []}
    role = admins.named("role", "reader")["id"]
    for name in ("ab", "bc", "cd"):
        group = admins.make("group", name=f"{name}-group")["id"]
        admins.do("PUT", f"/v3/groups/{group}/users/{user['id']}")
        project = admins.make("project", name=f"{name}-project")["id"]
        admins.do("PUT", f"/v3/projects/{project}/users/{user['id']}/roles/{role}")
        made["groups"].append(group)
        made["projects"].append(project)
    made["group"] = made["groups"][0]
    for name in ("ab", "bc"):
        other = admins.make("user", name=f"{name}-user")["id"]
        admins.do("PUT", f"/v3/groups/{made['group']}/users/{other}")
    return made


def lists(family: Made) -> dict[str, str]:
    return {
        f"/v3/users/{family['user']}/groups": "groups",
        f"/v3/users/{family['user']}/projects": "projects",
        f"/v3/groups/{family['group']}/users": "users",
        "/v3/groups": "groups",
    }


def followed(admins: Admin, path: str, name: str) -> list[list[str]]:
    """The ids on each page, from the first one on by `links.next`."""
    pages, base = [], "/identity"
    while path:
        page = admins.do("GET", path).json
        pages.append([each["id"] for each in page[name]])
        following = page["links"]["next"]
        assert ("truncated" in page) == bool(following)
        path = ""
        if following:
            parts = urlsplit(following)
            path = f"{parts.path.removeprefix(base)}?{parts.query}"
    return pages


def test_every_list_is_walked_page_by_page_through_its_next_links(admins: Admin, family: Made) -> None:
    for path, name in lists(family).items():
        whole = [each["id"] for each in admins.do("GET", path).json[name]]
        assert len(whole) >= 3
        pages = followed(admins, f"{path}?limit=2", name)
        assert [each for page in pages for each in page] == whole, path
        assert {len(page) for page in pages[:-1]} == {2}


def test_the_own_link_of_a_list_says_what_was_asked(admins: Admin, family: Made) -> None:
    for path in lists(family):
        asked = f"{path}?name__startswith=ab&limit=5"
        assert admins.do("GET", asked).json["links"]["self"].endswith(asked)
        assert admins.do("GET", path).json["links"]["self"].endswith(path)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("name__contains=b-", {"ab"}),
        ("name__icontains=BC-", {"bc"}),
        ("name__startswith=cd", {"cd"}),
        ("name__istartswith=CD", {"cd"}),
        ("name__endswith=-group", {"ab", "bc", "cd"}),
        ("name__iendswith=-GROUP", {"ab", "bc", "cd"}),
        ("name__resembles=nothing", {"ab", "bc", "cd"}),
        ("name=bc-group", {"bc"}),
    ],
)
def test_lists_below_an_object_are_narrowed_as_those_of_the_resource(
    admins: Admin, family: Made, query: str, wanted: set[str]
) -> None:
    found = admins.do("GET", f"/v3/users/{family['user']}/groups?{query}").json["groups"]
    assert {each["name"].removesuffix("-group") for each in found} == wanted


def test_a_flag_without_a_value_asks_for_what_has_it(admins: Admin, family: Made) -> None:
    admins.do("PATCH", f"/v3/projects/{family['projects'][2]}", {"project": {"enabled": False}})
    for path in ("/v3/projects", f"/v3/users/{family['user']}/projects"):

        def ids(query: str, path: str = path) -> set[str]:
            return {each["id"] for each in admins.do("GET", f"{path}?{query}").json["projects"]}

        for query in ("enabled", "enabled=", "enabled=true", "enabled=1"):
            assert ids(query) & set(family["projects"]) == set(family["projects"][:2]), query
        assert ids("enabled=0") == ids("enabled=False") == {family["projects"][2]}
    admins.do("PATCH", f"/v3/projects/{family['projects'][2]}", {"project": {"enabled": True}})


def test_only_texts_are_compared_as_texts(admins: Admin, family: Made) -> None:
    for path, name in {**lists(family), "/v3/registered_limits": "registered_limits"}.items():
        whole = admins.do("GET", path).json[name]
        for compared in ("enabled", "default_limit", "options"):
            assert admins.do("GET", f"{path}?{compared}__contains=x").json[name] == whole


def test_a_marker_that_is_not_in_the_list_is_named(admins: Admin, family: Made) -> None:
    for path in lists(family):
        answer = admins.cloud.ask("GET", f"{path}?limit=1&marker={'0' * 32}", token=admins.token)
        assert answer.status_code == 404
        assert "marker" in answer.json["error"]["message"]
        assert admins.cloud.ask("GET", f"{path}?limit=few", token=admins.token).status_code == 400


def test_a_list_links_to_itself_as_it_was_asked_for(admins: Admin, family: Made) -> None:
    user, scope = f"user.id={family['user']}", "scope.OS-INHERIT:inherited_to=projects"
    for asked in (f"role_assignments?effective&{user}", f"role_assignments?{scope}", "users?name=a%20b&enabled"):
        assert admins.do("GET", f"/v3/{asked}").json["links"]["self"].endswith(f"/v3/{asked}")


@pytest.mark.parametrize("path", ["regions", "OS-EP-FILTER/endpoint_groups"])
def test_some_lists_take_only_the_filters_that_they_know(admins: Admin, path: str) -> None:
    refused = admins.cloud.ask("GET", f"/v3/{path}?nmae=x", token=admins.token)
    assert (refused.status_code, "nmae" in refused.json["error"]["message"]) == (400, True)
    admins.do("GET", f"/v3/{path}?limit=1")
    admins.do("GET", "/v3/users?nmae=x")


def test_people_are_found_by_when_their_passwords_expire(cloud: Cloud, do: Admin) -> None:
    group = do.make("group", name="expiring")["id"]
    for day in (1, 5):
        made = do.make("user", name=f"in-{day}-days", password="secret")["id"]
        do.do("PUT", f"/v3/groups/{group}/users/{made}")
        _expire(cloud, made, day)
    for path in ("/v3/users", f"/v3/groups/{group}/users"):

        def names(query: str, path: str = path) -> set[str]:
            found = do.do("GET", f"{path}?password_expires_at={query}").json["users"]
            return {each["name"] for each in found}

        assert names("lt:2040-01-03T00:00:00Z") == {"in-1-days"}
        assert names("gte:2040-01-05T00:00:00Z") == {"in-5-days"}
        assert names("2040-01-05T00:00:00Z") == names("eq:2040-01-05T00:00:00Z") == {"in-5-days"}
        assert names("neq:2040-01-05T00:00:00Z") == {"in-1-days"}
        for bad in ("bad:2040-01-05T00:00:00Z", "lt:soon"):
            refused = cloud.ask("GET", f"{path}?password_expires_at={bad}", token=do.token)
            assert refused.status_code == 400, refused.text
            assert "password_expires_at" in refused.json["error"]["message"]


def _expire(cloud: Cloud, user_id: str, day: int) -> None:
    with cloud.database.write() as tx:
        tx.update(USER.table, {"password_expires_at": datetime(2040, 1, day, tzinfo=UTC)}, id=user_id)


def test_only_a_zero_says_no_to_an_effective_list(admins: Admin, family: Made) -> None:
    def of_groups(query: str) -> bool:
        found = admins.do("GET", f"/v3/role_assignments?{query}").json["role_assignments"]
        return any("group" in each for each in found)

    role = admins.named("role", "reader")["id"]
    admins.do("PUT", f"/v3/projects/{family['projects'][0]}/groups/{family['group']}/roles/{role}")
    assert of_groups("")
    assert of_groups("effective=0")
    assert not of_groups("effective")
    assert not of_groups("effective=False")
