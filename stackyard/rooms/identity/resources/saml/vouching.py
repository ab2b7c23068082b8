"""What this cloud signs with, and what it calls itself, as an identity provider."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from stackyard.kernel.errors import NotFound, Unavailable
from stackyard.kernel.work import Services
from stackyard.rooms.identity.resources.federation.connections import Connections
from stackyard.rooms.identity.resources.saml import sections
from stackyard.rooms.identity.resources.saml.sections import Issuer
from stackyard.rooms.identity.rotation import keys_of, ready

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


@dataclass(frozen=True)
class Signer:
    """A key, and the certificates that others need to know it and its successor by, its own first."""

    key: "RSAPrivateKey | EllipticCurvePrivateKey" = field(repr=False)
    certificates: "tuple[x509.Certificate, ...]"

    @property
    def algorithm(self) -> str:
        """What XML Signature calls the kind of its signatures."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

        kind = "rsa" if isinstance(self.key, RSAPrivateKey) else "ecdsa"
        return f"http://www.w3.org/2001/04/xmldsig-more#{kind}-sha256"

    def signature(self, data: bytes) -> bytes:
        """Of some bytes, as XML Signature writes it."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(data, PKCS1v15(), SHA256())
        size = (self.key.curve.key_size + 7) // 8
        return b"".join(each.to_bytes(size) for each in decode_dss_signature(self.key.sign(data, ECDSA(SHA256()))))


def issuer_of(connections: Connections, base_url: str) -> Issuer:
    """What the operator says, with the addresses that go without saying. Raises NotFound when they say nothing."""
    said = connections.saml
    if said is None:
        raise NotFound(
            "This cloud vouches for nobody: it makes no SAML assertions.",
            remedy="The operator turns them on in federation.yaml, under saml.",
        )
    own = f"{base_url}/identity/v3/OS-FEDERATION/saml2"
    return sections.completed(said, f"{own}/idp", f"{own}/sso")


def signer_of(services: Services, issuer: Issuer) -> Signer:
    """The operator's key, or else the cloud's own, which is made now if it never was. Opens transactions of its own.
    Raises Unavailable when the operator's cannot be used."""
    if issuer.key_file:
        return _signer((sections.read(issuer.key_file) + "\n" + sections.read(issuer.certificate_file),))
    found = ready(services, keys_of(services).saml)
    return _signer(tuple(each.secret.decode() for each in found if each.state != "secondary"))


# To load a key is to check it, which takes a hundred times as long as to sign with it.
@lru_cache(maxsize=4)
def _signer(pems: tuple[str, ...]) -> Signer:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pems[0].encode(), None)
        certificates = [x509.load_pem_x509_certificates(each.encode())[0] for each in pems]
    except (ValueError, TypeError) as error:
        raise Unavailable("The key or the certificate for assertions that federation.yaml names is no PEM.") from error
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise Unavailable("The key for assertions that federation.yaml names is neither RSA nor of an elliptic curve.")
    if key.public_key() != certificates[0].public_key():
        raise Unavailable("The certificate for assertions that federation.yaml names is of another key.")
    return Signer(key, tuple(certificates))
