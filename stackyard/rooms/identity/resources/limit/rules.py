"""Use cases of limits."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.errors import Forbidden
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render
from stackyard.rooms.identity.errors import duplicate, invalid
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.limit import enforcement, resource, store
from stackyard.rooms.identity.resources.project import store as projects
from stackyard.rooms.identity.resources.registered_limit import store as registered


def target(work: Work, limit: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name."""
    project = projects.by_id(work.tx, limit["project_id"]) if limit.get("project_id") else None
    return members(
        {
            "target.limit.project_id": limit.get("project_id"),
            "target.limit.project.domain_id": project.domain_id if project else None,
            "target.limit.domain.id": limit.get("domain_id"),
        }
    )


def narrow(work: Work, statement: Any, query: Record) -> Any:
    """A list is the whole for the system's people, administrators and services; else a domain's or a project's own."""
    caller = work.caller
    if caller.system or caller.is_admin or "service" in caller.roles:
        return statement
    return store.narrowed(statement, caller)


def create(work: Work, body: Record, query: Record) -> dict[str, Any]:
    """Make all of them or none. Raises BadRequest for what is not there, Forbidden without a registered limit or where
    the enforcement model is broken, Conflict for one that is there."""
    if not body["limits"]:
        raise invalid("limits", "must have at least one item.")
    wanted = [_checked(work, each) for each in body["limits"]]
    enforcement.check(work, wanted)
    made = [_made(work, each) for each in wanted]
    return {"limits": [render.item(work, resource.LIMIT, each) for each in made]}


def _checked(work: Work, given: dict[str, Any]) -> dict[str, Any]:
    """With either a project or a domain: a project that acts as a domain counts as one."""
    registered.check_catalog(work, given)
    project_id, domain_id = given.get("project_id"), given.get("domain_id")
    if (project_id is None) == (domain_id is None):
        raise invalid("project_id", "either project_id or domain_id is required, and not both.")
    field, holder = ("project_id", project_id) if project_id else ("domain_id", domain_id)
    found = projects.by_id(work.tx, str(holder))
    if found is None or (field == "domain_id" and not found.is_domain):
        raise invalid(field, f"there is no {field.removesuffix('_id')} {holder}.")
    return {**given, "project_id": None, "domain_id": None, "domain_id" if found.is_domain else "project_id": holder}


def _made(work: Work, wanted: dict[str, Any]) -> Record:
    place = registered.of(wanted)
    if registered.registered(work.tx, place) is None:
        raise Forbidden(
            "Unable to create a limit that has no corresponding registered limit: there is none of service "
            f"{place.service_id}, region {place.region_id}, resource {place.resource_name}.",
            remedy="Register it first.",
        )
    holder = wanted["project_id"] or wanted["domain_id"]
    if any(holder in (each.project_id, each.domain_id) for each in store.on(work.tx, place)):
        raise duplicate(
            "limit", f"Duplicate entry for {place.resource_name} of service {place.service_id} for {holder}"
        )
    return kernel_rows.insert(work, resource.LIMIT, wanted)


def update(work: Work, limit: Record, changes: Record) -> Record:
    """Change how much it allows. Raises Forbidden where the enforcement model would be broken."""
    enforcement.check(work, [{**limit, **changes}])
    return kernel_rows.change(work, resource.LIMIT, limit, changes)
