"""Redelegation: a trustee hands on what a trust gives them, and the chain of trusts stays within the first one."""

from stackyard.kernel.errors import Forbidden
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import invalid, unauthenticated
from stackyard.rooms.identity.resources.trust import store

#: How many times a trust can be handed on at most, as in Keystone's default.
MOST = 3


def settled(work: Work, wanted: Record) -> Record:
    """A new trust with its place in the chain. Raises BadRequest or Forbidden where it would go beyond."""
    asked = wanted.get("redelegation_count")
    redelegable = bool(wanted.pop("allow_redelegation", False)) and asked != 0
    if redelegable:
        _check_redelegable(wanted, asked)
    parent = _parent(work)
    count = 0
    if redelegable:
        count = parent.redelegation_count - 1 if parent else asked if asked is not None else MOST
    if parent is not None:
        if redelegable and asked not in (None, count):
            raise Forbidden("Modifying redelegation_count upon redelegation is forbidden. Omit it.")
        _check_below(work, parent, wanted)
    return Record({**wanted, "redelegation_count": count, "redelegated_trust_id": parent.id if parent else None})


def _check_redelegable(wanted: Record, asked: int | None) -> None:
    if asked is not None and asked > MOST:
        raise Forbidden(f"Requested redelegation depth of {asked} is greater than allowed {MOST}.")
    if wanted.get("remaining_uses") is not None:
        raise invalid("remaining_uses", "must not be set if redelegation is allowed.")


def _parent(work: Work) -> Record | None:
    """The trust that the caller's token is of."""
    origin = work.caller.token.get("origin", {})
    if not origin:
        return None
    if not origin.get("trust_id"):
        raise Forbidden("Redelegation is allowed for what was delegated by a trust only.")
    found = store.by_id(work.tx, origin["trust_id"])
    if found is None:
        raise unauthenticated()
    return found


def _check_below(work: Work, parent: Record, wanted: Record) -> None:
    """Raise Forbidden unless the new trust stays within every trust it comes from; without an expiry it has theirs."""
    for each in store.pedigree(work.tx, parent) or ():
        if not 0 < each.redelegation_count <= MOST:
            raise Forbidden(f"Remaining redelegation depth of {each.redelegation_count} is out of the range 1..{MOST}.")
        if wanted.get("remaining_uses") is not None:
            raise Forbidden("remaining_uses must not be set in order to redelegate a trust.", field="remaining_uses")
        if wanted.get("expires_at") is None:
            wanted["expires_at"] = each.expires_at
        elif each.expires_at is not None and each.expires_at < wanted["expires_at"]:
            raise Forbidden("Requested expiration time is more than the redelegated trust can provide.")
        if set(wanted["roles"]) - set(each.roles):
            raise Forbidden("Some of the requested roles are not in the redelegated trust.", field="roles")
        if wanted["impersonation"] and not each.impersonation:
            raise Forbidden(f"Impersonation is not allowed: the redelegated trust {each.id} does not allow it.")
        if wanted.get("project_id") != each.project_id:
            raise Forbidden(f"The redelegated trust {each.id} is for another project.", field="project_id")


def first_trustor(work: Work, trust: Record) -> str:
    """Whose roles a trust gives in the end."""
    chain = store.pedigree(work.tx, trust)
    return str(chain[-1].trustor_user_id if chain else trust.trustor_user_id)
