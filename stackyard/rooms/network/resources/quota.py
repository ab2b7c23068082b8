"""Quotas, declared as routes: a quota has no id of its own. Source: Network API v2.0, "Quotas" and "Quotas details"."""

from typing import Any

from stackyard.kernel import quota
from stackyard.kernel.declare.kinds import Integer
from stackyard.kernel.declare.resource import Allow, Resource, Route
from stackyard.kernel.errors import BadRequest, Forbidden, NotFound
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work
from stackyard.rooms.network.policies import ADMIN
from stackyard.rooms.network.resources.floating_ip import FLOATING_IP
from stackyard.rooms.network.resources.network import NETWORK
from stackyard.rooms.network.resources.port import PORT
from stackyard.rooms.network.resources.router import ROUTER
from stackyard.rooms.network.resources.security_group import SECURITY_GROUP, SECURITY_GROUP_RULE
from stackyard.rooms.network.resources.subnet import SUBNET

COUNTED: dict[str, Resource] = {
    each.name: each for each in (NETWORK, SUBNET, PORT, ROUTER, FLOATING_IP, SECURITY_GROUP, SECURITY_GROUP_RULE)
}
QUOTAS = [each for resource in COUNTED.values() for each in resource.quotas]
LIMIT = Integer(min=-1, max=2**31 - 1)
READ = Allow("get_quota", "role:admin or (role:reader and project_id:%(project_id)s)")
WRITE = Allow("update_quota", ADMIN)
REMOVE = Allow("delete_quota", ADMIN)


def _limits_of_all(work: Work, request: Request) -> dict[str, Any]:
    """Projects with limits of their own."""
    usual, found = quota.defaults(work, QUOTAS), quota.projects_with_own(work, "network")
    return {"quotas": [{**usual, **own, "project_id": each, "tenant_id": each} for each, own in found.items()]}


def _project(work: Work, request: Request) -> str:
    """The project in the path; another's limits are an administrator's business."""
    project_id = request.params["project_id"]
    if not work.allows(READ.name, {"project_id": project_id}):
        raise Forbidden(
            "(rule:get_quota) is disallowed by policy: the limits of another project.", kind="PolicyNotAuthorized"
        )
    return project_id


def _show(work: Work, request: Request) -> dict[str, Any]:
    return {"quota": quota.limits(work, QUOTAS, _project(work, request))}


def _show_defaults(work: Work, request: Request) -> dict[str, Any]:
    _project(work, request)
    return {"quota": quota.defaults(work, QUOTAS)}


def _show_details(work: Work, request: Request) -> dict[str, Any]:
    project_id = _project(work, request)
    return {
        "quota": {
            name: {"limit": limit, "used": quota.usage(work, COUNTED[name], project_id)[name], "reserved": 0}
            for name, limit in quota.limits(work, QUOTAS, project_id).items()
        }
    }


def _update(work: Work, request: Request) -> dict[str, Any]:
    given = request.body.get("quota") if isinstance(request.body, dict) else None
    if not isinstance(given, dict):
        raise BadRequest("The request body must be an object with the member 'quota'.", field="quota")
    asked = {
        name: value for name, value in given.items() if name not in ("tenant_id", "project_id", "force", "check_limit")
    }
    for name in asked:
        if name not in COUNTED:
            raise BadRequest(
                f"Unrecognized attribute(s) '{name[:80]}'",
                field=f"quota.{name[:80]}",
                remedy=f"Known are {', '.join(COUNTED)}.",
            )
    limits = {name: LIMIT.parse(value, f"quota.{name}", False) for name, value in asked.items()}
    quota.set_for_project(work, "network", request.params["project_id"], limits)
    return {"quota": quota.limits(work, QUOTAS, request.params["project_id"])}


def _reset(work: Work, request: Request) -> None:
    if not quota.reset(work, "network", request.params["project_id"]):
        raise NotFound(
            f"Quota for project {request.params['project_id']} could not be found.", kind="TenantQuotaNotFound"
        )


ROUTES = [
    Route(
        method="GET", path="/v2.0/quotas", handler=_limits_of_all, allow=WRITE, doc="Projects with limits of their own."
    ),
    Route(method="GET", path="/v2.0/quotas/{project_id}", handler=_show, doc="A project's limits."),
    Route(
        method="GET",
        path="/v2.0/quotas/{project_id}/default",
        handler=_show_defaults,
        doc="The limits of a new project.",
    ),
    Route(
        method="GET",
        path="/v2.0/quotas/{project_id}/details.json",
        handler=_show_details,
        doc="Limits and what is used.",
    ),
    Route(
        method="GET", path="/v2.0/quotas/{project_id}/details", handler=_show_details, doc="Limits and what is used."
    ),
    Route(
        method="PUT", path="/v2.0/quotas/{project_id}", handler=_update, allow=WRITE, doc="Change a project's limits."
    ),
    Route(
        method="DELETE",
        path="/v2.0/quotas/{project_id}",
        handler=_reset,
        allow=REMOVE,
        status=204,
        doc="Back to the defaults.",
    ),
]
