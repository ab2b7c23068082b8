"""The enforcement models: how limits of domains and projects bound each other. A setting says which one holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from stackyard.kernel.errors import Forbidden
from stackyard.kernel.quota import UNLIMITED
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work
from stackyard.rooms.identity.resources.limit import store
from stackyard.rooms.identity.resources.project import store as projects
from stackyard.rooms.identity.resources.registered_limit.store import of

FLAT, STRICT = "flat", "strict_two_level"
_ABOUT = {
    FLAT: "Limits of a project are its own affair: no other project or domain bounds them.",
    STRICT: "Projects stand at most two deep below their domain. No project may have a higher limit than its domain, "
    "and all of a domain's projects together no more than the domain's limit.",
}


def show(work: Work, request: Request) -> dict[str, Any]:
    """The model that holds in this cloud."""
    name = work.services.settings.limit_model
    return {"model": {"name": name, "description": _ABOUT[name]}}


def is_strict(work: Work) -> bool:
    """Whether limits of domains bound those of their projects."""
    return bool(work.services.settings.limit_model == STRICT)


def check(work: Work, limits: Sequence[Mapping[str, Any]]) -> None:
    """Raise Forbidden when the limits, together with those there are, break the model."""
    if not is_strict(work):
        return
    for each in limits:
        if each.get("project_id"):
            _check_below_domain(work, each, limits)
        else:
            _check_above_projects(work, each, limits)


def _check_below_domain(work: Work, limit: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> None:
    project = projects.by_id(work.tx, limit["project_id"])
    domain_id = project.domain_id if project else None
    given = [each["resource_limit"] for each in others if each.get("domain_id") == domain_id and _same(each, limit)]
    above = given[0] if given else store.of_domain(work.tx, str(domain_id), of(limit))
    if above is not None and _exceeds(limit["resource_limit"], above):
        raise _broken(limit, f"the limit of domain {domain_id} is {above}")


def _check_above_projects(work: Work, limit: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> None:
    given = {each["project_id"] for each in others if each.get("project_id") and _same(each, limit)}
    for each in store.of_projects_in(work.tx, limit["domain_id"], of(limit)):
        if each.project_id not in given and _exceeds(each.resource_limit, limit["resource_limit"]):
            raise _broken(limit, f"project {each.project_id} in it has {each.resource_limit}")


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return of(one) == of(other)


def _exceeds(amount: int, bound: int) -> bool:
    return bound != UNLIMITED and (amount == UNLIMITED or amount > bound)


def _broken(limit: Mapping[str, Any], why: str) -> Forbidden:
    kind = "project_id" if limit.get("project_id") else "domain_id"
    said = ", ".join(
        f"{name}: {limit.get(name)}" for name in (kind, "resource_name", "resource_limit", "service_id", "region_id")
    )
    return Forbidden(
        f"Invalid resource limit: The resource limit ({said}) doesn't satisfy current hierarchy model: {why}.",
        remedy="Change the other limit first, or both in one request.",
    )


def deepest(work: Work, usual: int) -> int:
    """How many projects may stand above one another below a domain."""
    return 2 if is_strict(work) else usual
