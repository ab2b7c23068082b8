"""Receipts: what somebody has proved so far, when that is not enough for a token yet.

A receipt is sealed with the keys of tokens; it has a form of its own, so that neither can be taken for the other.
"""

from collections.abc import Sequence

import msgspec

from stackyard.kernel.declare.dialect import iso_micro
from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.keys import Sealer
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.token.claims import Origin
from stackyard.rooms.identity.resources.token.proof import Proof, Scope
from stackyard.rooms.identity.resources.token.tokens import instant
from stackyard.rooms.identity.resources.user import store as users
from stackyard.rooms.identity.rotation import keys_of

HEADER = "Openstack-Auth-Receipt"
#: Seconds that a receipt is good for: Keystone's `receipt.expiration`.
LIFETIME = 300


class _Receipt(msgspec.Struct, tag="receipt", forbid_unknown_fields=True):
    """A proof without its parent: the bounds that the token will have to stay in are kept."""

    user_id: str
    generation: int
    methods: list[str]
    expires: int
    until: int | None
    scope: Scope | None
    origin: Origin


def earlier(tx: Transaction, attempt: Attempt) -> list[Proof]:
    """What the receipt that came with the request proves, if there is one. Raises Unauthorized when it is not good."""
    text = attempt.request.headers.get(HEADER.lower())
    if text is None:
        return []
    opened = _sealer(attempt).open(tx, text + "=" * (-len(text) % 4))
    try:
        receipt = msgspec.msgpack.decode(opened or b"", type=_Receipt)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise unauthenticated() from None
    if receipt.expires <= _now(attempt):
        raise unauthenticated()
    earlier = Proof(
        user_id=receipt.user_id,
        generation=receipt.generation,
        methods=tuple(receipt.methods),
        until=receipt.until,
        scope=receipt.scope,
        origin=receipt.origin,
    )
    return [earlier]


def issue(tx: Transaction, attempt: Attempt, user: Record, proof: Proof, required: Sequence[Sequence[str]]) -> Reply:
    """401 with a receipt for what was proved, and what is missing. Raises Unauthorized when the user cannot log in, and
    for what was proved by a token: another does not come of it without all that is required."""
    if proof.parent is not None:
        raise unauthenticated()
    domain = users.domain(tx, domain_id=user.domain_id)
    if not user.enabled or user.generation != proof.generation or domain is None or not domain.enabled:
        raise unauthenticated()
    issued = _now(attempt)
    bounds = (proof.until, proof.scope, proof.origin)
    receipt = _Receipt(user.id, user.generation, list(proof.methods), issued + LIFETIME, *bounds)
    text = _sealer(attempt).seal(tx, msgspec.msgpack.encode(receipt), issued).rstrip("=")
    shown = {
        "methods": receipt.methods,
        "user": {"domain": {"id": domain.id, "name": domain.name}, "id": user.id, "name": user.name},
        "issued_at": iso_micro(instant(issued)),
        "expires_at": iso_micro(instant(receipt.expires)),
    }
    headers = {HEADER: text, "WWW-Authenticate": f'Keystone uri="{_url(attempt)}"'}
    return Reply(status=401, body={"receipt": shown, "required_auth_methods": required}, headers=headers)


def _sealer(attempt: Attempt) -> Sealer:
    return Sealer(keys_of(attempt.services).tokens)


def _now(attempt: Attempt) -> int:
    return int(attempt.services.clock.now().timestamp())


def _url(attempt: Attempt) -> str:
    return f"{attempt.services.settings.base_url}/identity"
