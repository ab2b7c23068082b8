"""An identity provider that speaks SAML to browsers, as tests need one: it reads what it is asked and signs answers."""

import base64
import uuid
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

SSO = "https://idp.test/sso?realm=cloud"
ENTITY = "https://idp.test/saml"
_NAMES = {"p": "urn:oasis:names:tc:SAML:2.0:protocol", "a": "urn:oasis:names:tc:SAML:2.0:assertion"}
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"

_ASSERTION = """<a:Assertion xmlns:a="{a}" ID="_{id}" Version="2.0" IssueInstant="{now}"><a:Issuer>{entity}</a:Issuer>
<a:Subject><a:NameID>{who}</a:NameID><a:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
<a:SubjectConfirmationData InResponseTo="{question}" NotOnOrAfter="{until}" Recipient="{to}"/></a:SubjectConfirmation>
</a:Subject><a:Conditions NotBefore="{now}" NotOnOrAfter="{until}"><a:AudienceRestriction>
<a:Audience>{audience}</a:Audience></a:AudienceRestriction></a:Conditions><a:AuthnStatement AuthnInstant="{now}">
<a:AuthnContext><a:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</a:AuthnContextClassRef>
</a:AuthnContext></a:AuthnStatement><a:AttributeStatement>{said}</a:AttributeStatement></a:Assertion>"""
_RESPONSE = """<p:Response xmlns:p="{p}" xmlns:a="{a}" ID="_{id}" Version="2.0" IssueInstant="{now}" Destination="{to}"
InResponseTo="{question}"><a:Issuer>{entity}</a:Issuer><p:Status>
<p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></p:Status></p:Response>"""


class Question:
    """What a provider is asked, however it came."""

    state = ""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.id = document.get("ID")
        self.answer_to = document.get("AssertionConsumerServiceURL")
        self.by = document.findtext("a:Issuer", namespaces=_NAMES)


class Asked(Question):
    """A request, as it came in an address."""

    def __init__(self, url: str) -> None:
        self.query = urlsplit(url).query
        query = parse_qs(self.query)
        self.state = query["RelayState"][0]
        self.realm = query["realm"][0]
        self.raw = zlib.decompress(base64.b64decode(query["SAMLRequest"][0]), -zlib.MAX_WBITS)
        super().__init__(etree.fromstring(self.raw))


    @property
    def algorithm(self) -> str:
        """By what kind of signature it is signed."""
        return parse_qs(self.query)["SigAlg"][0]

    def signed(self) -> tuple[bytes, bytes]:
        """The signature, and what it is of: three parts of the address as they stand there."""
        parts = dict(each.split("=", 1) for each in self.query.split("&"))
        of = "&".join(f"{each}={parts[each]}" for each in ("SAMLRequest", "RelayState", "SigAlg"))
        return base64.b64decode(unquote(parts["Signature"])), of.encode()


class _Sha1Signer(XMLSigner):
    """The library signs so no more unless it is told."""

    def check_deprecated_methods(self) -> None:
        """Let it pass."""


class SamlIdp:
    """The provider, with a key of its own."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        called, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")]), datetime.now(UTC)
        made = x509.CertificateBuilder(called, called, self._key.public_key(), x509.random_serial_number())
        ends = now + timedelta(days=1)
        self.certificate = (
            made.not_valid_before(now - timedelta(days=1)).not_valid_after(ends).sign(self._key, SHA256())
        )

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def answer(self, asked: Question, who: str, said: Mapping[str, str] = {}, **how: Any) -> str:
        """The form that the browser posts. `how`: see `response`."""
        answer = base64.b64encode(etree.tostring(self.response(asked, who, said, **how))).decode()
        return urlencode({"SAMLResponse": answer, "RelayState": asked.state})

    def response(
        self,
        asked: Question,
        who: str,
        said: Mapping[str, str] = {},
        *,
        signs: str = "assertion",
        encrypts: Callable[[Any], None] = lambda response: None,
        sha1: bool = False,
        unasked: bool = False,
        change: Callable[[Any], None] = lambda document: None,
        **other: str,
    ) -> Any:
        """The response about that person, of whom this is said by attribute. `signs`: the assertion or the response, or
        both. `encrypts`: the assertion, in a response. `sha1`: whether it is signed by that. `unasked`: whether it
        answers nothing. `change`: what is done to the response afterwards. `other`: what it says otherwise."""
        now = datetime.now(UTC)
        attributes = "".join(
            f'<a:Attribute Name="{name}"><a:AttributeValue>{value}</a:AttributeValue></a:Attribute>'
            for name, value in said.items()
        )
        values = {
            **_NAMES, "id": uuid.uuid4().hex, "now": _instant(now), "until": _instant(now + timedelta(minutes=5)),
            "entity": ENTITY, "who": who, "question": asked.id, "to": asked.answer_to, "audience": asked.by,
            "said": attributes, **other,
        }  # fmt: skip
        assertion = etree.fromstring(_ASSERTION.format(**values))
        response = etree.fromstring(_RESPONSE.format(**{**values, "id": uuid.uuid4().hex}))
        if unasked:
            del next(assertion.iter("{*}SubjectConfirmationData")).attrib["InResponseTo"]
        response.append(self._signed(assertion, sha1) if "assertion" in signs else assertion)
        encrypts(response)
        if "response" in signs:
            response = self._signed(response, sha1)
        change(response)
        return response

    def _signed(self, element: Any, sha1: bool) -> Any:
        signer = (_Sha1Signer if sha1 else XMLSigner)(
            signature_algorithm=SignatureMethod.RSA_SHA1 if sha1 else SignatureMethod.RSA_SHA256,
            digest_algorithm=DigestAlgorithm.SHA1 if sha1 else DigestAlgorithm.SHA256,
            c14n_algorithm=_EXCLUSIVE,  # type: ignore[arg-type]
        )
        return signer.sign(
            element, key=self._key, cert=[self.certificate], reference_uri=element.get("ID"), id_attribute="ID"
        )


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
