"""People of this cloud go on to another one: its word for them, and what others need to know to take it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from stackyard.kernel.declare.kinds import ListOf, Object, Text
from stackyard.kernel.errors import BadRequest, Forbidden, NotFound, Unauthorized
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import unknown
from stackyard.rooms.identity.resources.federation.vouched import parties_of
from stackyard.rooms.identity.resources.saml import assertions, metadata, xml
from stackyard.rooms.identity.resources.saml.assertions import Subject
from stackyard.rooms.identity.resources.saml.vouching import issuer_of, signer_of
from stackyard.rooms.identity.resources.service_provider import SERVICE_PROVIDER
from stackyard.rooms.identity.resources.token.body import told
from stackyard.rooms.identity.resources.token.delegation import origin_of
from stackyard.rooms.identity.resources.token.tokens import Token, tokens_of
from stackyard.rooms.identity.resources.user import store as users

_XML = "text/xml; charset=utf-8"
_AUTH = Object(
    {
        "identity": Object(
            {"methods": ListOf(Text()), "token": Object({"id": Text(max=8192)}, required=["id"])}, required=["token"]
        ),
        "scope": Object(
            {"service_provider": Object({"id": Text(min=1, max=64)}, required=["id"])}, required=["service_provider"]
        ),
    },
    required=["identity", "scope"],
)


def assertion(work: Work, request: Request) -> Callable[[], Reply]:
    """A SAML response for a service provider, about whose token the body holds."""
    return _for_service_provider(work, request, lambda answer, provider: answer)


def ecp_assertion(work: Work, request: Request) -> Callable[[], Reply]:
    """The same, in the envelope that an enhanced client posts."""
    return _for_service_provider(work, request, _enveloped)


def _enveloped(answer: xml.Element, provider: Record) -> xml.Element:
    return assertions.enveloped(answer, provider.relay_state_prefix or "")


def _for_service_provider(
    work: Work, request: Request, wrap: Callable[[xml.Element, Record], xml.Element]
) -> Callable[[], Reply]:
    issuer = issuer_of(parties_of(work.services).connections, work.base_url)
    given = _read(request.body)
    provider = _provider(work.tx, given["scope"]["service_provider"]["id"])
    token = _token(work, given["identity"]["token"]["id"])
    subject = _subject(work, token)

    def reply() -> Reply:
        # Signing takes milliseconds and the first key much longer: with no transaction open.
        signer = signer_of(work.services, issuer)
        answer = assertions.response(issuer, signer, subject, provider.sp_url, work.now)
        headers = {"X-sp-url": provider.sp_url, "X-auth-url": provider.auth_url, "Cache-Control": "no-store"}
        return Reply(body=told(token), data=xml.written(wrap(answer, provider)), content_type=_XML, headers=headers)

    return reply


def _read(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict) or "auth" not in raw:
        raise BadRequest("Expecting to find auth in request body.", field="auth")
    parsed: dict[str, Any] = _AUTH.parse(raw["auth"], "auth", True)
    return parsed


def _provider(tx: Transaction, provider_id: str) -> Record:
    found = tx.get(SERVICE_PROVIDER.table, id=provider_id)
    if found is None:
        raise unknown("service_provider", provider_id)
    if not found.enabled:
        raise Forbidden(f"Service Provider {provider_id} is disabled.")
    return found


def _token(work: Work, text: str) -> Token:
    try:
        token = tokens_of(work.services).look_up(work.tx, text)
    except Unauthorized:
        raise NotFound("Could not find token: it is unknown, expired or revoked.") from None
    if token.claims.kind != "project":
        raise Forbidden("Use a project scoped token when attempting to create a SAML assertion.")
    if origin_of(token.caller) or token.claims.certificate:
        # The other cloud would know the user, and not that the token may do less than they.
        raise Forbidden("A token issued via delegation cannot be used to go on to another cloud.")
    return token


def _subject(work: Work, token: Token) -> Subject:
    assert token.scope is not None and token.scope_domain is not None
    attributes = {
        "openstack_user": [token.user.name],
        "openstack_roles": [each.name for each in token.rights.roles],
        "openstack_project": [token.scope.name],
        "openstack_project_domain": [token.scope_domain.name],
        "openstack_user_domain": [token.user_domain.name],
        "openstack_groups": [_group(work.tx, each) for each in users.groups_of(work.tx, token.user.id)],
    }
    return Subject(
        name=token.user.name,
        by_password="password" in token.claims.methods,
        since=datetime.fromtimestamp(token.claims.issued, UTC),
        attributes=attributes,
    )


def _group(tx: Transaction, group: Record) -> str:
    domain = users.domain(tx, domain_id=group.domain_id)
    return "JSON:" + json.dumps({"name": group.name, "domain": {"name": domain.name if domain else ""}})


def description(work: Work, request: Request) -> Callable[[], Reply]:
    """This cloud's metadata as an identity provider."""
    issuer = issuer_of(parties_of(work.services).connections, work.base_url)

    def reply() -> Reply:
        document = metadata.described(issuer, signer_of(work.services, issuer))
        return Reply(data=xml.written(document), content_type=_XML)

    return reply
