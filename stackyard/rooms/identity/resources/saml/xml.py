"""XML of this room: built, read and signed by lxml and signxml, which are loaded with the first assertion.

What is read is hostile: no document type, no entities, no network, no comments (a text with one in it has parts that
are easily lost), no more than `LARGEST` bytes, no element with more than `_WIDEST` attributes (to sort many, as a
signature wants, takes seconds). Source: XML Signature Syntax and Processing 1.1.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stackyard.kernel.errors import BadRequest

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

Element = Any
LARGEST = 256 * 1024
_WIDEST = 64

SPACES = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "paos": "urn:liberty:paos:2003-08",
    "ecp": "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp",
    "soap": "http://schemas.xmlsoap.org/soap/envelope/",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xenc": "http://www.w3.org/2001/04/xmlenc#",
    "xenc11": "http://www.w3.org/2009/xmlenc11#",
    "xml": "http://www.w3.org/XML/1998/namespace",
}
#: Of SOAP: whoever reads it next.
NEXT_ACTOR = "http://schemas.xmlsoap.org/soap/actor/next"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
#: By hashes of which no collisions are known, and no shared secrets.
_SIGNATURES = ("RSA_SHA256", "RSA_SHA384", "RSA_SHA512", "ECDSA_SHA256", "ECDSA_SHA384", "ECDSA_SHA512",
               "SHA256_RSA_MGF1", "SHA384_RSA_MGF1", "SHA512_RSA_MGF1")  # fmt: skip
_DIGESTS = ("SHA256", "SHA384", "SHA512")
#: What a provider may be allowed beside, and what its digests are made by then.
_WITH_SHA1, _SHA1 = "RSA_SHA1", "SHA1"


def name(short: str) -> str:
    """`saml:Issuer` as libraries write it."""
    prefix, _, local = short.rpartition(":")
    return f"{{{SPACES[prefix]}}}{local}" if prefix else local


def made(tag: str, content: "str | Iterable[Element]" = (), attributes: Mapping[str, str] = {}) -> Element:
    """An element with a text or with children. Raises BadRequest for text that XML cannot hold."""
    from lxml import etree

    prefix = tag.partition(":")[0]
    element = etree.Element(name(tag), nsmap={prefix: SPACES[prefix]})
    try:
        for key, value in attributes.items():
            element.set(name(key), value)
        if isinstance(content, str):
            element.text = content
            return element
    except ValueError as error:
        raise BadRequest(f"There are characters that XML cannot hold in what {tag} would say.") from error
    element.extend(content)
    return element


def written(element: Element) -> bytes:
    """The document."""
    from lxml import etree

    text: bytes = etree.tostring(element, xml_declaration=True, encoding="utf-8")
    return text


def _parser() -> Any:
    from lxml import etree

    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip


def parsed(raw: bytes) -> Element:
    """A document that somebody sends. Raises ValueError saying what is wrong with it."""
    from lxml import etree

    if len(raw) > LARGEST:
        raise ValueError(f"it is longer than {LARGEST} bytes")
    try:
        root = etree.fromstring(raw, parser=_parser())
    except etree.XMLSyntaxError as error:
        raise ValueError("it is no XML") from error
    if root.getroottree().docinfo.doctype:
        raise ValueError("it has a document type, which is not taken")
    if any(len(each.attrib) > _WIDEST for each in root.iter()):
        raise ValueError(f"it has an element with more than {_WIDEST} attributes")
    return root


def fragment(raw: bytes, around: Element) -> Element:
    """The one element that a text is which stood in another, whose prefixes it may use. Raises ValueError."""
    from lxml import etree

    before, _, _ = etree.tostring(etree.Element("fragment", nsmap=around.nsmap)).rpartition(b"/>")
    found = list(parsed(before + b">" + raw + b"</fragment>"))
    if len(found) != 1:
        raise ValueError("it must be one element")
    return found[0]


def signed(
    element: Element, key: "RSAPrivateKey | EllipticCurvePrivateKey", certificate: "x509.Certificate"
) -> Element:
    """The element, whose attribute ID names it, with a signature in the place of the empty `ds:Signature` in it."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from signxml.algorithms import SignatureMethod
    from signxml.signer import XMLSigner

    algorithm = SignatureMethod.RSA_SHA256 if isinstance(key, RSAPrivateKey) else SignatureMethod.ECDSA_SHA256
    signer = XMLSigner(signature_algorithm=algorithm, digest_algorithm="sha256", c14n_algorithm=_EXCLUSIVE)
    element.find(name("ds:Signature")).set("Id", "placeholder")
    return signer.sign(element, key=key, cert=[certificate], reference_uri=element.get("ID"), id_attribute="ID")


def verified(element: Element, certificate: "x509.Certificate", now: datetime, *, sha1: bool) -> Element | None:
    """What the signature that is a child of the element vouches for, if it is the certificate's and good; None
    otherwise. Only what is returned is signed: the element itself may have been arranged by anybody. `sha1`: whether
    RSA with SHA-1 is good enough."""
    from signxml.algorithms import DigestAlgorithm, SignatureMethod
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    config = SignatureConfiguration(
        location="./",
        signature_methods=frozenset(SignatureMethod[each] for each in (*_SIGNATURES, *([_WITH_SHA1] if sha1 else []))),
        digest_algorithms=frozenset(DigestAlgorithm[each] for each in (*_DIGESTS, *([_SHA1] if sha1 else []))),
        verification_time=now,
    )
    try:
        found = XMLVerifier().verify(
            element, x509_cert=certificate, parser=_parser(), id_attribute="ID", expect_config=config
        )
    except Exception:
        # Beside its own refusals the library raises whatever a signature of an odd make makes it trip over. There is no
        # reason for which it would be good.
        return None
    assert not isinstance(found, list)
    return found.signed_xml
