"""What tokens of a trust may do."""

from typing import Any

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.token.claims import Claims
from stackyard.rooms.identity.resources.token.rights import Rights
from stackyard.rooms.identity.resources.trust import standing, store
from stackyard.rooms.identity.resources.user import store as users


def rights(tx: Transaction, claims: Claims) -> Rights:
    """The roles that the trust gives. Raises Unauthorized when it is gone, gives nothing, or either party's earlier
    tokens have ended."""
    trust = store.by_id(tx, claims.origin.trust_id)
    if trust is None or claims.user_id != user_of(trust) or claims.scope_id != (trust.project_id or ""):
        raise unauthenticated()
    other = users.by_id(tx, counterpart_of(trust))
    if other is None or other.generation != claims.origin.counterpart:
        raise unauthenticated()
    try:
        roles = standing.given_roles(tx, trust)
    except standing.Fallen:
        raise unauthenticated() from None
    return Rights(roles=roles, shown={"OS-TRUST:trust": shown(trust)}, known={"trust": shown(trust)})


def user_of(trust: Record) -> str:
    """Whose name the trust's tokens carry."""
    return str(trust.trustor_user_id if trust.impersonation else trust.trustee_user_id)


def counterpart_of(trust: Record) -> str:
    """The other of the two."""
    return str(trust.trustee_user_id if trust.impersonation else trust.trustor_user_id)


def shown(trust: Record) -> dict[str, Any]:
    """A trust as its tokens show it."""
    return {
        "id": trust.id,
        "impersonation": trust.impersonation,
        "trustor_user": {"id": trust.trustor_user_id},
        "trustee_user": {"id": trust.trustee_user_id},
    }
