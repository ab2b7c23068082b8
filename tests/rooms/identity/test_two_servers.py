"""Two servers of one cloud: what one remembers of tokens, catalogs and lists never outlives what the other changes."""

from collections.abc import Iterator

import pytest

from tests.rooms.identity.cloud import Admin, Cloud


@pytest.fixture
def second(cloud: Cloud) -> Iterator[Cloud]:
    """Another server on the same database and state folder."""
    another = Cloud(cloud.settings.state_dir, cloud.clock)
    yield another
    another.close()


def works(server: Cloud, token: str) -> bool:
    return server.ask("GET", "/v3/auth/projects", token=token).status_code == 200


def test_a_token_ended_on_one_server_is_refused_by_the_other_at_once(cloud: Cloud, second: Cloud, demo: str) -> None:
    assert works(cloud, demo)
    assert works(second, demo)
    assert cloud.ask("DELETE", "/v3/auth/tokens", token=demo, X_Subject_Token=demo).status_code == 204
    assert not works(second, demo)


def test_a_role_taken_on_one_server_is_gone_on_the_other_at_once(
    cloud: Cloud, second: Cloud, do: Admin, demo: str
) -> None:
    me = cloud.ask("GET", "/v3/auth/tokens", token=demo, X_Subject_Token=demo).json["token"]
    assert works(second, demo)
    do.grant(f"projects/{me['project']['id']}", f"users/{me['user']['id']}", "member", "DELETE")
    assert not works(second, demo)


def test_a_service_added_on_one_server_is_in_the_catalog_of_the_other(cloud: Cloud, second: Cloud, do: Admin) -> None:
    def types(server: Cloud) -> set[str]:
        shown = server.ask("GET", "/v3/auth/tokens", token=do.token, X_Subject_Token=do.token).json["token"]
        return {each["type"] for each in shown["catalog"]}

    assert "rowing" not in types(cloud) | types(second)
    do.make("service", type="rowing", name="oar")
    assert "rowing" in types(second)


def test_a_list_shows_what_the_other_server_has_made(second: Cloud, do: Admin) -> None:
    def names() -> list[str]:
        answer = second.ask("GET", "/v3/groups?name=crew", token=do.token)
        return [each["name"] for each in answer.json["groups"]]

    assert names() == names() == []
    do.make("group", name="crew")
    assert names() == ["crew"]
