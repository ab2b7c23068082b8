"""Users and groups that a directory keeps, over one in memory: what becomes of them in the cloud."""

from typing import Any

import pytest

from stackyard.kernel.errors import Unavailable
from stackyard.rooms.identity import reconcile
from stackyard.rooms.identity.directories import directories_of
from stackyard.rooms.identity.drivers.fake import FakeDirectory, World
from stackyard.rooms.identity.mirror import public_id
from stackyard.rooms.identity.resources.token import store as tokens
from tests.rooms.identity.cloud import Admin, Cloud


@pytest.fixture
def world(cloud: Cloud) -> World:
    """What the cloud's directories stand on; lists look into them each time."""
    made, directories = World(), directories_of(cloud.services)
    directories.open = lambda options: FakeDirectory(made, options)
    directories.fresh = 0
    return made


@pytest.fixture
def domain(do: Admin, world: World) -> str:
    made = str(do.make("domain", name="corp")["id"])
    do.do("PUT", f"/v3/domains/{made}/config", {"config": {"identity": {"driver": "ldap"}}})
    return made


def names(do: Admin, kind: str, domain: str) -> list[str]:
    return sorted(each["name"] for each in do.do("GET", f"/v3/{kind}?domain_id={domain}").json[kind])


def test_people_of_a_directory_are_users_like_others(cloud: Cloud, do: Admin, world: World, domain: str) -> None:
    world.put("ada", "secret")
    world.team("crew", ["ada"])
    assert (names(do, "users", domain), names(do, "groups", domain)) == (["ada"], ["crew"])
    project = do.make("project", name="engine", domain_id=domain)["id"]
    do.grant(f"projects/{project}", f"groups/{public_id(domain, 'group', 'crew')}", "member")
    answer = cloud.log_in("ada", {"project": {"id": project}}, "secret", domain)
    assert [each["name"] for each in answer.json["token"]["roles"]] == ["member", "reader"]
    assert cloud.log_in("ada", None, "wrong", domain).text == cloud.log_in("bob", None, "secret", domain).text


def test_a_directory_that_has_not_changed_ends_no_token_and_makes_nothing_judged_anew(
    cloud: Cloud, do: Admin, world: World, domain: str
) -> None:
    world.put("ada", "secret")
    world.team("crew", ["ada"])
    token = cloud.token("ada", None, "secret", domain)
    names(do, "groups", domain)

    def version() -> int:
        with cloud.database.read() as tx:
            return tokens.version(tx)

    before = version()
    assert names(do, "users", domain) == ["ada"]
    assert cloud.log_in("ada", None, "secret", domain).status_code == 201
    assert reconcile.follow_directories(cloud.services).repaired == []
    assert version() == before
    assert cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 200


@pytest.mark.parametrize("change", ["gone", "disabled", "out of the group"])
def test_what_is_taken_away_in_the_directory_ends_tokens_at_the_next_look(
    cloud: Cloud, do: Admin, world: World, domain: str, change: str
) -> None:
    world.put("ada", "secret")
    world.put("bob", "secret")
    world.team("crew", ["ada", "bob"])
    assert names(do, "groups", domain) == ["crew"]
    project = do.make("project", name="engine", domain_id=domain)["id"]
    do.grant(f"projects/{project}", f"groups/{public_id(domain, 'group', 'crew')}", "member")
    ada, bob = (cloud.token(name, {"project": {"id": project}}, "secret", domain) for name in ("ada", "bob"))
    if change == "gone":
        world.remove("ada")
    elif change == "disabled":
        world.put("ada", "secret", enabled=False)
    else:
        world.team("crew", ["bob"])
    reconcile.follow_directories(cloud.services)
    assert cloud.ask("GET", "/v3/auth/projects", token=ada).status_code == 401
    assert cloud.ask("GET", "/v3/auth/projects", token=bob).status_code == 200


