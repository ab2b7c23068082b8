"""Allocations, declared as routes: a consumer is no object of the cloud's, and asking for one that has nothing is no
error. Source: Placement API reference, "Allocations"."""

from typing import Any

from stackyard.kernel.declare.kinds import Uuid
from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import answer, since
from stackyard.rooms.placement.policies import operates
from stackyard.rooms.placement.resources.allocation import bodies, rules, store
from stackyard.rooms.placement.resources.resource_provider import store as providers

UNKNOWN = "unknown"


def _show(work: Work, request: Request) -> Reply:
    """What a consumer has, of whom."""
    consumer = request.params["consumer_uuid"]
    found = store.of_consumers(work, [consumer])
    generations = providers.providers(work, {row.provider for row in found})
    shown: dict[str, dict[str, Any]] = {}
    for row in found:
        entry = shown.setdefault(row.provider, {"resources": {}, "generation": generations[row.provider].generation})
        entry["resources"][row.resource_class] = row.used
    body = {"allocations": shown, **(_consumer(work, consumer) if found else {})}
    return answer(work, body, [row.created_at for row in found])


def _consumer(work: Work, uuid: str) -> dict[str, Any]:
    known = store.consumers(work, [uuid])[uuid]
    shown = {"project_id": known.project_id, "user_id": known.user_id} if since(work, 12) else {}
    if since(work, 28):
        shown["consumer_generation"] = known.generation
    if since(work, 38):
        shown["consumer_type"] = known.consumer_type or UNKNOWN
    return shown


def _replace(work: Work, request: Request) -> None:
    """A consumer has this in place of what it had."""
    consumer = Uuid().parse(request.params["consumer_uuid"], "consumer_uuid", True)
    rules.replace(work, [bodies.one(work, consumer, request.body, may_be_empty=since(work, 28))])


def _replace_many(work: Work, request: Request) -> None:
    """Several consumers have this in place of what they had, all or none."""
    rules.replace(work, bodies.many(work, request.body))


def _delete(work: Work, request: Request) -> None:
    """A consumer has nothing any more."""
    rules.delete(work, request.params["consumer_uuid"])


_ONE = "/allocations/{consumer_uuid}"
ROUTES = [
    Route(
        method="POST", path="/allocations", handler=_replace_many, allow=operates("allocations:manage"), status=204,
        since="1.13", doc="What several consumers have, all or none.",
    ),
    Route(method="GET", path=_ONE, handler=_show, allow=operates("allocations:list"), doc="What a consumer has."),
    Route(
        method="PUT", path=_ONE, handler=_replace, allow=operates("allocations:update"), status=204,
        doc="A consumer has this in place of what it had.",
    ),
    Route(
        method="DELETE", path=_ONE, handler=_delete, allow=operates("allocations:delete"), status=204,
        doc="A consumer lets go of everything.",
    ),
]  # fmt: skip
