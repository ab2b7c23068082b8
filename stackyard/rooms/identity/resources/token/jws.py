"""Tokens as JSON Web Signatures: the claims in clear, signed with ES256, in the shape of Keystone's provider `jws`.

Whoever has such a token can read what it says; nobody can change it. Source: RFC 7515, RFC 7518 section 3.4.
"""

import base64
import binascii
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.exceptions import InvalidSignature

from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.keys import Ring
from stackyard.rooms.identity.resources.token.claims import Claims, Federated, Kind, Origin

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

_HALF = 32
#: Members of Origin by their names in Keystone's tokens; others, and those that come, keep their own.
_NAMES = {"application_credential_id": "openstack_app_cred_id"}
_SYSTEM = "all"


class _Header(msgspec.Struct, kw_only=True):
    typ: str
    alg: str
    kid: str


class _Payload(msgspec.Struct, kw_only=True):
    sub: str
    iat: int
    exp: int
    openstack_methods: tuple[str, ...]
    openstack_audit_ids: tuple[str, ...]
    generation: int
    openstack_project_id: str = ""
    openstack_domain_id: str = ""
    openstack_system: str = ""
    openstack_thumbprint: str = ""


def sign(tx: Transaction, ring: Ring, claims: Claims, version: int) -> str:
    """The token, signed with the ring's primary key."""
    from cryptography.hazmat.primitives.asymmetric import utils

    key = ring.keys(tx, version)[0]
    header = {"typ": "JWT", "alg": "ES256", "kid": key.id}
    signed = f"{_text(msgspec.json.encode(header))}.{_text(msgspec.json.encode(_payload(claims)))}"
    r, s = utils.decode_dss_signature(_private(key.secret).sign(signed.encode(), _algorithm()))
    return f"{signed}.{_text(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"


def read(tx: Transaction, ring: Ring, text: str, version: int) -> Claims | None:
    """The claims of a token that a key of the ring has signed, else None."""
    signed, _, signature = text.rpartition(".")
    head, _, body = signed.partition(".")
    try:
        header = msgspec.json.decode(_bytes(head), type=_Header)
        raw = _bytes(signature)
    except (ValueError, msgspec.MsgspecError):
        return None
    key = next((each for each in ring.keys(tx, version) if each.id == header.kid), None)
    if key is None or (header.typ, header.alg) != ("JWT", "ES256") or len(raw) != 2 * _HALF:
        return None
    from cryptography.hazmat.primitives.asymmetric import utils

    halves = int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big")
    try:
        public = _private(key.secret).public_key()
        public.verify(utils.encode_dss_signature(*halves), signed.encode(), _algorithm())
    except InvalidSignature:
        return None
    return _claims(_bytes(body))


def _payload(claims: Claims) -> dict[str, Any]:
    scope = _SYSTEM if claims.kind == "system" else claims.scope_id
    return {
        "sub": claims.user_id,
        "iat": claims.issued,
        "exp": claims.expires,
        "openstack_methods": claims.methods,
        "openstack_audit_ids": claims.audit_ids,
        "generation": claims.generation,
        **({} if claims.kind == "unscoped" else {_scope_name(claims.kind): scope}),
        **({"openstack_thumbprint": claims.certificate} if claims.certificate else {}),
        **_origin_members(claims.origin),
    }


def _scope_name(kind: Kind) -> str:
    return "openstack_system" if kind == "system" else f"openstack_{kind}_id"


def _origin_members(origin: Origin) -> dict[str, Any]:
    told = {_name(each): value for each in Origin.__struct_fields__ if (value := getattr(origin, each))}
    federated = told.pop("openstack_federated", None)
    if federated is not None:
        told["openstack_idp_id"] = federated.identity_provider_id
        told["openstack_protocol_id"] = federated.protocol_id
        told["openstack_group_ids"] = federated.group_ids
    return told


def _name(member: str) -> str:
    return _NAMES.get(member, f"openstack_{member}")


def _claims(body: bytes) -> Claims:
    # It is signed by us, so it is what we wrote.
    known = msgspec.json.decode(body, type=_Payload)
    said: dict[str, Any] = msgspec.json.decode(body)
    kind, scope = _scope(known)
    origin = {each: said[_name(each)] for each in Origin.__struct_fields__ if _name(each) in said}
    if "openstack_idp_id" in said:
        origin["federated"] = Federated(
            identity_provider_id=said["openstack_idp_id"],
            protocol_id=said["openstack_protocol_id"],
            group_ids=tuple(said["openstack_group_ids"]),
        )
    return Claims(
        user_id=known.sub,
        methods=known.openstack_methods,
        kind=kind,
        scope_id=scope,
        issued=known.iat,
        expires=known.exp,
        audit_ids=known.openstack_audit_ids,
        generation=known.generation,
        origin=Origin(**origin),
        certificate=known.openstack_thumbprint,
    )


def _scope(payload: _Payload) -> tuple[Kind, str]:
    if payload.openstack_system:
        # The id under which assignments know the system.
        return "system", "system"
    if payload.openstack_project_id:
        return "project", payload.openstack_project_id
    return ("domain", payload.openstack_domain_id) if payload.openstack_domain_id else ("unscoped", "")


@cache
def _algorithm() -> "ec.ECDSA":
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    return ec.ECDSA(SHA256())


@lru_cache(maxsize=64)
def _private(der: bytes) -> "ec.EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    loaded = load_der_private_key(der, None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return loaded


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeError) as error:
        raise ValueError(str(error)) from error
