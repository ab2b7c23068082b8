"""The doors of image members. A membership has no id of its own: it is named by image and project."""

from typing import Any

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.image.dialect import DIALECT
from stackyard.rooms.image.resources.member import rules

SCHEMA = "/v2/schemas/member"


def _shown(record: Record) -> dict[str, Any]:
    times = {name: DIALECT.timestamp(record[name]) for name in ("created_at", "updated_at")}
    return {
        "image_id": record.image_id,
        "member_id": record.member_id,
        "status": record.status,
        **times,
        "schema": SCHEMA,
    }


def _list(work: Work, request: Request) -> Any:
    found = rules.members(work, request.params["id"])
    return {"members": [_shown(each) for each in found], "schema": "/v2/schemas/members"}


def _add(work: Work, request: Request) -> Any:
    return _shown(rules.add(work, request.params["id"], request.body))


def _show(work: Work, request: Request) -> Any:
    return _shown(rules.member(work, request.params["id"], request.params["member_id"]))


def _answer(work: Work, request: Request) -> Any:
    return _shown(rules.answer(work, request.params["id"], request.params["member_id"], request.body))


def _remove(work: Work, request: Request) -> Reply:
    rules.remove(work, request.params["id"], request.params["member_id"])
    return Reply(status=204)


_MANY = "/v2/images/{id}/members"
_ONE = _MANY + "/{member_id}"

ROUTES = [
    Route(method="GET", path=_MANY, handler=_list, doc="List the projects an image is shared with."),
    Route(method="POST", path=_MANY, handler=_add, doc="Share an image with a project."),
    Route(method="GET", path=_ONE, handler=_show, doc="Show one membership."),
    Route(method="PUT", path=_ONE, handler=_answer, doc="Accept or reject a shared image."),
    Route(method="DELETE", path=_ONE, handler=_remove, doc="Stop sharing an image with a project."),
]
