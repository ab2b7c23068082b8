"""What a project uses of all providers. Source: Placement API reference, "Usages"."""

from typing import Any

from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.declare.resource import Field, Route
from stackyard.kernel.errors import BadRequest, Forbidden
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import answer, since
from stackyard.rooms.placement.policies import TOTAL_USAGES
from stackyard.rooms.placement.resources.allocation import store
from stackyard.rooms.placement.resources.allocation.routes import UNKNOWN

_WHO = Text(min=1, max=255)
_ALL = "all"


def _show(work: Work, request: Request) -> Reply:
    """What a project, or one user in it, has of each class; since 1.38 by type of consumer."""
    query = request.query
    # Policy is asked about the project that is asked for, and before anything is said of the query.
    project_id = str(query.get("project_id") or work.caller.project_id or "")
    if not work.allows(TOTAL_USAGES.name, {"project_id": project_id}):
        raise Forbidden(
            f"(rule:{TOTAL_USAGES.name}) is disallowed by policy.",
            remedy="Ask for your own project.",
            kind="PolicyNotAuthorized",
        )
    if "project_id" not in query:
        raise BadRequest("Invalid input for field 'project_id': is required.", field="project_id")
    found = store.of_project(work, project_id, query.get("user_id"))
    if not since(work, 38):
        return answer(work, {"usages": _summed(found)})
    counts = store.consumer_counts(work, project_id, query.get("user_id"))
    return answer(work, {"usages": _by_type(found, counts, query.get("consumer_type"))})


def _summed(found: list[Record]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in found:
        sums[row.resource_class] = sums.get(row.resource_class, 0) + int(row.used)
    return sums


def _by_type(found: list[Record], counts: dict[str | None, int], asked: str | None) -> dict[str, Any]:
    if asked == _ALL:
        return {_ALL: {**_summed(found), "consumer_count": sum(counts.values())}} if found else {}
    shown: dict[str, Any] = {}
    for kind, number in counts.items():
        name = kind or UNKNOWN
        if asked in (None, name):
            shown[name] = {**_summed([row for row in found if row.consumer_type == kind]), "consumer_count": number}
    return shown


ROUTE = Route(
    method="GET",
    path="/usages",
    handler=_show,
    since="1.9",
    query=[
        Field(name="project_id", kind=_WHO),
        Field(name="user_id", kind=_WHO),
        Field(name="consumer_type", kind=Text(min=1, max=255, pattern="[A-Z0-9_]+|all|unknown"), since="1.38"),
    ],
    doc="What a project uses of all providers.",
)