def test_a_renamed_person_is_the_same_user(cloud: Cloud, do: Admin, world: World, domain: str) -> None:
    world.put("1815", "secret", name="ada")
    world.put("1906", "secret", name="grace")
    user = cloud.log_in("ada", None, "secret", domain).json["token"]["user"]["id"]
    world.put("1815", "secret", name="lovelace")
    assert cloud.log_in("lovelace", None, "secret", domain).json["token"]["user"]["id"] == user
    assert names(do, "users", domain) == ["grace", "lovelace"]


def test_two_who_swap_names_stay_who_they_are(cloud: Cloud, do: Admin, world: World, domain: str) -> None:
    world.put("1", "first", name="ada")
    world.put("2", "second", name="bob")
    assert names(do, "users", domain) == ["ada", "bob"]
    world.put("1", "first", name="bob")
    world.put("2", "second", name="ada")
    shown = {each["id"]: each["name"] for each in do.do("GET", f"/v3/users?domain_id={domain}").json["users"]}
    assert shown == {public_id(domain, "user", "1"): "bob", public_id(domain, "user", "2"): "ada"}


def test_one_that_is_away_is_503_for_its_domain_alone(cloud: Cloud, do: Admin, world: World, domain: str) -> None:
    world.put("ada", "secret")
    assert names(do, "users", domain) == ["ada"]
    world.away = "it sleeps on ldap://10.0.0.1"
    refused: list[Any] = [
        cloud.log_in("ada", None, "secret", domain),
        cloud.ask("GET", f"/v3/users?domain_id={domain}", token=do.token),
        cloud.ask("GET", f"/v3/groups?domain_id={domain}", token=do.token),
    ]
    assert {(each.status_code, each.headers["Retry-After"]) for each in refused} == {(503, "3")}
    assert not any("10.0.0.1" in each.text for each in refused)
    everybody = do.do("GET", "/v3/users").json["users"]
    assert {"admin", "demo", "ada"} <= {each["name"] for each in everybody}
    assert cloud.log_in("demo").status_code == 201
    assert "10.0.0.1" in reconcile.follow_directories(cloud.services).failed[0]


def test_attempts_at_a_directory_are_throttled_too(cloud: Cloud, world: World, domain: str) -> None:
    world.put("ada", "secret")
    answers = [cloud.log_in("ada", None, "wrong", domain).status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]


def test_a_directory_is_read_only_here(cloud: Cloud, do: Admin, world: World, domain: str) -> None:
    world.put("ada", "secret")
    assert names(do, "users", domain) == ["ada"]
    user = public_id(domain, "user", "ada")
    for method, path, body in (
        ("POST", "/v3/users", {"user": {"name": "eve", "domain_id": domain}}),
        ("PATCH", f"/v3/users/{user}", {"user": {"description": "mine"}}),
        ("DELETE", f"/v3/users/{user}", None),
    ):
        assert cloud.ask(method, path, body, do.token).status_code == 403, path


def test_a_domain_that_gives_up_its_directory_keeps_its_users_here_from_then_on(
    cloud: Cloud, do: Admin, world: World, domain: str
) -> None:
    world.put("ada", "secret")
    assert names(do, "users", domain) == ["ada"]
    do.do("DELETE", f"/v3/domains/{domain}/config")
    assert cloud.log_in("ada", None, "secret", domain).status_code == 401
    do.make("user", name="eve", password="eve", domain_id=domain)
    assert cloud.log_in("eve", None, "eve", domain).status_code == 201


def test_a_directory_that_hangs_holds_up_one_thread_and_is_believed_again_when_it_answers(
    cloud: Cloud, world: World, domain: str
) -> None:
    world.put("ada", "secret")
    directories = directories_of(cloud.services)
    with cloud.database.read() as tx:
        known = directories.of_id(tx, domain)
    assert known is not None
    world.away = "it hangs"
    with pytest.raises(Unavailable), known.asked() as directory:
        directory.everything()
    known.away_until = 0.0
    with known.asked():
        for _ in range(20):
            with pytest.raises(Unavailable), known.asked():
                pytest.fail("one tries already")
        assert cloud.log_in("ada", None, "secret", domain).status_code == 503
    assert known.away_until is None
    world.away = ""
    assert cloud.log_in("ada", None, "secret", domain).status_code == 201
