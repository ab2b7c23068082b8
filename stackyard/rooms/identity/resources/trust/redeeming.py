"""How a trustee gets a token: their own proof becomes one for what the trust gives."""

from dataclasses import replace

from stackyard.kernel.errors import Forbidden
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Clock
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.token.claims import OWN, Origin
from stackyard.rooms.identity.resources.token.proof import UNSCOPED, Proof, Scope
from stackyard.rooms.identity.resources.trust import standing, store
from stackyard.rooms.identity.resources.trust.rights import counterpart_of, user_of
from stackyard.rooms.identity.resources.user import store as users


def redeem(tx: Transaction, clock: Clock, trust_id: str, proof: Proof) -> Proof:
    """Use the trust once, in a write transaction that also makes the token. Raises Unauthorized when there is no such
    trust or its time or uses are over, Forbidden for another than the trustee or while it gives nothing."""
    trust = store.by_id(tx, trust_id)
    if trust is None or proof.origin != OWN or standing.is_over(trust, clock):
        raise unauthenticated()
    trustee = users.by_id(tx, trust.trustee_user_id)
    if trustee is None or proof.user_id != trustee.id:
        raise Forbidden("User is not a trustee.")
    if trustee.generation != proof.generation:
        raise unauthenticated()
    try:
        standing.given_roles(tx, trust)
    except standing.Fallen as error:
        raise Forbidden(str(error)) from error
    if not store.use(tx, trust.id):
        raise Forbidden(f"No remaining uses for trust: {trust.id}.")
    return _bounded(tx, trust, proof)


def _bounded(tx: Transaction, trust: Record, proof: Proof) -> Proof:
    """The proof for whom the trust's tokens are, within its bounds. Raises Unauthorized when somebody is gone."""
    named, other = users.by_id(tx, user_of(trust)), users.by_id(tx, counterpart_of(trust))
    if named is None or other is None:
        raise unauthenticated()
    ends = [proof.until, int(trust.expires_at.timestamp()) if trust.expires_at else None]
    return replace(
        proof,
        user_id=named.id,
        generation=named.generation,
        until=min((each for each in ends if each is not None), default=None),
        scope=Scope("project", trust.project_id) if trust.project_id else UNSCOPED,
        origin=Origin(trust_id=trust.id, counterpart=other.generation),
    )
