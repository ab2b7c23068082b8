"""What `federation.yaml` says about SAML: how this cloud vouches for its people, and whose word it takes."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec

from stackyard.kernel.errors import Unavailable

if TYPE_CHECKING:
    from cryptography import x509

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Organization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who runs this cloud, as its metadata tells. `language` is that of the names."""

    name: str
    url: str
    display_name: str = ""
    language: str = "en"


class Contact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom the operators of other clouds can turn to."""

    type: Literal["technical", "support", "administrative", "billing", "other"] = "technical"
    company: str = ""
    given_name: str = ""
    surname: str = ""
    email: str = ""
    telephone: str = ""


class Issuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """This cloud as an identity provider.

    entity_id, sso_endpoint: what it calls itself, and the address that its metadata must name (below the cloud's
    public address). assertion_lifetime: seconds. key_file, certificate_file: in PEM, instead of the cloud's own.
    """

    entity_id: str = ""
    sso_endpoint: str = ""
    assertion_lifetime: int = 300
    key_file: str = ""
    certificate_file: str = ""
    organization: Organization | None = None
    contact: Contact | None = None

    def __post_init__(self) -> None:
        if bool(self.key_file) != bool(self.certificate_file):
            raise ValueError("`key_file` and `certificate_file` go together")
        if not 1 <= self.assertion_lifetime <= 86400:
            raise ValueError("`assertion_lifetime` must be from 1 to 86400 seconds")


class SamlProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another cloud, or any provider whose assertions programs bring (ECP) or browsers (WebSSO).

    entity_id: what it calls itself. sso_endpoint: where it takes browsers (HTTP-Redirect); empty: it is for programs.
    certificates, certificate_file: those whose keys sign for it, in PEM or as its metadata has them; what an assertion
    brings along is not trusted. audience: what it calls this cloud, in assertions that name anybody (the address that
    takes them). leeway: seconds by which clocks may differ. accept_sha1: whether signatures of RSA with SHA-1 count,
    which is how Keystone signs.
    """

    entity_id: str
    certificates: tuple[str, ...] = ()
    certificate_file: str = ""
    audience: str = ""
    leeway: int = 30
    sso_endpoint: str = ""
    accept_sha1: bool = False

    def __post_init__(self) -> None:
        check_url("sso_endpoint", self.sso_endpoint)
        if not self.entity_id:
            raise ValueError("`entity_id` must say what the provider calls itself")
        if not self.certificates and not self.certificate_file:
            raise ValueError("`certificates` or `certificate_file` must hold what the provider signs with")
        for each in self.certificates:
            _certificates(each)

    def trusted(self) -> "list[x509.Certificate]":
        """The certificates. Raises Unavailable when their file cannot be used."""
        texts = [*self.certificates, *([read(self.certificate_file)] if self.certificate_file else [])]
        try:
            return [found for text in texts for found in _certificates(text)]
        except ValueError as error:
            raise Unavailable(f"The certificates of {self.entity_id} cannot be used: {error}.") from error


def check_url(name: str, url: str) -> None:
    """Raise ValueError for an address, if there is one, that is neither https nor on this machine."""
    parts = urlsplit(url)
    if url and parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in _LOOPBACK):
        raise ValueError(f"`{name}` must begin with https:// (http:// is for this machine alone)")


def completed(issuer: Issuer, entity_id: str, sso_endpoint: str) -> Issuer:
    """The section with these where it names none."""
    names = {"entity_id": issuer.entity_id or entity_id, "sso_endpoint": issuer.sso_endpoint or sso_endpoint}
    return msgspec.structs.replace(issuer, **names)


def read(path: str) -> str:
    """The text of a file that the operator names. Raises Unavailable."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"{Path(path).name}, which federation.yaml names, cannot be read.") from error


def _certificates(text: str) -> "list[x509.Certificate]":
    """Of PEM, or of one as it stands in metadata."""
    from cryptography import x509

    try:
        if "-----BEGIN" in text:
            return x509.load_pem_x509_certificates(text.encode())
        return [x509.load_der_x509_certificate(base64.b64decode(text))]
    except (ValueError, x509.InvalidVersion) as error:
        raise ValueError("a certificate must be in PEM, or as it stands in metadata") from error
