"""Every list of every room: paged, in any order that it offers, it is what it is in one piece; no filter breaks it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from stackyard.assemble import rooms
from stackyard.kernel.declare.resource import Field, Resource
from stackyard.kernel.errors import Conflict
from stackyard.kernel.request.endpoints import Endpoint, endpoints
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from tests.generic.matrix import PERSONAS, SOMETHING, persona_of, typical
from tests.kernel.stage import Stage, stage

pytestmark = pytest.mark.thorough

#: Every list that needs no object in its path.
LISTS = [
    each for room in rooms() for each in endpoints(room)
    if each.watches and "{" not in each.path
]  # fmt: skip
#: Values that some filter might stumble over.
AWKWARD = [
    "", "\x00", "x\x00y", "9" * 30, "-1", "1e400", "nan", "true", "ü☃", "😀", "a" * 5000, "null", "[]", "{}", "%", "_",
    "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+10:00", "gt:1", "in:", 'in:"', "neq:",
]  # fmt: skip
OTHERWISE: Mapping[str, Any] = {
    "text": "otherwise", "bigint": 2, "float": 2.5, "json": [], "instant": datetime(2026, 1, 2, tzinfo=UTC),
}  # fmt: skip
AWKWARD_PAGES = [
    ("limit", "9" * 30), ("limit", "-1"), ("limit", "٣"), ("limit", ""), ("marker", ""), ("marker", "\x00"),
    ("marker", "nobody"), ("sort_key", ""), ("sort_key", "\x00"), ("sort_dir", "up"), ("sort", ""), ("sort", ":"),
    ("fields", "\x00"), ("page_reverse", "perhaps"), ("since", "\x00"),
]  # fmt: skip


class Asked:
    """A cloud with some of everything, asked by its administrator at the newest versions."""

    def __init__(self, staged: Stage) -> None:
        self._staged = staged
        staged.cloud.front.chain.validate_token = persona_of
        for endpoint in LISTS:
            for number in range(3):
                self._put_down(endpoint, number)

    def _put_down(self, endpoint: Endpoint, number: int) -> None:
        """One more, unless its table wants what a declaration does not tell; of those there are some from the start."""
        resource = endpoint.watches
        assert resource is not None
        row = Record(typical(resource) | _varied(resource, number))
        row[resource.id_field] = f"{SOMETHING[:-1]}{number}"
        with suppress(Conflict, sa.exc.IntegrityError), self._staged.cloud.database.write() as tx:
            rows.insert(self._staged.cloud.services.work(tx, PERSONAS["admin"], "req-lists"), resource, row)

    def __call__(self, endpoint: Endpoint, *query: tuple[str, str], persona: str = "admin") -> httpx.Response:
        headers, versions = {"X-Auth-Token": persona}, endpoint.room.versions
        if versions:
            headers["OpenStack-API-Version"] = f"{versions.service_type} {versions.maximum}"
        return self._staged.request("GET", str(httpx.URL(endpoint.path, params=query)), **headers)

    def ids(self, endpoint: Endpoint, *query: tuple[str, str]) -> list[str]:
        """The ids in a list that must be answered."""
        answer, resource = self(endpoint, *query), endpoint.watches
        assert resource is not None
        assert answer.status_code == 200, f"{endpoint.path} {query}: {answer.text}"
        [found] = [each for name, each in answer.json().items() if isinstance(each, list) and "links" not in name]
        return [each[resource.id_field] for each in found]


def _varied(resource: Resource, number: int) -> dict[str, Any]:
    """What differs between three objects: each field has no value, or the same, in two of them."""
    varied = {
        each.name: True if each.kind.storage == "boolean" else _otherwise(each)
        for each in resource.all_fields.values()
        if each.stored and number == 1 and not each.name.endswith("_id") and each.name not in ("owner", "status")
    }
    return {**varied, **({"name": f"something {number}"} if "name" in resource.all_fields else {})}


def _otherwise(each: Field) -> Any:
    value = OTHERWISE[each.kind.storage]
    return value[: each.kind.length] if isinstance(value, str) else value


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with stage(tmp_path_factory.mktemp("lists")) as staged:
        yield Asked(staged)


def _named(endpoint: Endpoint) -> str:
    return endpoint.path


def _unknown_marker(endpoint: Endpoint) -> int:
    return endpoint.room.dialect.unknown_marker.status


@pytest.mark.parametrize("endpoint", [each for each in LISTS if each.room.dialect.paging], ids=_named)
def test_pages_of_one_make_the_whole_list_in_every_order_that_is_offered(asked: Asked, endpoint: Endpoint) -> None:
    resource = endpoint.watches
    assert resource is not None
    for name in [each.name for each in resource.all_fields.values() if each.sort and each.stored and each.read]:
        if endpoint.verb is None and asked(endpoint, ("sort_key", name)).status_code == 400:
            continue  # a list of its own, which sorts by less
        whole = {}
        for direction in ("asc", "desc"):
            order = [("sort_key", name), ("sort_dir", direction)]
            whole[direction] = asked.ids(endpoint, *order)
            paged: list[str] = []
            while page := asked.ids(endpoint, *order, ("limit", "1"), *[("marker", each) for each in paged[-1:]]):
                paged += page
                assert len(paged) <= len(whole[direction]), (name, paged)
            assert paged == whole[direction], name
        assert sorted(whole["asc"]) == sorted(whole["desc"])


@pytest.mark.parametrize("endpoint", LISTS, ids=_named)
def test_no_filter_and_no_page_makes_a_list_fail(asked: Asked, endpoint: Endpoint) -> None:
    resource = endpoint.watches
    assert resource is not None
    queries = [(name, value) for name in resource.all_fields for value in AWKWARD]
    for query in [*queries, *((name, value) for name, value in AWKWARD_PAGES)]:
        refused = _unknown_marker(endpoint) if query[0] == "marker" else 400
        assert asked(endpoint, query).status_code in (200, 400, refused), (endpoint.path, query)


@pytest.mark.parametrize("endpoint", [each for each in LISTS if each.room.dialect.paging], ids=_named)
def test_an_object_that_one_may_not_know_of_is_no_marker_to_go_on_from(asked: Asked, endpoint: Endpoint) -> None:
    mine = set(asked.ids(endpoint)) if asked(endpoint, persona="other-reader").status_code == 200 else set()
    seen = asked(endpoint, persona="other-reader").text
    nobody = asked(endpoint, ("marker", "nobody"), persona="other-reader")
    for hidden in [each for each in mine if each not in seen]:
        answer = asked(endpoint, ("marker", hidden), persona="other-reader")
        assert answer.status_code == nobody.status_code == _unknown_marker(endpoint)
        assert answer.text.replace(hidden, "nobody").partition("req-")[0] == nobody.text.partition("req-")[0]


def test_these_lists_have_enough_to_be_paged_and_hidden(asked: Asked) -> None:
    assert len(LISTS) > 25
    short = {each.path for each in LISTS if len(asked.ids(each)) < 2}
    assert short <= {"/identity/v3/credentials", "/identity/v3/OS-OAUTH1/consumers"}, "these have secrets to be sealed"
    hidden = [each for each in LISTS if asked(each, persona="other-reader").status_code == 200]
    assert len(hidden) > 8
