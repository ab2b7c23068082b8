"""TLS for the API: a certificate that the operator gives, or one of the cloud's own making.

The cloud's own authority and its certificate lie in `<state>/tls`, readable by their owner only. Clients trust the
authority (`ca.pem`, which clouds.yaml names); the certificate is made anew well before it ends, and when the names it
must carry change.
"""

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stackyard.kernel.settings import Settings

AUTHORITY, CERTIFICATE, KEY = "ca.pem", "server.pem", "server.key"
_AUTHORITY_KEY = "ca.key"
_AUTHORITY_LIFE, _LIFE, _LEFT = timedelta(days=3650), timedelta(days=90), timedelta(days=30)
#: Machines' clocks differ: what is made now must be good on one that is late.
_EARLIER = timedelta(hours=1)


def ready(settings: Settings, now: datetime | None = None) -> tuple[Path, Path]:
    """The files of certificate and key to serve with; the cloud's own are made, or made anew, when that is due."""
    if settings.tls_cert:
        return Path(settings.tls_cert), Path(settings.tls_key)
    folder = settings.state_dir / "tls"
    names = _names(settings)
    if not _is_good(folder, names, now or datetime.now(UTC)):
        _make(folder, names, now or datetime.now(UTC))
    return folder / CERTIFICATE, folder / KEY


class Serving(ssl.SSLContext):
    """What the API is served with: each connection by the newest context.

    OpenSSL adds to what a context trusts and takes nothing away, and a client that was let in may go on with its
    session without showing its certificate again. So what changes is loaded into a new context, which has neither
    authorities nor sessions of before.
    """

    newest: ssl.SSLContext

    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        """A connection that begins."""
        return self.newest.wrap_bio(*args, **named)

    def is_past(self, connection: ssl.SSLObject) -> bool:
        """Whether a connection began under what does not count any more."""
        return connection.context is not self.newest


def context(settings: Settings) -> Serving:
    """What the API is served with: TLS 1.2 or later. `Renewal` keeps it fresh. A client may present a certificate of
    the authorities that the operator names, unless a revocation list beside them names it; with any other it is
    refused. Raises OSError or ssl.SSLError for files that are no certificate and key."""
    made = Serving(ssl.PROTOCOL_TLS_SERVER)
    made.newest = _loaded(settings, *ready(settings))
    return made


def _loaded(settings: Settings, certificate: Path, key: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(certificate, key)
    if settings.tls_client_ca:
        made.load_verify_locations(settings.tls_client_ca)
        made.verify_mode = ssl.CERT_OPTIONAL
        if b"-----BEGIN X509 CRL-----" in Path(settings.tls_client_ca).read_bytes():
            made.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return made


class Renewal:
    """Keeps what the API is served with at what is on disk: `renew` now and then."""

    def __init__(self, settings: Settings, serving: Serving) -> None:
        self._settings = settings
        self._serving = serving
        self._loaded = self._state(self._files(None))

    def renew(self, now: datetime | None = None) -> bool:
        """Serve with a certificate that was made anew or replaced by the operator, and verify those of clients by what
        is in their file now; whether there was anything new. Raises OSError for files that cannot be used: all stays
        as it was."""
        certificate, key, *more = self._files(now)
        state = self._state((certificate, key, *more))
        if state == self._loaded:
            return False
        self._serving.newest = _loaded(self._settings, certificate, key)
        self._loaded = state
        return True

    def _files(self, now: datetime | None) -> list[Path]:
        authorities = self._settings.tls_client_ca
        return [*ready(self._settings, now), *([Path(authorities)] if authorities else [])]

    def _state(self, files: Iterable[Path]) -> list[tuple[int, int]]:
        return [(each.stat().st_mtime_ns, each.stat().st_ino) for each in files]


def _names(settings: Settings) -> list[str]:
    """Under which names and addresses clients may come."""
    found = {"localhost", "127.0.0.1", "::1", socket.gethostname(), settings.host}
    if public := urlsplit(settings.public_url).hostname:
        found.add(public)
    if settings.host in ("0.0.0.0", "::"):
        found.discard(settings.host)
        found |= {str(each[4][0]) for each in _addresses()}
    return sorted(each for each in found if each)


def _addresses() -> list[tuple[object, object, object, object, tuple[object, ...]]]:
    try:
        return [*socket.getaddrinfo(socket.gethostname(), None)]
    except OSError:
        return []


def _is_good(folder: Path, names: list[str], now: datetime) -> bool:
    try:
        known = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
        authority = x509.load_pem_x509_certificate((folder / AUTHORITY).read_bytes())
        known.verify_directly_issued_by(authority)
        (folder / KEY).stat()
        carried = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return set(carried) == set(map(_general, names)) and known.not_valid_after_utc - now > _LEFT


def _make(folder: Path, names: list[str], now: datetime) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    authority, signer = _authority(folder, now)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _builder(
            _name(names[0]), authority.subject, key.public_key(), now, min(now + _LIFE, authority.not_valid_after_utc)
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(map(_general, names)), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    _write(folder / KEY, _pem(key))
    _write(folder / CERTIFICATE, made.public_bytes(serialization.Encoding.PEM))


def _authority(folder: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The authority on disk, or a new one when there is none that outlives a certificate made now."""
    try:
        known = x509.load_pem_x509_certificate((folder / AUTHORITY).read_bytes())
        key = serialization.load_pem_private_key((folder / _AUTHORITY_KEY).read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey) and known.not_valid_after_utc - now > _LIFE:
            return known, key
    except (OSError, ValueError):
        pass
    fresh = ec.generate_private_key(ec.SECP256R1())
    name = _name("Stackyard API authority")
    made = (
        _builder(name, name, fresh.public_key(), now, now + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(fresh.public_key()), critical=False)
        .add_extension(_signs_certificates(), critical=True)
        .sign(fresh, hashes.SHA256())
    )
    _write(folder / _AUTHORITY_KEY, _pem(fresh))
    _write(folder / AUTHORITY, made.public_bytes(serialization.Encoding.PEM))
    return made, fresh


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(end)
    )


def _signs_certificates() -> x509.KeyUsage:
    no = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **no)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, for its owner only."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
