"""The dance of OAuth 1.0a: a consumer asks, a user gives leave, the consumer gets an access token."""

import hmac
import secrets
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from stackyard.kernel.declare.dialect import iso_micro
from stackyard.kernel.declare.kinds import ListOf, Object, Text
from stackyard.kernel.errors import BadRequest, Forbidden, Unauthorized
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import rows
from stackyard.rooms.identity.errors import invalid, unauthenticated, unknown
from stackyard.rooms.identity.fields import MOST
from stackyard.rooms.identity.resources.assignment import store as assignments
from stackyard.rooms.identity.resources.assignment.store import Target
from stackyard.rooms.identity.resources.credential.sealing import seal
from stackyard.rooms.identity.resources.oauth1 import resource, signed, store
from stackyard.rooms.identity.resources.project import resource as projects
from stackyard.rooms.identity.resources.role import store as role_store
from stackyard.rooms.identity.resources.token import delegation

#: How long the tokens last: Keystone's `oauth1.request_token_duration` and `access_token_duration`.
TO_AUTHORIZE, TO_ACT = timedelta(hours=8), timedelta(days=1)
_NAMED = Text(min=1, max=255)
_ROLES = ListOf(Object({"id": _NAMED, "name": _NAMED}), max=MOST)


def request_token(work: Work, request: Request) -> Reply:
    """A token by which a user can be asked for leave. Raises Unauthorized unless a consumer has signed."""
    asked = signed.read(request)
    project_id = request.headers.get("requested-project-id", "")
    if not project_id:
        raise BadRequest(
            "Expecting to find Requested-Project-Id in the request's headers.", field="Requested-Project-Id"
        )
    consumer = signed.verify(work, asked)
    project = rows.existing(work, projects.PROJECT, project_id)
    secret, token = secrets.token_hex(16), uuid.UUID(work.new_id()).hex
    expires = work.now + TO_AUTHORIZE
    values = {"id": token, "consumer_id": consumer.id, "project_id": project.id, "expires_at": expires}
    work.tx.insert(store.REQUEST_TOKEN, {**values, **seal(work, secret, "sealed")})
    return _form(oauth_token=token, oauth_token_secret=secret, oauth_expires_at=iso_micro(expires))


def authorize(work: Work, request: Request) -> dict[str, Any]:
    """Let the consumer act for the caller with some of their roles. Raises Forbidden for roles they do not have."""
    delegation.refuse_any(work)
    token_id = request.params["request_token_id"]
    token = store.request_token(work.tx, token_id)
    if token is None:
        raise unknown("request token", token_id)
    _refuse_old(work, token, "Request token is expired.")
    wanted = _roles(work, request.body)
    user_id = work.caller.user_id or ""
    held = {each.id for each in assignments.effective_roles(work.tx, user_id, Target("project", token.project_id))}
    if not set(wanted) <= held:
        raise Forbidden("The authorizing user does not have these roles on the project that is asked for.")
    verifier = secrets.token_hex(8)
    values = {"verifier": verifier, "authorizing_user_id": user_id, "role_ids": wanted}
    work.tx.update(store.REQUEST_TOKEN, values, id=token.id)
    return {"token": {"oauth_verifier": verifier}}


def _roles(work: Work, body: Any) -> list[str]:
    if not isinstance(body, dict) or "roles" not in body:
        raise BadRequest("Expecting to find roles in request body.", field="roles")
    named = _ROLES.parse(body["roles"], "roles", True)
    if not named or any(len(each) != 1 for each in named):
        raise invalid("roles", "names at least one role, each by its id or its name.")
    return [_role(work, each) for each in named]


def _role(work: Work, named: dict[str, str]) -> str:
    found = role_store.referred(work.tx, named)
    if found is None:
        raise unknown("role", next(iter(named.values())))
    return str(found.id)


def access_token(work: Work, request: Request) -> Reply:
    """The request token for an access token, once. Raises Unauthorized unless the user has given leave and the consumer
    knows the verifier."""
    asked = signed.read(request)
    token_id, verifier = asked.said("oauth_token"), asked.said("oauth_verifier")
    token = store.request_token(work.tx, token_id)
    consumer = signed.verify(work, asked, token)
    if token is None or token.consumer_id != consumer.id or not token.verifier:
        raise unauthenticated()
    _refuse_old(work, token, "Request token is expired.")
    if not hmac.compare_digest(token.verifier.encode(), verifier.encode()):
        raise Unauthorized("Provided verifier does not match stored verifier.")
    work.tx.delete(store.REQUEST_TOKEN, id=token.id)
    secret, expires = secrets.token_hex(16), work.now + TO_ACT
    values = {name: token[name] for name in ("consumer_id", "project_id", "authorizing_user_id", "role_ids")}
    sealed = seal(work, secret, "sealed")
    made = kernel_rows.insert(work, resource.ACCESS_TOKEN, {**values, "expires_at": expires, **sealed})
    return _form(oauth_token=made.id, oauth_token_secret=secret, oauth_expires_at=iso_micro(expires))


def _refuse_old(work: Work, token: Record, why: str) -> None:
    if token.expires_at <= work.now:
        raise Unauthorized(why)


def _form(**values: str) -> Reply:
    # Times stand as they are, as in Keystone's answers: readers split the text and do not decode it.
    text = urlencode(values, safe=":")
    return Reply(status=201, data=text.encode(), content_type="application/x-www-form-urlencoded")
