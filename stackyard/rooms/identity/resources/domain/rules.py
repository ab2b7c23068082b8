"""Use cases of domains."""

import uuid
from collections.abc import Mapping
from typing import Any

from stackyard.kernel import purging
from stackyard.kernel.errors import Conflict, Forbidden
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import rows
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.domain import resource, store
from stackyard.rooms.identity.resources.project import going
from stackyard.rooms.identity.resources.project import resource as project_resource
from stackyard.rooms.identity.resources.project import store as projects


def target(work: Work, domain: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name. A list is judged by the caller's own domain and narrowed to it."""
    return members({"target.domain.id": domain.get("id") or work.params.get("id") or work.caller.domain_id})


def narrow(work: Work, statement: Any, query: Record) -> Any:
    """With the token of a domain, only what is in it: for its administrator too."""
    if work.caller.domain_id:
        return statement.where(resource.DOMAIN.table.c.id == work.caller.domain_id)
    return statement


def create(work: Work, wanted: Record) -> Record:
    """Make a domain. Raises Conflict when its name or its explicit id is taken."""
    rows.free_name(work, resource.DOMAIN, wanted["name"], is_domain=True)
    domain_id = wanted.pop("explicit_domain_id", None) or uuid.UUID(work.new_id()).hex
    if store.id_taken(work.tx, domain_id):
        raise Conflict(f"A domain or project with the id {domain_id} exists already.", field="explicit_domain_id")
    return kernel_rows.insert(work, resource.DOMAIN, {**wanted, "id": domain_id})


def update(work: Work, domain: Record, changes: Record) -> Record:
    """Change a domain. Disabling it stops its users and the tokens scoped to it at once."""
    rows.mutable(resource.DOMAIN, domain, changes)
    if changes.get("name", domain.name) != domain.name:
        rows.free_name(work, resource.DOMAIN, changes["name"], is_domain=True)
    rows.merge_options(domain, changes)
    return kernel_rows.change(work, resource.DOMAIN, domain, changes)


def delete(work: Work, domain: Record, query: Record) -> None:
    """Delete a disabled domain with its users, groups, projects and roles, or (`cascade`) accept that everything these
    hold goes with them. Raises Conflict naming what its projects hold."""
    rows.mutable(resource.DOMAIN, domain)
    if domain.enabled:
        raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
    inside = projects.descendants(work.tx, domain.id)[::-1]
    if query.get("cascade"):
        going.accept(work, domain, inside)
        return
    for each in inside:
        rows.mutable(project_resource.PROJECT, each)
    going.refuse_while_holding(work, domain, [domain.id, *(each.id for each in inside)])
    remove(work, domain)


def remove(work: Work, domain: Record) -> None:
    """The domain is gone with all it owns."""
    purging.forget(work, [domain.id, *(each.id for each in projects.in_domain(work.tx, domain.id))])
    store.remove_contents(work.tx, domain.id)
    kernel_rows.remove(work, resource.DOMAIN, domain)
