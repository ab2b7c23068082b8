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
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import invalid, unauthenticated
from stackyard.rooms.identity.resources.credential import rules, store
from stackyard.rooms.identity.resources.ec2 import signatures
from stackyard.rooms.identity.resources.token.body import body, told
from stackyard.rooms.identity.resources.token.claims import SIGNED
from stackyard.rooms.identity.resources.token.proof import Proof, Scope
from stackyard.rooms.identity.resources.token.tokens import Tokens, tokens_of
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
    if rules.names_a_leave(blob):
        raise unauthenticated()
    given = str(signed.get("signature", "")).encode()
    try:
        good = [hmac.compare_digest(given, each.encode()) for each in sign(blob["secret"], signed)]
    except ValueError:
        good = []
    if not any(good):
        raise unauthenticated()
    _check_time(work, signed)
    return _later(work, credential, subject=subject)


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


def _later(work: Work, credential: Record, *, subject: bool) -> Callable[[], Reply]:
    database, tokens = work.database, tokens_of(work.services)

    def issue() -> Reply:
        with database.read() as tx:
            return _issued(tx, tokens, credential, subject)

    return issue


def _issued(tx: Transaction, tokens: Tokens, credential: Record, subject: bool) -> Reply:
    user, scope = users.by_id(tx, credential.user_id), Scope("project", credential.project_id)
    if user is None:
        raise unauthenticated()
    text, token = tokens.issue(tx, Proof(user_id=user.id, generation=user.generation, methods=(SIGNED,)), scope)
    headers = {"X-Subject-Token": text} if subject else {}
    services = tokens.catalogs.encoded(tx, credential.project_id)
    return Reply(body=told(token), data=body(token, services), headers=headers)
