"""Use cases of roles and implied roles."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.errors import Forbidden, NotFound
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render, rows
from stackyard.rooms.identity.errors import denied
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.application_credential import store as application_credentials
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.role import resource, store


def target(work: Work, role: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name."""
    # A role of the whole cloud has no domain, and check strings ask for just that: None:%(target.role.domain_id)s.
    return {
        **members({"target.role.id": role.get("id"), "target.role.name": role.get("name")}),
        "target.role.domain_id": role.get("domain_id"),
    }


def narrow(work: Work, statement: Any, query: Record) -> Any:
    """The cloud's roles, or one domain's own."""
    table = resource.ROLE.table
    if query.get("domain_id"):
        if not work.allows("identity:list_domain_roles", {}):
            raise denied("list_domain_roles")
        return statement.where(table.c.domain_id == query["domain_id"])
    return statement.where(table.c.domain_id.is_(None))


def create(work: Work, wanted: Record) -> Record:
    """Make a role of the cloud, or of a domain."""
    if wanted.get("domain_id"):
        rows.existing(work, domains.DOMAIN, wanted["domain_id"], is_domain=True)
    rows.free_name(work, resource.ROLE, wanted["name"], domain_id=wanted.get("domain_id"))
    return kernel_rows.insert(work, resource.ROLE, wanted)


def update(work: Work, role: Record, changes: Record) -> Record:
    """Change a role; tokens show its new name at once."""
    rows.unchanged(role, changes, "domain_id")
    rows.mutable(resource.ROLE, role, changes)
    if changes.get("name", role.name) != role.name:
        rows.free_name(work, resource.ROLE, changes["name"], domain_id=role.domain_id)
    rows.merge_options(role, changes)
    return kernel_rows.change(work, resource.ROLE, role, changes)


def delete(work: Work, role: Record, query: Record) -> None:
    """Delete a role; nobody holds it any longer, and application credentials of who held it on a project end."""
    rows.mutable(resource.ROLE, role)
    application_credentials.remove_with_role(work.tx, role.id)
    assignments.remove_role(work.tx, role.id)
    store.forget(work.tx, role.id)
    kernel_rows.remove(work, resource.ROLE, role)


def _named(work: Work, role: Record) -> dict[str, Any]:
    return {"id": role.id, "links": {"self": render.url(work, f"roles/{role.id}")}, "name": role.name}


def _inference(work: Work, prior: Record, implied: Record) -> dict[str, Any]:
    link = render.url(work, f"roles/{prior.id}/implies/{implied.id}")
    return {
        "role_inference": {"prior_role": _named(work, prior), "implies": _named(work, implied)},
        "links": {"self": link},
    }


def list_implied(work: Work, role: Record, body: Record, query: Record) -> dict[str, Any]:
    """The roles that a role implies directly."""
    implies = [_named(work, each) for each in store.implied_by(work.tx, role.id)]
    return {
        "role_inference": {"prior_role": _named(work, role), "implies": implies},
        "links": {"self": render.url(work, f"roles/{role.id}/implies")},
    }


def show_implied(work: Work, role: Record, body: Record, query: Record) -> dict[str, Any]:
    """One implication. Raises NotFound."""
    return _inference(work, role, _implied(work, role))


def check_implied(work: Work, role: Record, body: Record, query: Record) -> None:
    """Whether a role implies another. Raises NotFound."""
    _implied(work, role)


def _implied(work: Work, role: Record) -> Record:
    implied = rows.existing(work, resource.ROLE, work.params["implied_role_id"])
    if not store.implies(work.tx, role.id, implied.id):
        raise NotFound(f"{role.id} does not imply {implied.id}.")
    return implied


def imply(work: Work, role: Record, body: Record, query: Record) -> dict[str, Any]:
    """Let a role imply another. None implies admin, and none of the whole cloud a domain's own."""
    implied = rows.existing(work, resource.ROLE, work.params["implied_role_id"])
    if implied.name == "admin":
        raise Forbidden(f"Role {implied.id} cannot be an implied role: it is prohibited as the cloud's administrator.")
    if implied.domain_id is not None and role.domain_id is None:
        raise Forbidden(f"Role {implied.id} belongs to a domain: a role of the whole cloud cannot imply it.")
    if role.id in store.closure(store.inferences(work.tx), implied.id):
        raise Forbidden(f"Role {implied.id} already implies {role.id}: a circle would never end.")
    store.imply(work.tx, role.id, implied.id)
    return _inference(work, role, implied)


def imply_no_longer(work: Work, role: Record, body: Record, query: Record) -> None:
    """Take an implication back. Raises NotFound."""
    store.imply_no_longer(work.tx, role.id, _implied(work, role).id)


def list_inferences(work: Work, request: Request) -> dict[str, Any]:
    """Every implication in the cloud, by prior role."""
    by_id = {role.id: role for role in store.all_roles(work.tx)}
    found = [
        {
            "prior_role": _named(work, by_id[prior]),
            "implies": [_named(work, by_id[each]) for each in sorted(implied, key=lambda one: str(by_id[one].name))],
        }
        for prior, implied in store.inferences(work.tx).items()
    ]
    return render.listing(work, "role_inferences", found, "role_inferences")
