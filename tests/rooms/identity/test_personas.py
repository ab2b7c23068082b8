"""Who may do what: the default policy's personas against the routes, inside and outside their domain."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.databases import copied_state
from tests.rooms.identity.cloud import SYSTEM, Admin, Cloud

PASSWORD = "persona"


@dataclass
class Cast:
    """Two domains with a user, a group and a project each, and a token for each persona."""

    tokens: dict[str, str]
    here: dict[str, str]
    there: dict[str, str]


@pytest.fixture(scope="module")
def staged(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Cast]]:
    """The cast, staged once: tokens hold in every copy of the state."""
    folder = tmp_path_factory.mktemp("staged") / "state"
    with copied_state(seeded, folder):
        cloud = Cloud(folder)
        cast = stage(cloud)
        cloud.close()
        yield folder, cast


@pytest.fixture
def cloud(staged: tuple[Path, Cast], tmp_path: Path) -> Iterator[Cloud]:
    with copied_state(staged[0], tmp_path / "state"):
        cloud = Cloud(tmp_path / "state")
        yield cloud
        cloud.close()


@pytest.fixture
def cast(staged: tuple[Path, Cast]) -> Cast:
    return staged[1]


def stage(cloud: Cloud) -> Cast:
    do = Admin(cloud, cloud.token("admin"))

    def domain(name: str) -> dict[str, str]:
        made = {"domain": do.make("domain", name=name)["id"]}
        for kind in ("user", "group", "project"):
            made[kind] = do.make(kind, name=f"{name} {kind}", domain_id=made["domain"])["id"]
        return made

    here, there = domain("here"), domain("there")
    tokens = {"admin": do.token, "nobody": ""}
    for role in ("admin", "manager", "member", "reader"):
        for kind, scope in (
            ("system", SYSTEM),
            ("domain", {"domain": {"id": here["domain"]}}),
            ("project", {"project": {"id": here["project"]}}),
        ):
            name = f"{kind} {role}"
            user = do.make("user", name=name, password=PASSWORD, domain_id=here["domain"])["id"]
            where = "system" if kind == "system" else f"{kind}s/{here[kind]}"
            do.grant(where, f"users/{user}", role)
            tokens[name] = cloud.token(name, scope, PASSWORD, here["domain"])
    return Cast(tokens, here, there)


EVERYONE_ELSE = ("system member", "domain member", "project member", "project manager", "project reader")


def status(cloud: Cloud, cast: Cast, persona: str, method: str, path: str, body: Any = None) -> int:
    result = cloud.ask(method, path, body, cast.tokens[persona] or None)
    return int(result.status_code)


def test_strangers_without_a_token_learn_nothing(cloud: Cloud, cast: Cast) -> None:
    for method, path in (
        ("GET", "/v3/users"),
        ("GET", f"/v3/users/{cast.here['user']}"),
        ("GET", "/v3/users/none"),
        ("POST", "/v3/users"),
        ("GET", "/v3/nothing"),
        ("PATCH", "/v3/domains/default"),
        ("GET", "/v3/role_assignments"),
        ("DELETE", "/v3/auth/tokens"),
        ("GET", "/v3/regions"),
    ):
        assert status(cloud, cast, "nobody", method, path) == 401, path


@pytest.mark.parametrize("kind", ["user", "group", "project"])
def test_objects_of_a_domain_are_read_by_its_readers_and_the_systems(cloud: Cloud, cast: Cast, kind: str) -> None:
    inside, outside = f"/v3/{kind}s/{cast.here[kind]}", f"/v3/{kind}s/{cast.there[kind]}"
    for persona in ("admin", "system admin", "system reader", "domain reader", "domain manager"):
        assert status(cloud, cast, persona, "GET", inside) == 200, persona
    for persona in ("domain reader", "domain manager"):
        assert status(cloud, cast, persona, "GET", outside) == 403, persona
        assert status(cloud, cast, persona, "GET", f"/v3/{kind}s/{'f' * 32}") == 403, persona
    for persona in ("project member", "project reader", "project manager"):
        assert status(cloud, cast, persona, "GET", outside) == 403, persona
        assert status(cloud, cast, persona, "GET", f"/v3/{kind}s/{'f' * 32}") == 403, persona
        assert status(cloud, cast, persona, "GET", inside) == (200 if kind == "project" else 403), persona
        assert status(cloud, cast, persona, "GET", f"/v3/{kind}s") == 403, persona
    for persona in ("admin", "system reader"):
        assert status(cloud, cast, persona, "GET", f"/v3/{kind}s/{'f' * 32}") == 404, persona


@pytest.mark.parametrize("kind", ["user", "group", "project"])
def test_a_domains_people_list_what_is_theirs_and_no_more(cloud: Cloud, cast: Cast, kind: str) -> None:
    for persona in ("domain reader", "domain manager"):
        found = cloud.ask("GET", f"/v3/{kind}s", token=cast.tokens[persona]).json[f"{kind}s"]
        assert {each["domain_id"] for each in found} == {cast.here["domain"]}
        asked = cloud.ask("GET", f"/v3/{kind}s?domain_id={cast.there['domain']}", token=cast.tokens[persona])
        assert asked.json[f"{kind}s"] == []
    found = cloud.ask("GET", f"/v3/{kind}s", token=cast.tokens["system reader"]).json[f"{kind}s"]
    assert {cast.here["domain"], cast.there["domain"]} <= {each["domain_id"] for each in found}


@pytest.mark.parametrize("kind", ["user", "group", "project"])
def test_a_domains_manager_makes_changes_and_deletes_in_it_alone(cloud: Cloud, cast: Cast, kind: str) -> None:
    def make(persona: str, domain: str | None) -> int:
        values = {"name": f"by {persona}", **({"domain_id": domain} if domain else {})}
        return status(cloud, cast, persona, "POST", f"/v3/{kind}s", {kind: values})

    # Keystone judges a new user by the domain that the request names, a new group or project by the token's.
    assert make("domain manager", None) == (403 if kind == "user" else 201)
    assert kind != "user" or make("domain manager", cast.here["domain"]) == 201
    found = cloud.ask("GET", f"/v3/{kind}s?name=by domain manager", token=cast.tokens["admin"]).json[f"{kind}s"]
    assert [each["domain_id"] for each in found] == [cast.here["domain"]]
    assert make("domain manager", cast.there["domain"]) == 403
    assert make("domain manager", "f" * 32) == 403
    for persona in (*EVERYONE_ELSE, "system reader", "domain reader"):
        assert make(persona, cast.here["domain"]) == 403, persona
    inside, outside = f"/v3/{kind}s/{cast.here[kind]}", f"/v3/{kind}s/{cast.there[kind]}"
    change = {kind: {"description": "changed"}}
    assert status(cloud, cast, "domain manager", "PATCH", inside, change) == 200
    assert status(cloud, cast, "domain manager", "PATCH", outside, change) == 403
    assert status(cloud, cast, "domain manager", "DELETE", outside) == 403
    assert status(cloud, cast, "domain reader", "PATCH", inside, change) == 403
    assert status(cloud, cast, "domain reader", "DELETE", inside) == 403
    assert status(cloud, cast, "domain manager", "DELETE", inside) == 204


def test_a_manager_cannot_reach_another_domain_through_a_parent(cloud: Cloud, cast: Cast) -> None:
    for extra in ({}, {"domain_id": cast.here["domain"]}):
        body = {"project": {"name": "sneaky", "parent_id": cast.there["project"], **extra}}
        assert status(cloud, cast, "domain manager", "POST", "/v3/projects", body) == 403
    assert (
        status(cloud, cast, "domain manager", "POST", "/v3/projects", {"project": {"name": "d", "is_domain": True}})
        == 403
    )


def test_a_manager_gives_out_up_to_their_own_role_inside_the_domain(cloud: Cloud, do: Admin, cast: Cast) -> None:
    def give(role: str, user: str, project: str, method: str = "PUT") -> int:
        path = f"/v3/projects/{project}/users/{user}/roles/{do.named('role', role)['id']}"
        return status(cloud, cast, "domain manager", method, path)

    for role in ("manager", "member", "reader"):
        assert give(role, cast.here["user"], cast.here["project"]) == 204, role
        assert give(role, cast.there["user"], cast.here["project"]) == 403, role
        assert give(role, cast.here["user"], cast.there["project"]) == 403, role
        assert give(role, cast.here["user"], cast.here["project"], "DELETE") == 204, role
    for role in ("admin", "service", "ResellerAdmin"):
        assert give(role, cast.here["user"], cast.here["project"]) == 403, role
    admin = do.named("role", "admin")["id"]
    assert status(cloud, cast, "domain manager", "PUT", f"/v3/system/users/{cast.here['user']}/roles/{admin}") == 403
    to_domain = (
        f"/v3/domains/{cast.here['domain']}/groups/{cast.here['group']}/roles/{do.named('role', 'member')['id']}"
    )
    assert status(cloud, cast, "domain manager", "PUT", to_domain) == 204
    assert status(cloud, cast, "domain reader", "HEAD", to_domain) == 204
    assert status(cloud, cast, "domain reader", "DELETE", to_domain) == 403


def test_a_manager_moves_users_between_groups_of_the_domain(cloud: Cloud, cast: Cast) -> None:
    here = f"/v3/groups/{cast.here['group']}/users/{cast.here['user']}"
    assert status(cloud, cast, "domain manager", "PUT", here) == 204
    assert status(cloud, cast, "domain reader", "HEAD", here) == 204
    assert status(cloud, cast, "domain reader", "DELETE", here) == 403
    assert status(cloud, cast, "domain manager", "DELETE", here) == 204
    for group, user in ((cast.here["group"], cast.there["user"]), (cast.there["group"], cast.here["user"])):
        assert status(cloud, cast, "domain manager", "PUT", f"/v3/groups/{group}/users/{user}") == 403


def test_assignments_are_listed_by_the_system_and_by_a_domain_for_itself(cloud: Cloud, do: Admin, cast: Cast) -> None:
    do.grant(f"projects/{cast.there['project']}", f"users/{cast.there['user']}", "member")
    assert status(cloud, cast, "system reader", "GET", "/v3/role_assignments") == 200
    for persona in EVERYONE_ELSE:
        if persona not in ("domain member", "system member"):  # who are readers too
            assert status(cloud, cast, persona, "GET", "/v3/role_assignments") == 403, persona
    found = cloud.ask("GET", "/v3/role_assignments", token=cast.tokens["domain reader"]).json["role_assignments"]
    targets = {str(each["scope"]) for each in found}
    assert targets == {str({"project": {"id": cast.here["project"]}}), str({"domain": {"id": cast.here["domain"]}})}


@pytest.mark.parametrize("path", ["services", "endpoints", "roles", "role_inferences"])
def test_the_clouds_own_tables_are_read_by_the_system_and_written_by_admins(
    cloud: Cloud, cast: Cast, path: str
) -> None:
    assert status(cloud, cast, "system reader", "GET", f"/v3/{path}") == 200
    for persona in ("project member", "project reader", "domain reader"):
        assert status(cloud, cast, persona, "GET", f"/v3/{path}") == 403, persona
    if path != "role_inferences":
        for persona in ("system reader", "system manager", "domain manager", "project manager"):
            assert status(cloud, cast, persona, "POST", f"/v3/{path}", {path[:-1]: {}}) == 403, persona


def test_regions_are_for_everyone_to_read(cloud: Cloud, cast: Cast) -> None:
    for persona in (each for each in cast.tokens if each != "nobody"):
        assert status(cloud, cast, persona, "GET", "/v3/regions/RegionOne") == 200
    assert status(cloud, cast, "project member", "POST", "/v3/regions", {"region": {"id": "x"}}) == 403


def test_domains_are_shown_to_their_people(cloud: Cloud, cast: Cast) -> None:
    here, there = f"/v3/domains/{cast.here['domain']}", f"/v3/domains/{cast.there['domain']}"
    for persona in ("domain reader", "project reader", "system reader"):
        assert status(cloud, cast, persona, "GET", here) == 200, persona
    for persona in ("domain manager", "project member"):
        assert status(cloud, cast, persona, "GET", there) == 403, persona
    listed = cloud.ask("GET", "/v3/domains", token=cast.tokens["domain reader"]).json["domains"]
    assert [each["id"] for each in listed] == [cast.here["domain"]]
    for persona in ("domain manager", "system manager", "project manager"):
        assert status(cloud, cast, persona, "PATCH", here, {"domain": {"description": "x"}}) == 403, persona


def test_people_see_themselves(cloud: Cloud, do: Admin, demo: str) -> None:
    mine, other = do.named("user", "demo")["id"], do.named("user", "admin")["id"]
    for suffix in ("", "/projects", "/groups"):
        assert cloud.ask("GET", f"/v3/users/{mine}{suffix}", token=demo).status_code == 200
        assert cloud.ask("GET", f"/v3/users/{other}{suffix}", token=demo).status_code == 403
    change = {"user": {"description": "me"}}
    assert cloud.ask("PATCH", f"/v3/users/{mine}", change, demo).status_code == 403


def test_a_policy_file_overrides_a_rule_by_its_name(cloud: Cloud, demo: str) -> None:
    from stackyard.kernel.request.policy import Policies
    from stackyard.rooms.identity.room import ROOM

    assert cloud.ask("GET", "/v3/roles", token=demo).status_code == 403
    folder = cloud.settings.state_dir / "policy"
    folder.mkdir()
    (folder / "identity.yaml").write_text('"identity:list_roles": "role:member"\n')
    cloud.services.policy = Policies([ROOM], folder)
    assert cloud.ask("GET", "/v3/roles", token=demo).status_code == 200


def test_a_refusal_names_the_rule(cloud: Cloud, demo: str) -> None:
    error = cloud.ask("GET", "/v3/users", token=demo).json["error"]
    assert error["code"] == 403
    assert "identity:list_users" in error["message"]
    assert error["title"] == "Forbidden"
