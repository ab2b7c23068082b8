"""A token as the API shows it."""

from typing import Any

import msgspec

from stackyard.kernel.declare.dialect import iso_micro
from stackyard.kernel.storage.database import Record
from stackyard.rooms.identity.compliance import shown_expiry
from stackyard.rooms.identity.resources.token.tokens import Token, instant


def body(token: Token, catalog: bytes | None) -> bytes:
    """The token's answer as JSON; without a catalog (given as JSON) when that is None or the token is for nowhere in
    particular. All but the catalog is kept with the token: services ask about the same one again and again."""
    own = token.kept.get("body")
    if own is None:
        own = token.kept["body"] = msgspec.json.encode(_shown(token))
    if catalog is None or token.claims.kind == "unscoped":
        return b'{"token":' + own + b"}"
    return b'{"token":' + own[:-1] + b',"catalog":' + catalog + b"}}"


def told(token: Token) -> dict[str, Any]:
    """What of a new token's answer the audit trail reads: whose it is."""
    return {"token": {"user": _named(token.user, token.user_domain)}}


def _shown(token: Token) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "methods": list(token.claims.methods),
        "user": {**_named(token.user, token.user_domain), **_password(token), **token.rights.user},
        "audit_ids": list(token.claims.audit_ids),
        "expires_at": iso_micro(instant(token.claims.expires)),
        "issued_at": iso_micro(instant(token.claims.issued)),
    }
    shown |= _scope(token) | dict(token.rights.shown)
    if token.claims.certificate:
        shown["oauth2_credential"] = {"x5t#S256": token.claims.certificate}
    if token.service_providers:
        shown["service_providers"] = token.service_providers
    return shown


def _password(token: Token) -> dict[str, Any]:
    """A user whom a provider vouches for has none here."""
    return {} if token.claims.origin.federated else {"password_expires_at": shown_expiry(token.user)}


def _scope(token: Token) -> dict[str, Any]:
    if token.claims.kind == "unscoped":
        return {}
    roles = {"roles": [{"id": role.id, "name": role.name} for role in token.rights.roles]}
    if token.scope is None:
        return {"system": {"all": True}, **roles}
    if token.scope_domain is None:
        return {"domain": {"id": token.scope.id, "name": token.scope.name}, **roles}
    project = _named(token.scope, token.scope_domain)
    return {"project": project, "is_domain": token.scope.is_domain, **roles}


def _named(row: Record, domain: Record) -> dict[str, Any]:
    return {"domain": {"id": domain.id, "name": domain.name}, "id": row.id, "name": row.name}
