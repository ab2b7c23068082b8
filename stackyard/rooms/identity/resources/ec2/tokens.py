"""Tokens for signed requests: a service shows what it was sent, and learns who signed it."""

import base64
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from stackyard.kernel.errors import BadRequest
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Clock, Work
from stackyard.rooms.identity.errors import invalid, unauthenticated
from stackyard.rooms.identity.resources.application_credential import store as application_credentials
from stackyard.rooms.identity.resources.credential import rules, store
from stackyard.rooms.identity.resources.ec2 import signatures
from stackyard.rooms.identity.resources.token.body import body, told
from stackyard.rooms.identity.resources.token.claims import SIGNED, Origin
from stackyard.rooms.identity.resources.token.proof import Proof, Scope
from stackyard.rooms.identity.resources.token.tokens import Tokens, tokens_of
from stackyard.rooms.identity.resources.trust import standing
from stackyard.rooms.identity.resources.trust import store as trusts
from stackyard.rooms.identity.resources.trust.redeeming import bounded
from stackyard.rooms.identity.resources.trust.rights import user_of
from stackyard.rooms.identity.resources.user import store as users

#: How far the time in a request may be from now, either way: Keystone's `credential.auth_ttl`.
WINDOW = timedelta(minutes=15)
#: What signatures a request could have, made with this secret.
_Sign = Callable[[str, Mapping[str, Any]], list[str]]
_NAMES = ("credentials", "credential", "ec2Credentials")


def ec2(work: Work, request: Request) -> Callable[[], Reply]:
    """A token for a request to an EC2 API. Raises Unauthorized unless its signature is right and its time is now."""
    return _judged(work, _signed(request), _of_request, subject=True)


def s3(work: Work, request: Request) -> Callable[[], Reply]:
    """A token for a request to an S3 API, of which its string to sign is shown."""
    return _judged(work, _signed(request), _of_text, subject=False)


def _of_request(secret: str, signed: Mapping[str, Any]) -> list[str]:
    return [signatures.of_request(secret, signed, host) for host in _hosts(signed)]


def _of_text(secret: str, signed: Mapping[str, Any]) -> list[str]:
    return [signatures.of_text(secret, base64.urlsafe_b64decode(str(signed.get("token"))))]


def _judged(work: Work, signed: Mapping[str, Any], sign: _Sign, *, subject: bool) -> Callable[[], Reply]:
    credential = store.by_id(work.tx, rules.access_id(str(signed.get("access", ""))))
    if credential is None or credential.type != "ec2":
        raise unauthenticated()
    blob: dict[str, Any] = msgspec.json.decode(rules.opened(work, credential))
    given = str(signed.get("signature", "")).encode()
    try:
        good = [hmac.compare_digest(given, each.encode()) for each in sign(blob["secret"], signed)]
    except ValueError:
        good = []
    if not any(good):
        raise unauthenticated()
    _check_time(work, signed)
    return _later(work, credential, blob, subject=subject)


def _signed(request: Request) -> Mapping[str, Any]:
    given = request.body
    if not isinstance(given, dict) or not given:
        raise BadRequest("Expecting to find credentials in request body.", field="credentials")
    signed: Any = next((given[name] for name in _NAMES if given.get(name)), {})
    if not isinstance(signed, dict):
        raise invalid("credentials", "must be an object.")
    for name in ("params", "headers"):
        if not isinstance(signed.get(name, {}), dict):
            raise invalid(f"credentials.{name}", "must be an object.")
    return signed


def _hosts(signed: Mapping[str, Any]) -> list[str]:
    """The host that may have been signed: some clients leave the port out."""
    host = str(signed.get("host", ""))
    bare, _, port = host.rpartition(":")
    return [host, bare] if bare and port.isdecimal() else [host]


def _check_time(work: Work, signed: Mapping[str, Any]) -> None:
    params, headers = signed.get("params", {}), signed.get("headers", {})
    said = params.get("Timestamp") or headers.get("X-Amz-Date") or params.get("X-Amz-Date")
    if not said:
        return
    try:
        moment = datetime.fromisoformat(str(said))
    except ValueError:
        raise unauthenticated() from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if abs(work.now - moment) > WINDOW:
        raise unauthenticated()


def _later(work: Work, credential: Record, blob: Mapping[str, Any], *, subject: bool) -> Callable[[], Reply]:
    database, tokens, clock = work.database, tokens_of(work.services), work.services.clock

    def issue() -> Reply:
        with database.read() as tx:
            proof = _proof(tx, clock, credential, blob)
            return _issued(tx, tokens, credential, proof, subject)

    return issue


def _issued(tx: Transaction, tokens: Tokens, credential: Record, proof: Proof, subject: bool) -> Reply:
    text, token = tokens.issue(tx, proof, Scope("project", credential.project_id))
    headers = {"X-Subject-Token": text} if subject else {}
    services = tokens.catalogs.encoded(tx, credential.project_id)
    return Reply(body=told(token), data=body(token, services), headers=headers)


def _proof(tx: Transaction, clock: Clock, credential: Record, blob: Mapping[str, Any]) -> Proof:
    """The owner, bounded by whatever bounded the token that the credential was made with."""
    user = users.by_id(tx, credential.user_id)
    if user is None:
        raise unauthenticated()
    bounds = {of: str(blob.get(name) or "") for name, of in rules.BOUNDS.items()}
    origin = Origin(
        trust_id=bounds["trust_id"],
        application_credential_id=bounds["application_credential_id"],
        access_token_id=bounds["access_token_id"],
    )
    source = application_credentials.by_id(tx, origin.application_credential_id)
    until = int(source.expires_at.timestamp()) if source and source.expires_at else None
    proof = Proof(
        user_id=user.id,
        generation=user.generation,
        methods=(SIGNED,),
        until=until,
        scope=Scope("project", credential.project_id),
        origin=origin,
    )
    return _within_trust(tx, clock, proof) if origin.trust_id else proof


def _within_trust(tx: Transaction, clock: Clock, proof: Proof) -> Proof:
    """With a trust's token, keys are made that are good for as long as the trust is; that uses none of its uses."""
    trust = trusts.by_id(tx, proof.origin.trust_id)
    if trust is None or user_of(trust) != proof.user_id or standing.is_over(trust, clock):
        raise unauthenticated()
    within = bounded(tx, trust, proof)
    if within.scope != proof.scope:
        raise unauthenticated()
    return within
