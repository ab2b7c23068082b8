"""Lists of images: filters, order and pages."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.rooms.image.glance import ALICE, Glance


@pytest.fixture
def shelf(glance: Glance) -> Glance:
    """Four images of different sizes, formats, tags and properties."""
    glance.active(b"1", name="one", tags=["red"], hw_arch="arm")
    glance.active(b"22", name="two", tags=["red", "blue"], disk_format="qcow2")
    glance.active(b"333", name="three, four", container_format="docker", hw_arch="x86_64")
    glance.image(name="none", os_hidden=False, protected=True, visibility="private")
    return glance


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["none", "three, four", "two", "one"]),
        ("?name=one", ["one"]),
        ("?name=in:one,two", ["two", "one"]),
        ('?name=in:one,"three, four"', ["three, four", "one"]),
        ("?name=eq:one", ["one"]),
        ("?status=queued", ["none"]),
        ("?status=in:active,queued&disk_format=qcow2", ["two"]),
        ("?container_format=docker", ["three, four"]),
        ("?tag=red", ["two", "one"]),
        ("?tag=red&tag=blue", ["two"]),
        ("?tag=green", []),
        ("?hw_arch=arm", ["one"]),
        ("?no_such_property=1", []),
        ("?size_min=2", ["three, four", "two"]),
        ("?size_min=2&size_max=2", ["two"]),
        ("?size=1", ["one"]),
        ("?owner=alice&size=1", ["one"]),
        ("?owner=bob", []),
        ("?protected=true", ["none"]),
        ("?visibility=private", ["none"]),
        ("?sort=size:asc", ["none", "one", "two", "three, four"]),
        ("?sort=name", ["two", "three, four", "one", "none"]),
        ("?sort=status:desc,name:asc", ["none", "one", "three, four", "two"]),
        ("?sort_key=name&sort_dir=asc", ["none", "one", "three, four", "two"]),
        ("?sort_key=container_format&sort_dir=asc&sort_key=name&sort_dir=desc", ["two", "one", "none", "three, four"]),
        ("?limit=2", ["none", "three, four"]),
        ("?limit=0", []),
    ],
)
def test_a_list_holds_what_was_asked_for_in_order(shelf: Glance, query: str, names: list[str]) -> None:
    assert shelf.names(query) == names


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=x",
        "marker=nope",
        "sort=nope",
        "sort=name:up",
        "sort_key=nope",
        "sort_dir=up",
        "sort=name&sort_key=name",
        "sort_key=name&sort_key=id&sort_dir=asc&sort_dir=asc&sort_dir=asc",
        "visibility=nope",
        "member_status=nope",
        "name=gt:a",
        'name=in:"a',
        "size_min=x",
        "created_at=gt:yesterday",
        "created_at=near:2026-01-01",
        "os_hidden=perhaps",
        "protected=perhaps",
    ],
)
def test_a_bad_query_is_refused(glance: Glance, query: str) -> None:
    answer = glance("GET", f"/v2/images?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"]


def test_times_compare_by_the_second_that_answers_show(shelf: Glance) -> None:
    created = shelf("GET", "/v2/images?name=two").json()["images"][0]["created_at"]
    moment = datetime.fromisoformat(created)
    before, after = ((moment + timedelta(seconds=n)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for n in (-60, 60))
    assert "two" in shelf.names(f"?created_at=eq:{created}")
    assert "two" in shelf.names(f"?created_at={created}")
    assert "two" in shelf.names(f"?created_at=gte:{created}")
    assert "two" in shelf.names(f"?created_at=lte:{created}")
    assert "two" not in shelf.names(f"?created_at=gt:{created}")
    assert "two" not in shelf.names(f"?created_at=lt:{created}")
    assert "two" not in shelf.names(f"?created_at=neq:{created}")
    assert len(shelf.names(f"?created_at=gt:{before}")) == 4
    assert shelf.names(f"?updated_at=gt:{after}") == []


@pytest.mark.parametrize("order", ["", "sort=size:asc&", "sort=name:desc,size:asc&", "sort=container_format:asc&"])
def test_pages_together_are_the_list(shelf: Glance, order: str) -> None:
    whole = shelf.names(f"?{order}limit=50")
    path, pages = f"/v2/images?{order}limit=1&owner=alice", []
    while path:
        page = shelf("GET", path).json()
        assert page["first"] == f"/v2/images?{order.replace(':', '%3A').replace(',', '%2C')}limit=1&owner=alice"
        assert len(page["images"]) == 1
        pages.append(page["images"][0]["name"])
        path = page.get("next", "")
    assert pages == whole
    assert len(whole) == 4


def test_hidden_images_are_listed_only_when_asked_for(glance: Glance) -> None:
    image = glance.image(name="seen")
    glance.image(name="hidden", os_hidden=True)
    assert glance.names() == ["seen"]
    assert glance.names("?os_hidden=true") == ["hidden"]
    glance.patch(image["id"], {"op": "replace", "path": "/os_hidden", "value": True})
    assert glance.names() == []
    assert glance.show(image["id"], ALICE)["os_hidden"] is True


def test_a_list_without_a_limit_ends_at_twenty_five(glance: Glance) -> None:
    for number in range(26):
        glance.image(name=f"n{number}")
    page = glance("GET", "/v2/images").json()
    assert len(page["images"]) == 25
    assert glance.names(page["next"].removeprefix("/v2/images")) == ["n0"]
