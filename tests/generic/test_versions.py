"""Every field, action and route with a microversion: there from it on, not there before, gone where it says so. What is
answered in each version is what was reviewed."""

import difflib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.assemble import rooms
from stackyard.kernel.declare.resource import Field, Resource
from stackyard.kernel.declare.room import Room
from stackyard.kernel.declare.versions import Version
from stackyard.kernel.errors import BadRequest, NotAcceptable, NotFound
from stackyard.kernel.request.endpoints import Endpoint, endpoints
from stackyard.kernel.request.routing import Router, choose
from stackyard.kernel.request.shapes import Body, shown_names
from tests.generic.answers import GOLDEN, current

VERSIONED = [room for room in rooms() if room.versions]
ROUTER = Router((each for room in rooms() for each in endpoints(room)), rooms())


def _before(version: Version) -> Version:
    return Version(version.major, version.minor - 1) if version.minor else Version(version.major - 1, 99)


def _fields() -> Iterator[tuple[Room, Resource, Field]]:
    for room in VERSIONED:
        for resource in room.resources:
            for each in resource.all_fields.values():
                if each.since or each.until:
                    yield room, resource, each


def _named(value: object) -> str:
    if isinstance(value, Endpoint):
        return f"{value.method} {value.path}"
    return str(getattr(value, "name", value))


def test_something_is_versioned() -> None:
    assert VERSIONED
    assert list(_fields())


@pytest.mark.parametrize(("room", "resource", "field"), list(_fields()), ids=_named)
def test_a_field_is_shown_and_read_in_its_versions_only(room: Room, resource: Resource, field: Field) -> None:
    assert room.versions is not None
    first, last = field.lives
    there, elsewhere = [max(first, room.versions.minimum)], []
    if field.since and first > room.versions.minimum:
        elsewhere.append(_before(first))
    if field.until:
        there.append(_before(last))
        elsewhere.append(last)
    assert there[0] <= room.versions.maximum
    for version in there:
        assert field.read is (field.name in shown_names(resource, version))
        assert not _unknown(room, resource, field, version)
    for version in elsewhere:
        assert field.name not in shown_names(resource, version)
        assert _unknown(room, resource, field, version)


def _unknown(room: Room, resource: Resource, field: Field, version: Version) -> bool:
    """Whether a create that gives the field is told that there is none of this name."""
    try:
        Body(resource.all_fields.values(), "create").read({field.name: None}, room.dialect, version)
    except BadRequest as error:
        return "Unrecognized attribute" in error.message and field.name in error.message
    return False


def _versioned_endpoints() -> Iterator[Endpoint]:
    for room in VERSIONED:
        yield from (each for each in endpoints(room) if each.since or each.until)


@pytest.mark.parametrize("endpoint", list(_versioned_endpoints()), ids=_named)
def test_a_route_exists_in_its_versions_only(endpoint: Endpoint) -> None:
    path = "/".join("x" if each.startswith("{") else each for each in endpoint.path.split("/"))
    candidates = ROUTER.candidates(endpoint.method, path)
    if endpoint.since:
        assert choose(candidates, endpoint.since).path == endpoint.path
        assert not endpoint.lives_in(_before(endpoint.since))
        if not any(each.lives_in(_before(endpoint.since)) for each in candidates):
            with pytest.raises(NotFound, match="not available in version"):
                choose(candidates, _before(endpoint.since))
    if endpoint.until:
        assert endpoint.lives_in(_before(endpoint.until))
        assert not endpoint.lives_in(endpoint.until)


@pytest.mark.parametrize("room", VERSIONED, ids=_named)
def test_versions_beyond_both_ends_are_not_acceptable(room: Room) -> None:
    assert room.versions is not None
    kind, least, most = room.versions.service_type, room.versions.minimum, room.versions.maximum
    for version in (least, most):
        assert room.versions.asked(f"{kind} {version}") == version
    for version in (_before(least), Version(most.major, most.minor + 1)):
        with pytest.raises(NotAcceptable):
            room.versions.asked(f"{kind} {version}")


def test_answers_look_in_every_version_as_was_reviewed(tmp_path: Path) -> None:
    found, golden = current(tmp_path), GOLDEN.read_text()
    changed = "\n".join(difflib.unified_diff(golden.splitlines(), found.splitlines(), "reviewed", "now", "", "", 3, ""))
    assert not changed, (
        f"what is answered in some version has changed:\n{changed}\n"
        "If that is meant: .venv/bin/python -m tests.generic.answers --write, and review the diff before committing it."
    )


def test_every_answer_was_seen_in_some_version() -> None:
    """A route that finds nothing in the test's cloud in any version would be reviewed in vain."""
    unseen, answered = [], True
    for line in GOLDEN.read_text().splitlines():
        if line.startswith("GET"):
            assert answered, unseen[-1]
            unseen, answered = [*unseen, line], False
        answered = answered or line.endswith((" + 200", " + 204"))
    assert answered
