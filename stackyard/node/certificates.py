"""Certificates and the TLS they are for: the cloud's own authority, its servers', its nodes'.

Nothing is decided here: who gets a certificate is the authority's business (`authority`).
"""

import hashlib
import os
import secrets
import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stackyard.node.tls import AUTHORITY, JOIN, LINK, RENEW, SERVER_NAME

_AUTHORITY_LIFETIME = timedelta(days=3650)
#: Machines' clocks differ: what is made now must be good on one that is late.
_EARLIER = timedelta(hours=1)


class BadRequestForCertificate(ValueError):
    """What was sent is no certificate signing request, or not signed by its own key."""


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of a node, in PEM, and what is written down of it. `key`: a digest of its public key."""

    serial: str
    node: str
    key: str
    pem: str
    issued_at: datetime
    expires_at: datetime


class Signer:
    """The authority's certificate and key, in PEM."""

    def __init__(self, certificate: str, key: str) -> None:
        self.certificate = certificate
        self._certificate = x509.load_pem_x509_certificate(certificate.encode())
        loaded = serialization.load_pem_private_key(key.encode(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._key = loaded

    @classmethod
    def create(cls, now: datetime) -> tuple[str, str]:
        """A new authority: certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Stackyard nodes {secrets.token_hex(4)}")
        made = (
            _certificate(name, name, key.public_key(), now, now + _AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return _pem(made), private_pem(key)

    @property
    def fingerprint(self) -> str:
        """What tells this authority from any other."""
        return fingerprint(self.certificate)

    def issue_to_server(self, now: datetime, lifetime: timedelta) -> str:
        """A key and a certificate for a server of the cloud, both in one PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._issue(SERVER_NAME, key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH, now, now + lifetime)
        return private_pem(key) + _pem(made)

    def issue_to_node(self, request: str, name: str, now: datetime, lifetime: timedelta) -> Issued:
        """A certificate that says: the holder of the request's key is this node, whatever name the request carries.
        Raises BadRequestForCertificate."""
        public = _requested_key(request)
        end = min(now + lifetime, self._certificate.not_valid_after_utc)
        made = self._issue(name, public, ExtendedKeyUsageOID.CLIENT_AUTH, now, end)
        return Issued(
            serial=_serial(made), node=name, key=key_digest(request), pem=_pem(made), issued_at=now, expires_at=end
        )

    def _issue(
        self, name: str, key: ec.EllipticCurvePublicKey, use: x509.ObjectIdentifier, now: datetime, end: datetime
    ) -> x509.Certificate:
        return (
            _certificate(_name(name), self._certificate.subject, key, now, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def new_key() -> str:
    """A fresh private key, in PEM."""
    return private_pem(ec.generate_private_key(ec.SECP256R1()))


def request_for(key: str) -> str:
    """The request to certify a key, in PEM. It names nobody: the authority decides the name."""
    loaded = serialization.load_pem_private_key(key.encode(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(loaded, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def key_digest(request: str) -> str:
    """A digest of the key that a request is for. Raises BadRequestForCertificate."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(_requested_key(request).public_bytes(serialization.Encoding.DER, form)).hexdigest()


def fingerprint(certificate: str) -> str:
    """The SHA-256 of a certificate in PEM, in hexadecimal."""
    return x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA256()).hex()


def whose(certificate: bytes) -> tuple[str, str]:
    """The serial number and the name in a certificate (DER) that TLS has verified."""
    loaded = x509.load_der_x509_certificate(certificate)
    [name] = loaded.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return _serial(loaded), str(name.value)


def validity(identity: str) -> tuple[datetime, datetime]:
    """From when and until when the certificate in a PEM is good."""
    loaded = x509.load_pem_x509_certificate(identity.encode())
    return loaded.not_valid_before_utc + _EARLIER, loaded.not_valid_after_utc


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """A private key in PEM, not encrypted: whoever stores it keeps it from others."""
    form, secrecy = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, secrecy).decode()


# -- TLS --


def server_context(authority: str, identity: str) -> ssl.SSLContext:
    """For a server. Whoever shows a certificate must have it from the authority; whoever has none yet may join."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _strict(context, authority, (LINK, JOIN, RENEW, AUTHORITY))
    context.verify_mode = ssl.CERT_OPTIONAL
    # No resumed sessions: each connection shows its certificate anew, so that a revoked one is seen.
    context.num_tickets = 0
    _show(context, identity)
    return context


def client_context(purpose: str, authority: str, identity: str | None = None) -> ssl.SSLContext:
    """For a node that knows the authority: only a server with its certificate is talked to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _strict(context, authority, (purpose,))
    if identity is not None:
        _show(context, identity)
    return context


def unknowing_context() -> ssl.SSLContext:
    """For a machine that asks a server for the authority's certificate, which it checks by the fingerprint it was
    given. Nothing else may be said over such a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([AUTHORITY])
    return context


def _strict(context: ssl.SSLContext, authority: str, purposes: Sequence[str]) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authority)
    context.set_alpn_protocols(list(purposes))


def _show(context: ssl.SSLContext, identity: str) -> None:
    # The ssl module takes keys from files only; this one is on no disk.
    descriptor = os.memfd_create("identity", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, identity.encode())
        context.load_cert_chain(Path(f"/proc/self/fd/{descriptor}"))
    finally:
        os.close(descriptor)


def _requested_key(request: str) -> ec.EllipticCurvePublicKey:
    try:
        loaded = x509.load_pem_x509_csr(request.encode())
        valid, key = loaded.is_signature_valid, loaded.public_key()
    except (ValueError, TypeError, InvalidSignature) as wrong:
        raise BadRequestForCertificate(f"this is no certificate signing request: {wrong}") from wrong
    if not valid:
        raise BadRequestForCertificate("the request is not signed by the key it is for")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadRequestForCertificate("the key is not of the curve P-256")
    return key


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(end)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _serial(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
