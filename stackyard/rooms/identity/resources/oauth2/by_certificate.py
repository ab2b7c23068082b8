"""A client that proves to be a user by its TLS certificate: `tls_client_auth`. Sources: RFC 8705, section 2.1;
Keystone, "OAuth 2.0 Mutual-TLS Client Authentication Flow".

TLS has verified the certificate. Whom its subject and issuer mean is told by a mapping, as it is of what providers
assert: the attributes are `SSL_CLIENT_SUBJECT_DN_…` and `SSL_CLIENT_ISSUER_DN_…`, and the user that comes of it must be
the one that the client says to be. Unlike in Keystone, a mapping that says nothing about the user lets nobody in.
"""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackyard.kernel.errors import ApiError
from stackyard.kernel.request import presented
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.federation import store as federation
from stackyard.rooms.identity.resources.mapping import engine, language
from stackyard.rooms.identity.resources.token.proof import Proof, Scope
from stackyard.rooms.identity.resources.user import store as users
from stackyard.rooms.identity.throttle import throttle_of

if TYPE_CHECKING:
    from cryptography import x509

log = logging.getLogger("stackyard.identity")


class _Refused(Exception):
    """Why a certificate is not good for a client: for the operator's log alone."""


def verified(attempt: Attempt, client_id: str, certificate: bytes) -> Proof:
    """The user of that id, for their default project, bound to the certificate. Opens a transaction. Raises
    Unauthorized."""
    try:
        with (
            throttle_of(attempt.services).attempt(("id", client_id), attempt.request.remote_address),
            attempt.database.read() as tx,
        ):
            return _proof(tx, attempt, client_id, certificate)
    except _Refused as refused:
        log.info("a client certificate was refused", extra={"client_id": client_id[:64], "reason": str(refused)})
        raise unauthenticated() from None


def _proof(tx: Transaction, attempt: Attempt, client_id: str, certificate: bytes) -> Proof:
    known = _read(certificate)
    until = int(known.not_valid_after_utc.timestamp())
    now = attempt.services.clock.now()
    if not known.not_valid_before_utc <= now < known.not_valid_after_utc:
        raise _Refused("it is not valid now")
    user = users.by_id(tx, client_id)
    domain = users.domain(tx, domain_id=user.domain_id) if user else None
    if user is None or domain is None:
        raise _Refused("there is no user of that id")
    _check_named(_meant(tx, attempt, _attributes(known)), user, domain)
    if not user.default_project_id:
        raise _Refused("the user has no default project")
    return Proof(
        user_id=user.id,
        generation=user.generation,
        until=until,
        scope=Scope("project", user.default_project_id),
        certificate=presented.thumbprint(certificate),
    )


def _read(certificate: bytes) -> "x509.Certificate":
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(certificate)
    except (ValueError, x509.InvalidVersion):
        raise _Refused("it is no X.509 certificate") from None


def _meant(tx: Transaction, attempt: Attempt, named: engine.Assertion) -> engine.User:
    """The user that the mapping makes of a certificate's names."""
    mapping_id = attempt.services.settings.oauth2.oauth2_cert_dn_mapping_id
    mapping = federation.mapping(tx, mapping_id)
    if mapping is None:
        raise _Refused(f"there is no mapping {mapping_id}")
    try:
        return engine.apply(language.read(mapping.rules, mapping.schema_version), named).user
    except ApiError as error:
        raise _Refused(error.detail) from None


def _attributes(certificate: "x509.Certificate") -> engine.Assertion:
    """A certificate's names as a mapping sees them."""
    found: dict[str, list[str]] = {}
    try:
        for of, name in (("SUBJECT", certificate.subject), ("ISSUER", certificate.issuer)):
            for key, value in _parts(name):
                found.setdefault(f"SSL_CLIENT_{of}_DN_{key}", []).append(value)
    except (ValueError, TypeError):
        raise _Refused("its names cannot be read") from None
    return found


def _parts(name: "x509.Name") -> Iterator[tuple[str, str]]:
    from cryptography.x509.oid import NameOID

    for each in name:
        # RFC 4514 has no short word for it; Keystone takes OpenSSL's.
        key = "EMAILADDRESS" if each.oid == NameOID.EMAIL_ADDRESS else each.rfc4514_attribute_name.upper()
        if isinstance(each.value, str):
            yield key, each.value


def _check_named(meant: engine.User, user: Record, domain: Record) -> None:
    """Whoever is meant must be named, and nothing that is said of them may be of somebody else."""
    of = meant.domain or engine.Domain()
    if not meant.id and not (meant.name and (of.id or of.name)):
        raise _Refused("the mapping names a user by neither id nor name and domain")
    said = {
        "id": (meant.id, user.id),
        "name": (meant.name, user.name),
        "email": (meant.email, user.email),
        "domain id": (of.id, domain.id),
        "domain name": (of.name, domain.name),
    }
    if others := [what for what, (theirs, known) in said.items() if theirs and theirs != known]:
        raise _Refused(f"it names another {' and '.join(others)} than the user's")
