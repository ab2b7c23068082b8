"""Authorities that tests make, and the certificates they give to clients."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_OIDS = {
    "CN": NameOID.COMMON_NAME, "UID": NameOID.USER_ID, "O": NameOID.ORGANIZATION_NAME,
    "DC": NameOID.DOMAIN_COMPONENT, "emailAddress": NameOID.EMAIL_ADDRESS,
}  # fmt: skip


class ClientAuthority:
    """An authority for clients' certificates; `file` is its own certificate."""

    def __init__(self, folder: Path, name: str = "clients") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = named(CN=name)
        self.file = folder / f"{name}.pem"
        now = datetime.now(UTC)
        made = _builder(self._name, self._name, self._key, now + timedelta(days=2)).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def certificate(self, subject: x509.Name, lifetime: timedelta = timedelta(days=1)) -> tuple[x509.Certificate, Path]:
        """A certificate of that name, and the file that has it and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder(subject, self._name, key, datetime.now(UTC) + lifetime).sign(self._key, hashes.SHA256())
        file = self._folder / f"{made.serial_number}.pem"
        pkcs8, no = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        pem = serialization.Encoding.PEM
        file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, pkcs8, no))
        return made, file

    def revoke(self, certificate: x509.Certificate, lifetime: timedelta = timedelta(days=1)) -> None:
        """Name it in a revocation list, which comes into the authority's file."""
        now = datetime.now(UTC)
        gone = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now).build()
        listed = x509.CertificateRevocationListBuilder().issuer_name(self._name).last_update(now - timedelta(hours=1))
        made = listed.next_update(now + lifetime).add_revoked_certificate(gone).sign(self._key, hashes.SHA256())
        with self.file.open("ab") as file:
            file.write(made.public_bytes(serialization.Encoding.PEM))


def named(*more: tuple[str, str], **parts: str) -> x509.Name:
    """A distinguished name of these parts, by their short words."""
    return x509.Name([x509.NameAttribute(_OIDS[word], value) for word, value in (*parts.items(), *more)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=2))
        .not_valid_after(end)
    )
