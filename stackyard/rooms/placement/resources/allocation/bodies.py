"""What bodies say of allocations, from one microversion to the next."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.kinds import Integer, Kind, ListOf, MapOf, Nullable, Object, Text, Uuid, invalid
from stackyard.kernel.work import Work
from stackyard.rooms.placement.capacity import MOST
from stackyard.rooms.placement.dialect import since
from stackyard.rooms.placement.resources.allocation.rules import NOBODY, Wanted
from stackyard.rooms.placement.resources.resource_provider.inventories import CLASS

_WHO = Text(min=1, max=255)
_RESOURCES = MapOf(Integer(min=1, max=MOST), key=CLASS)
_LISTED = Object(
    {"resource_provider": Object({"uuid": Uuid()}, required=["uuid"]), "resources": _RESOURCES},
    required=["resource_provider", "resources"],
)
_KEYED = MapOf(Object({"generation": Integer(), "resources": _RESOURCES}, required=["resources"]), key=Uuid())
_MAPPINGS = MapOf(ListOf(Uuid()), key=Text(max=64, pattern="[a-zA-Z0-9_-]*"))


def _members(work: Work) -> tuple[dict[str, Kind], list[str]]:
    """What says what one consumer is to have: the members known in this version, and those required."""
    members: dict[str, Kind] = {"allocations": _KEYED if since(work, 12) else ListOf(_LISTED)}
    if since(work, 8):
        members |= {"project_id": _WHO, "user_id": _WHO}
    if since(work, 28):
        members["consumer_generation"] = Nullable(Integer())
    if since(work, 38):
        members["consumer_type"] = Text(min=1, max=255, pattern="[A-Z0-9_]+")
    required = list(members)
    if since(work, 34):
        members["mappings"] = _MAPPINGS
    return members, required


def one(work: Work, consumer: str, given: Any, *, may_be_empty: bool) -> Wanted:
    """What a PUT wants for its consumer. Raises BadRequest naming the member at fault."""
    members, required = _members(work)
    return _wanted(work, consumer, Object(members, required=required).parse(given, "body", True), may_be_empty)


def many(work: Work, given: Any, *, may_be_empty: bool = False) -> list[Wanted]:
    """What a POST wants for several consumers."""
    members, required = _members(work)
    parsed = MapOf(Object(members, required=required), key=Uuid()).parse(given, "allocations", True)
    if not parsed and not may_be_empty:
        raise invalid("allocations", "names no consumer.")
    return [_wanted(work, consumer, each, True) for consumer, each in parsed.items()]


def _wanted(work: Work, consumer: str, body: Mapping[str, Any], may_be_empty: bool) -> Wanted:
    having = _having(body["allocations"])
    if not having and not may_be_empty:
        raise invalid("allocations", "must not be empty: DELETE removes them; an empty one does so since 1.28.")
    for provider, resources in having.items():
        if not resources:
            raise invalid(f"allocations.{provider}.resources", "must not be empty.")
    if body.get("mappings") == {} or [] in body.get("mappings", {}).values():
        raise invalid("mappings", "must not be empty.")
    return Wanted(
        consumer=consumer,
        having=having,
        project_id=body.get("project_id", NOBODY),
        user_id=body.get("user_id", NOBODY),
        consumer_type=body.get("consumer_type"),
        generation=body.get("consumer_generation"),
        guarded=since(work, 28),
    )


def _having(allocations: Any) -> dict[str, dict[str, int]]:
    if isinstance(allocations, list):
        return {each["resource_provider"]["uuid"]: each["resources"] for each in allocations}
    return {provider: each["resources"] for provider, each in allocations.items()}
