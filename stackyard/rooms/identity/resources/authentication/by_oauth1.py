"""Method `oauth1`: a consumer signs the request with the access token that a user has given it."""

from typing import Any

from stackyard.kernel.caller import ANONYMOUS
from stackyard.kernel.declare.kinds import Object
from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.authentication.attempt import Attempt, Proving
from stackyard.rooms.identity.resources.oauth1 import signed, store
from stackyard.rooms.identity.resources.token.claims import Origin
from stackyard.rooms.identity.resources.token.proof import Proof, Scope
from stackyard.rooms.identity.resources.user import store as users

_SHAPE = Object({}, extra=True)


def read(given: Any, path: str) -> None:
    """Nothing is said in the body: the header is signed."""
    _SHAPE.parse(given, path, True)


def prove(tx: Transaction, attempt: Attempt, given: None) -> Proving:
    """Later: a signature that was used is never good again, and that has to be written."""
    asked = signed.read(attempt.request)
    return lambda: _verified(attempt, asked)


def _verified(attempt: Attempt, asked: signed.Signed) -> Proof:
    with attempt.database.write() as tx:
        token = store.access_token(tx, asked.said("oauth_token"))
        consumer = signed.verify(attempt.services.work(tx, ANONYMOUS), asked, token)
        user = users.by_id(tx, token.authorizing_user_id) if token else None
    if token is None or user is None or token.consumer_id != consumer.id:
        raise unauthenticated()
    if token.expires_at <= attempt.services.clock.now():
        raise unauthenticated()
    return Proof(
        user_id=user.id,
        generation=user.generation,
        until=int(token.expires_at.timestamp()),
        scope=Scope("project", token.project_id),
        origin=Origin(access_token_id=token.id),
    )
