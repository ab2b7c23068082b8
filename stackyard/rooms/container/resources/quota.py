"""Quotas of projects and classes of quotas, as `appcontainer quota …` shows and sets them. Source: Zun, since 1.27."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel import quota
from stackyard.kernel.declare.kinds import Boolean, Either, Integer, Text
from stackyard.kernel.declare.resource import Allow, Field, Route
from stackyard.kernel.errors import Forbidden
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work
from stackyard.rooms.container.policies import administers, reads
from stackyard.rooms.container.resources.container.resource import CONTAINER

GET, GET_DEFAULT = reads("get", "quota"), reads("get_default", "quota")
#: Rules that the handlers ask for themselves: their target is the project in the path.
RULES = [GET, GET_DEFAULT]

#: The client sends what was typed, as text.
_LIMIT = Either(Integer(min=-1, max=2**31 - 1), Text(pattern="-1|[0-9]{1,9}"), said="a whole number, -1 for no limit")
_LIMITS = [Field(name=each.name, kind=_LIMIT) for each in CONTAINER.quotas]
_USAGES = [Field(name="usages", kind=Boolean(), default=False)]


def _project(work: Work, request: Request, allow: Allow) -> str:
    """The project in the path, the caller's own if there is none; another's limits are an administrator's business."""
    project_id = request.params.get("project_id") or work.caller.project_id or ""
    if not work.allows(allow.name, {"project_id": project_id}):
        raise Forbidden(f"(rule:{allow.name}) is disallowed by policy.", kind="PolicyNotAuthorized")
    return project_id


def _show(work: Work, request: Request) -> dict[str, Any]:
    project_id = _project(work, request, GET)
    limits: dict[str, Any] = quota.limits(work, CONTAINER.quotas, project_id)
    if not request.query.usages:
        return limits
    used = quota.usage(work, CONTAINER, project_id)
    return {name: {"limit": limit, "in_use": used[name]} for name, limit in limits.items()}


def _show_defaults(work: Work, request: Request) -> dict[str, int]:
    _project(work, request, GET_DEFAULT)
    return quota.defaults(work, CONTAINER.quotas)


def _given(body: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(limit) for name, limit in body.items()}


def _update(work: Work, request: Request) -> dict[str, int]:
    project_id = request.params["project_id"]
    quota.set_for_project(work, "container", project_id, _given(request.body))
    return quota.limits(work, CONTAINER.quotas, project_id)


def _reset(work: Work, request: Request) -> None:
    quota.reset(work, "container", request.params["project_id"])


def _show_class(work: Work, request: Request) -> dict[str, int]:
    return quota.of_class(work, CONTAINER.quotas, request.params["name"])


def _update_class(work: Work, request: Request) -> dict[str, int]:
    quota.set_for_class(work, "container", request.params["name"], _given(request.body))
    return _show_class(work, request)


ROUTES = [
    Route(method="GET", path="/v1/quotas", handler=_show, query=_USAGES, doc="The caller's project's limits."),
    Route(method="GET", path="/v1/quotas/{project_id}", handler=_show, query=_USAGES, doc="A project's limits."),
    Route(
        method="GET",
        path="/v1/quotas/{project_id}/defaults",
        handler=_show_defaults,
        doc="The limits of a project that has none of its own.",
    ),
    Route(
        method="PUT",
        path="/v1/quotas/{project_id}",
        handler=_update,
        allow=administers("update", "quota"),
        body=_LIMITS,
        doc="Change a project's limits; -1 is none.",
    ),
    Route(
        method="DELETE",
        path="/v1/quotas/{project_id}",
        handler=_reset,
        allow=administers("delete", "quota"),
        status=204,
        doc="The project has the default limits again.",
    ),
    Route(
        method="GET",
        path="/v1/quota_classes/{name}",
        handler=_show_class,
        allow=administers("get", "quota_class"),
        doc="A class's limits. Those of the class 'default' hold for every project without its own.",
    ),
    Route(
        method="PUT",
        path="/v1/quota_classes/{name}",
        handler=_update_class,
        allow=administers("update", "quota_class"),
        body=_LIMITS,
        doc="Change a class's limits.",
    ),
]
