"""What a token itself says: who, how, where, from when to when. Everything else is looked up when it is used.

The claims are packed with msgpack and sealed with Fernet, so a token looks and is as long as one of Keystone's
(about 200 characters) and the database holds none.
"""

import base64
import secrets
from typing import Any, Literal

import msgspec

Kind = Literal["unscoped", "project", "domain", "system"]
_KINDS: tuple[Kind, ...] = ("unscoped", "project", "domain", "system")
#: Methods of authentication by their bit. Never reorder: tokens in use carry them.
_METHODS = (
    "external",
    "password",
    "token",
    "totp",
    "application_credential",
    "oauth1",
    "oauth2_credential",
    "mapped",
    "saml2",
    "ec2credential",
)
#: The method of tokens that a signed request was exchanged for. The keys it is signed with are for one project.
SIGNED = "ec2credential"
#: Methods by which somebody's program comes, and not they: with less than they may do, or for less long.
DELEGATED = frozenset({"application_credential", "oauth1", "oauth2_credential", SIGNED})
_FORMAT = 1


class Federated(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Who vouched for the user elsewhere, and the groups that the mapping put them into."""

    identity_provider_id: str
    protocol_id: str
    group_ids: tuple[str, ...] = ()


class Origin(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a token's rights come from, where that is not simply the roles of its user. New members go last: tokens in
    use carry these by their place."""

    trust_id: str = ""
    application_credential_id: str = ""
    access_token_id: str = ""
    federated: Federated | None = None
    #: The generation of the one whom the trust's tokens do not name.
    counterpart: int = 0


#: Of a token that may do what its user may.
OWN = Origin()


class _Packed(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    format: int
    user: Any  # bytes or str: msgspec takes no union of the two
    methods: int
    kind: int
    scope: Any
    issued: int
    expires: int
    audit: list[bytes]
    generation: int
    origin: Origin | None = None
    certificate: bytes = b""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """`issued` and `expires` in seconds since 1970; `generation` is the user's, at the time of issue; `certificate`:
    the thumbprint of the client certificate that the token is bound to, or empty."""

    user_id: str
    methods: tuple[str, ...]
    kind: Kind
    scope_id: str
    issued: int
    expires: int
    audit_ids: tuple[str, ...]
    generation: int
    origin: Origin = OWN
    certificate: str = ""


def new_audit_id() -> str:
    """A random name by which a token can be spoken of without giving it away."""
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")


def pack(claims: Claims) -> bytes:
    """The claims as bytes."""
    return msgspec.msgpack.encode(
        _Packed(
            format=_FORMAT,
            user=_short(claims.user_id),
            methods=sum(1 << _METHODS.index(each) for each in claims.methods),
            kind=_KINDS.index(claims.kind),
            scope=_short(claims.scope_id),
            issued=claims.issued,
            expires=claims.expires,
            audit=[base64.urlsafe_b64decode(each + "==") for each in claims.audit_ids],
            generation=claims.generation,
            origin=claims.origin if claims.origin != OWN else None,
            certificate=base64.urlsafe_b64decode(claims.certificate),
        )
    )


def unpack(payload: bytes) -> Claims | None:
    """The claims in the bytes, or None when they are of another format."""
    try:
        packed = msgspec.msgpack.decode(payload, type=_Packed)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    if packed.format != _FORMAT:
        return None
    return Claims(
        user_id=_long(packed.user),
        methods=tuple(each for bit, each in enumerate(_METHODS) if packed.methods & (1 << bit)),
        kind=_KINDS[packed.kind],
        scope_id=_long(packed.scope),
        issued=packed.issued,
        expires=packed.expires,
        audit_ids=tuple(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in packed.audit),
        generation=packed.generation,
        origin=packed.origin or OWN,
        certificate=base64.urlsafe_b64encode(packed.certificate).decode(),
    )


def _short(identifier: str) -> bytes | str:
    """Hexadecimal ids take half the room as bytes."""
    if len(identifier) == 32:
        try:
            raw = bytes.fromhex(identifier)
        except ValueError:
            return identifier
        return raw if raw.hex() == identifier else identifier
    return identifier


def _long(packed: Any) -> str:
    return packed.hex() if isinstance(packed, bytes) else str(packed)
