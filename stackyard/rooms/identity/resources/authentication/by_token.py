"""Method `token`: a token got before, for another scope."""

from typing import Any

from stackyard.kernel.declare.kinds import Object, Text
from stackyard.kernel.errors import Forbidden, NotFound, Unauthorized
from stackyard.kernel.request import presented
from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.token.claims import SIGNED
from stackyard.rooms.identity.resources.token.proof import Proof, Scope

_SHAPE = Object({"id": Text(max=8192)}, required=["id"])


def read(given: Any, path: str) -> str:
    """The token. Raises BadRequest."""
    return str(_SHAPE.parse(given, path, True)["id"])


def prove(tx: Transaction, attempt: Attempt, token: str) -> Proof:
    """Whoever has a good token is its user; what bounds it bounds the new one. Raises NotFound for one that is not
    good, as Keystone does: it tells clients that the token has ended, and not that a password is wrong. Raises
    Unauthorized for one that is bound to a certificate which did not come along."""
    try:
        claims = attempt.tokens.look_up(tx, token).claims
    except Unauthorized:
        raise NotFound("Could not find token: it is unknown, expired or revoked.") from None
    if not presented.bound_to(claims.certificate, attempt.request.certificate):
        raise unauthenticated()
    if claims.origin.trust_id or claims.origin.access_token_id or SIGNED in claims.methods:
        raise Forbidden("A token issued via delegation cannot be used to get another.", remedy="Use what it came from.")
    return Proof(
        user_id=claims.user_id,
        generation=claims.generation,
        methods=claims.methods,
        parent=claims,
        until=claims.expires,
        scope=Scope(claims.kind, claims.scope_id) if claims.origin.application_credential_id else None,
        origin=claims.origin,
        certificate=claims.certificate,
    )
