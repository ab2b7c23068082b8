"""Method `token`: a token got before, for another scope."""

from typing import Any

from stackyard.kernel.declare.kinds import Object, Text
from stackyard.kernel.errors import Forbidden, NotFound, Unauthorized
from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.token.claims import DELEGATED
from stackyard.rooms.identity.resources.token.proof import Proof

_SHAPE = Object({"id": Text(max=8192)}, required=["id"])


def read(given: Any, path: str) -> str:
    """The token. Raises BadRequest."""
    return str(_SHAPE.parse(given, path, True)["id"])


def prove(tx: Transaction, attempt: Attempt, token: str) -> Proof:
    """Whoever has a good token is its user. Raises NotFound for one that is not good, as Keystone does: it tells
    clients that the token has ended, and not that a password is wrong. Raises Forbidden for one that acts by somebody's
    leave: what it came from gets another."""
    try:
        claims = attempt.tokens.look_up(tx, token).claims
    except Unauthorized:
        raise NotFound("Could not find token: it is unknown, expired or revoked.") from None
    if claims.origin.trust_id or DELEGATED.intersection(claims.methods):
        raise Forbidden("A token issued via delegation cannot be used to get another.", remedy="Use what it came from.")
    return Proof(
        user_id=claims.user_id,
        generation=claims.generation,
        methods=claims.methods,
        parent=claims,
        until=claims.expires,
        origin=claims.origin,
    )
