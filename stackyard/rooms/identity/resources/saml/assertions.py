"""Assertions about people of this cloud, for another one. Sources: SAML 2.0 Core; Identity API v3, OS-FEDERATION,
"Generate a SAML assertion", whose attributes Keystone's mappings name.

An assertion is for one address (Recipient), for a short time, and to be taken once. It names no audience, because what
a service provider calls itself is not known here: only where it takes assertions.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stackyard.rooms.identity.resources.saml.sections import Issuer
from stackyard.rooms.identity.resources.saml.vouching import Signer
from stackyard.rooms.identity.resources.saml.xml import NEXT_ACTOR, Element, made, signed

ENTITY = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
_PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
_UNSPECIFIED = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who it is, how and when they proved it, and what is said of them: values by attribute."""

    name: str
    by_password: bool
    since: datetime
    attributes: Mapping[str, Sequence[str]]


def response(issuer: Issuer, signer: Signer, subject: Subject, recipient: str, now: datetime) -> Element:
    """A response with the signed assertion, for the address `recipient`."""
    named = {"Version": "2.0", "IssueInstant": instant(now)}
    assertion = made("saml:Assertion", _statements(issuer, subject, recipient, now), {"ID": _id(), **named})
    content = [
        _issuer(issuer),
        made("samlp:Status", [made("samlp:StatusCode", attributes={"Value": SUCCESS})]),
        signed(assertion, signer.key, signer.certificates[0]),
    ]
    return made("samlp:Response", content, {"ID": _id(), **named, "Destination": recipient})


def _statements(issuer: Issuer, subject: Subject, recipient: str, now: datetime) -> Iterator[Element]:
    until = instant(now + timedelta(seconds=issuer.assertion_lifetime))
    yield _issuer(issuer)
    yield made("ds:Signature")
    told = made("saml:SubjectConfirmationData", attributes={"NotOnOrAfter": until, "Recipient": recipient})
    yield made(
        "saml:Subject",
        [made("saml:NameID", subject.name), made("saml:SubjectConfirmation", [told], {"Method": BEARER})],
    )
    yield made("saml:Conditions", [made("saml:OneTimeUse")], {"NotBefore": instant(now), "NotOnOrAfter": until})
    context = [
        made("saml:AuthnContextClassRef", _PASSWORD if subject.by_password else _UNSPECIFIED),
        made("saml:AuthenticatingAuthority", issuer.entity_id),
    ]
    proved = {"AuthnInstant": instant(subject.since), "SessionIndex": _id(), "SessionNotOnOrAfter": until}
    yield made("saml:AuthnStatement", [made("saml:AuthnContext", context)], proved)
    yield made("saml:AttributeStatement", [_attribute(*each) for each in subject.attributes.items() if each[1]])


def _attribute(called: str, values: Sequence[str]) -> Element:
    return made("saml:Attribute", [made("saml:AttributeValue", each) for each in values], {"Name": called})


def _issuer(issuer: Issuer) -> Element:
    return made("saml:Issuer", issuer.entity_id, {"Format": ENTITY})


def enveloped(answer: Element, relay_state: str) -> Element:
    """The response as an enhanced client (ECP) posts it."""
    flags = {"soap:mustUnderstand": "1", "soap:actor": NEXT_ACTOR}
    state = made("ecp:RelayState", f"{relay_state}{uuid.uuid4().hex}", flags)
    return made("soap:Envelope", [made("soap:Header", [state]), made("soap:Body", [answer])])


def instant(moment: datetime) -> str:
    """A moment as SAML writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _id() -> str:
    """XML's ids begin with a letter or an underscore."""
    return f"_{uuid.uuid4().hex}"
