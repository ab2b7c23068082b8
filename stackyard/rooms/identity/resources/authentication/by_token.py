"""Method `token`: a token got before, for another scope."""

from typing import Any

from stackyard.kernel.declare.kinds import Object, Text
from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.token.proof import Proof

_SHAPE = Object({"id": Text(max=8192)}, required=["id"])


def read(given: Any, path: str) -> str:
    """The token. Raises BadRequest."""
    return str(_SHAPE.parse(given, path, True)["id"])


def prove(tx: Transaction, attempt: Attempt, token: str) -> Proof:
    """Whoever has a good token is its user; what bounds it bounds the new one."""
    claims = attempt.tokens.look_up(tx, token).claims
    return Proof(
        user_id=claims.user_id,
        generation=claims.generation,
        methods=claims.methods,
        parent=claims,
        until=claims.expires,
        origin=claims.origin,
    )
