"""Use cases of trusts."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.errors import Conflict, Forbidden, NotFound
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render, rows
from stackyard.rooms.identity.errors import denied, invalid, unknown
from stackyard.rooms.identity.policies import members
from stackyard.rooms.identity.resources.project import resource as projects
from stackyard.rooms.identity.resources.role import resource as roles
from stackyard.rooms.identity.resources.role import store as role_store
from stackyard.rooms.identity.resources.token import delegation
from stackyard.rooms.identity.resources.trust import redelegation, resource, standing, store
from stackyard.rooms.identity.resources.user import resource as users


def within(work: Work, params: Mapping[str, Any]) -> None:
    """No token by another leave than a trust has anything to do with trusts: that would widen what it is for."""
    if delegation.origin_of(work.caller).keys() - {"trust_id"}:
        raise Forbidden("A token issued via delegation may not manage trusts.", remedy="Use a token of your own.")


def target(work: Work, trust: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name. Who does not say whose trust it is to be is told that it is missing: they are judged
    as if it were theirs."""
    trustor, trustee = trust.get("trustor_user_id", work.caller.user_id), trust.get("trustee_user_id")
    return members(
        {
            "trust.trustor_user_id": trustor,
            "target.trust.trustor_user_id": trustor,
            "target.trust.trustee_user_id": trustee,
        }
    )


def narrow(work: Work, statement: Any, query: Record) -> Any:
    """All trusts, or those of a trustor or a trustee: each is somebody else's business to see."""
    action = "list_trusts"
    for name in ("trustor", "trustee"):
        if query.get(f"{name}_user_id"):
            action = f"list_trusts_for_{name}"
            break
    if not work.allows(f"identity:{action}", target(work, query)):
        raise denied(action)
    return store.narrowed(statement, query)


def view(work: Work, trust: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """With its roles, but in lists. Raises NotFound for one whose time or uses are over, as Keystone does."""
    if work.params.get("id"):
        _standing(work, trust)
    elif not trust.get("is_new"):
        return shown
    return {**shown, "roles": _roles(work, trust), "roles_links": _roles_links(work, trust)}


def _standing(work: Work, trust: Record) -> Record:
    if standing.is_over(trust, work.services.clock):
        raise unknown("trust", trust.id)
    return trust


def _roles(work: Work, trust: Record) -> list[dict[str, Any]]:
    found = (work.tx.get(roles.ROLE.table, id=each) for each in trust.roles)
    return [render.item(work, roles.ROLE, each) for each in found if each is not None]


def _roles_links(work: Work, trust: Record) -> dict[str, Any]:
    return {"self": render.url(work, f"OS-TRUST/trusts/{trust.id}/roles"), "next": None, "previous": None}


def create(work: Work, wanted: Record) -> Record:
    """Let another act with some of the caller's roles. The caller is the trustor, or uses a trust to redelegate it.
    Raises BadRequest for an expiry in the past, NotFound for whom or what there is not, Forbidden for more than one
    has."""
    if wanted.trustor_user_id != work.caller.user_id:
        raise Forbidden("The authenticated user should match the trustor.")
    if wanted.get("project_id") and not wanted["roles"]:
        raise Forbidden("At least one role should be specified.", field="roles")
    if wanted.get("expires_at") is not None and wanted["expires_at"] <= work.now:
        raise invalid("expires_at", "lies in the past.")
    rows.existing(work, users.USER, wanted.trustee_user_id)
    wanted["roles"] = [_role_id(work, index, each) for index, each in enumerate(wanted["roles"])]
    made = redelegation.settled(work, wanted)
    _check_held(work, made)
    if made.get("expires_at") is not None and store.is_duplicate(work.tx, made):
        raise Conflict("Conflict occurred attempting to store trust - Duplicate entry for the same parties and expiry.")
    trust = kernel_rows.insert(work, resource.TRUST, made)
    return Record({**trust, "is_new": True})


def _role_id(work: Work, index: int, named: Mapping[str, str]) -> str:
    if len(named) != 1:
        raise invalid(f"roles.{index}", "names a role by either its id or its name.")
    found = role_store.referred(work.tx, named)
    if found is None:
        raise unknown("role", next(iter(named.values())))
    return str(found.id)


def _check_held(work: Work, trust: Record) -> None:
    """Raise NotFound when the trust would give a role that its first trustor does not have."""
    if not trust.get("project_id"):
        if trust.roles:
            raise invalid("roles", "a trust without a project gives no roles.")
        return
    rows.existing(work, projects.PROJECT, trust.project_id)
    first = redelegation.first_trustor(work, trust)
    held = standing.held_roles(work.tx, first, trust.project_id)
    for each in trust.roles:
        if each not in held:
            raise unknown("role", each)


def delete(work: Work, trust: Record, query: Record) -> None:
    """Take the trust back, with what was redelegated from it. Its tokens end at once. Raises Forbidden for a token of
    another trust, which passes for the trustor, unless this one comes from it."""
    leave = delegation.origin_of(work.caller).get("trust_id")
    if leave and leave not in {each.id for each in store.pedigree(work.tx, trust) or ()}:
        raise Forbidden("A token of a trust may take back that trust only, and those that come from it.")
    store.remove_below(work.tx, trust.id)
    kernel_rows.remove(work, resource.TRUST, trust)


def list_roles(work: Work, trust: Record, body: Record, query: Record) -> dict[str, Any]:
    """The roles that the trust gives."""
    return {"roles": _roles(work, _standing(work, trust)), "links": _roles_links(work, trust)}


def show_role(work: Work, trust: Record, body: Record, query: Record) -> dict[str, Any]:
    """One of the roles that the trust gives. Raises NotFound."""
    role_id = work.params["role_id"]
    if role_id not in _standing(work, trust).roles:
        raise NotFound(f"Could not find role: {role_id}.")
    return {"role": render.item(work, roles.ROLE, rows.existing(work, roles.ROLE, role_id))}
