"""What this cloud tells about itself, as an identity provider and to one. Source: SAML 2.0 Metadata."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stackyard.rooms.identity.resources.saml.encryption import NOTICING, TRANSPORTS
from stackyard.rooms.identity.resources.saml.requests import PAOS, POST
from stackyard.rooms.identity.resources.saml.sections import Contact, Issuer, Organization
from stackyard.rooms.identity.resources.saml.vouching import Signer
from stackyard.rooms.identity.resources.saml.xml import SPACES, Element, made

if TYPE_CHECKING:
    from cryptography import x509

_URI = "urn:oasis:names:tc:SAML:2.0:bindings:URI"
_UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"


def described(issuer: Issuer, signer: Signer) -> Element:
    """The description, with the certificates of now and of after the next rotation."""
    roles = {"protocolSupportEnumeration": SPACES["samlp"]}
    descriptor = made("md:IDPSSODescriptor", _parts(issuer, signer), roles)
    return made("md:EntityDescriptor", [descriptor], {"entityID": issuer.entity_id})


def asking(known_as: str, browsers: str, programs: str, signer: Signer, readable_by: "x509.Certificate") -> Element:
    """The description for a provider that is to log people in: browsers, which it sends back to one address, and
    enhanced clients, which bring its answer to the other. What it encrypts, the key of `readable_by` opens."""
    takes = [
        {"Binding": POST, "Location": browsers, "index": "0", "isDefault": "true"},
        {"Binding": PAOS, "Location": programs, "index": "1"},
    ]
    wants = {"AuthnRequestsSigned": "true", "WantAssertionsSigned": "true"}
    speaks = {"protocolSupportEnumeration": SPACES["samlp"]}
    methods = [made("md:EncryptionMethod", attributes={"Algorithm": each}) for each in (*NOTICING, *TRANSPORTS)]
    parts = [
        *(_key(each) for each in signer.certificates),
        _key(readable_by, "encryption", methods),
        *(made("md:AssertionConsumerService", attributes=each) for each in takes),
    ]
    descriptor = made("md:SPSSODescriptor", parts, wants | speaks)
    return made("md:EntityDescriptor", [descriptor], {"entityID": known_as})


def _parts(issuer: Issuer, signer: Signer) -> Iterator[Element]:
    for each in signer.certificates:
        yield _key(each)
    if issuer.organization:
        yield _organization(issuer.organization)
    if issuer.contact:
        yield _contact(issuer.contact)
    yield made("md:NameIDFormat", _UNSPECIFIED)
    yield made("md:SingleSignOnService", attributes={"Binding": _URI, "Location": issuer.sso_endpoint})


def _key(certificate: "x509.Certificate", use: str = "signing", methods: Sequence[Element] = ()) -> Element:
    from cryptography.hazmat.primitives.serialization import Encoding

    text = b64encode(certificate.public_bytes(Encoding.DER)).decode()
    data = made("ds:X509Data", [made("ds:X509Certificate", text)])
    return made("md:KeyDescriptor", [made("ds:KeyInfo", [data]), *methods], {"use": use})


def _organization(said: Organization) -> Element:
    spoken = {"xml:lang": said.language}
    parts = {
        "md:OrganizationName": said.name,
        "md:OrganizationDisplayName": said.display_name or said.name,
        "md:OrganizationURL": said.url,
    }
    return made("md:Organization", [made(tag, text, spoken) for tag, text in parts.items()])


def _contact(said: Contact) -> Element:
    parts = {
        "md:Company": said.company,
        "md:GivenName": said.given_name,
        "md:SurName": said.surname,
        "md:EmailAddress": said.email,
        "md:TelephoneNumber": said.telephone,
    }
    return made(
        "md:ContactPerson", [made(tag, text) for tag, text in parts.items() if text], {"contactType": said.type}
    )
