"""Assertions of others, judged. Sources: SAML 2.0 Core, sections 2 and 5; SAML 2.0 Profiles, 4.1.4.3 and 4.2.

An assertion counts when a key that the operator has named has signed it, and it says that it is by that provider, for
this address and for now, to whoever bears it; and once. Nothing but what the signature covers is read, and what is
encrypted is opened after a signature around it, if there is one, has been checked. Why one is refused is told: its
bearer can read it too.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.errors import Unauthorized
from stackyard.rooms.identity.resources.mapping.engine import Assertion
from stackyard.rooms.identity.resources.saml.assertions import BEARER, SUCCESS
from stackyard.rooms.identity.resources.saml.encryption import Unlocking, opened
from stackyard.rooms.identity.resources.saml.sections import SamlProvider
from stackyard.rooms.identity.resources.saml.xml import Element, name, parsed, verified

_TEXT = Text(max=None)


@dataclass(frozen=True)
class Here:
    """Where an assertion is brought to: an address, what the provider calls this cloud, and whether it waits for an
    answer to the request of an id (None: for one that comes unasked)."""

    address: str
    known_as: str
    waits_for: Callable[[str | None], bool]


@dataclass(frozen=True)
class Judged:
    """What a good assertion says, by attribute. `mark`: what it is known again by, until `expires` (seconds since
    1970), when it is good no more."""

    attributes: Assertion
    mark: str
    expires: int


def judged(raw: bytes, provider: SamlProvider, here: Here, unlock: Unlocking, now: datetime) -> Judged:
    """The assertion in a document: a SOAP envelope, a response, or itself. `unlock`: finds the keys for one that is
    encrypted. Raises Unauthorized."""
    try:
        found = _signed(parsed(raw), provider, unlock, now)
        _check_issuer(found, provider)
        until = _check_bearer(found, provider, here, now)
        _check_conditions(found, provider, here, now)
        attributes = _attributes(found, provider)
    except ValueError as error:
        raise Unauthorized(
            f"The assertion was refused: {error}.", remedy="Get a new one from the identity provider."
        ) from error
    mark = hashlib.sha256(f"saml {provider.entity_id} {found.get('ID')}".encode()).hexdigest()
    return Judged(attributes, mark, int(until.timestamp()) + provider.leeway + 1)


def _signed(document: Element, provider: SamlProvider, unlock: Unlocking, now: datetime) -> Element:
    """The one assertion, as signed."""
    for status in document.iter(name("samlp:Status")):
        if _child(status, "samlp:StatusCode").get("Value") != SUCCESS:
            raise ValueError("the response tells of a failure")
    open_ones, sealed = (list(document.iter(name(f"saml:{each}Assertion"))) for each in ("", "Encrypted"))
    if len(open_ones) + len(sealed) != 1:
        raise ValueError(f"there must be one assertion, and there are {len(open_ones) + len(sealed)}")
    if sealed:
        return _opened(document, sealed[0], provider, unlock, now)
    own = len(open_ones[0].findall(f".//{name('ds:Signature')}")) == 1
    return _only_assertion(_verified(open_ones[0] if own else _signed_response(document), provider, now))


def _opened(document: Element, sealed: Element, provider: SamlProvider, unlock: Unlocking, now: datetime) -> Element:
    """The assertion of which only what it was encrypted to is to be seen. If the document has a signature, it counts;
    else the one within."""
    if document.find(f".//{name('ds:Signature')}") is None:
        within = _only_assertion(opened(sealed, unlock, checked=False))
        return _only_assertion(_verified(within, provider, now))
    checked = list(_verified(_signed_response(document), provider, now).iter(sealed.tag))
    if len(checked) != 1:
        raise ValueError("the signed response must have one encrypted assertion")
    return _only_assertion(opened(checked[0], unlock, checked=True))


def _verified(element: Element, provider: SamlProvider, now: datetime) -> Element:
    """What a key of the provider's has signed of the element, which is all of it."""
    for certificate in provider.trusted():
        found = verified(element, certificate, now, sha1=provider.accept_sha1)
        if found is not None and found.tag == element.tag:
            return found
    raise ValueError("no key that is trusted for its provider has signed it, or it was changed since")


def _signed_response(document: Element) -> Element:
    """The response, which must have the only signature."""
    response = document if document.tag == name("samlp:Response") else document.find(f".//{name('samlp:Response')}")
    if response is None or [each.getparent() for each in document.iter(name("ds:Signature"))] != [response]:
        raise ValueError("the assertion must have one signature, its own or that of the response it is in")
    return response


def _only_assertion(element: Element) -> Element:
    """The assertion in what a signature covers, or that it is."""
    found = list(element.iter(name("saml:Assertion")))
    if len(found) != 1 or not found[0].get("ID"):
        raise ValueError("it must hold one assertion, which has an ID")
    return found[0]


def _check_issuer(assertion: Element, provider: SamlProvider) -> None:
    if assertion.get("Version") != "2.0":
        raise ValueError("it is not of SAML 2.0")
    if (issuer := _text(_child(assertion, "saml:Issuer"))) != provider.entity_id:
        raise ValueError(f"it was issued by {issuer}, not by {provider.entity_id}")


def _check_bearer(assertion: Element, provider: SamlProvider, here: Here, now: datetime) -> datetime:
    """Until when who bears it is whom it tells of."""
    why = "it does not say that it is for its bearer"
    for each in _child(assertion, "saml:Subject").findall(name("saml:SubjectConfirmation")):
        data = each.find(name("saml:SubjectConfirmationData"))
        if each.get("Method") != BEARER or data is None:
            continue
        if data.get("Recipient") != here.address:
            why = f"it is for {data.get('Recipient')}, not for {here.address}"
        elif not here.waits_for(data.get("InResponseTo")):
            why = "it answers no question that was asked here, or not in time"
        elif (until := _moment(data, "NotOnOrAfter")) is None:
            why = "it does not say until when it is good"
        else:
            _check_times(data, provider, now)
            return until
    raise ValueError(why)


def _check_conditions(assertion: Element, provider: SamlProvider, here: Here, now: datetime) -> None:
    answers = any(each.get("InResponseTo") for each in assertion.iter(name("saml:SubjectConfirmationData")))
    if answers and assertion.find(f"{name('saml:Conditions')}/{name('saml:AudienceRestriction')}") is None:
        raise ValueError("it does not say for what audience it is")
    for conditions in assertion.findall(name("saml:Conditions")):
        _check_times(conditions, provider, now)
        for each in conditions:
            if each.tag == name("saml:AudienceRestriction"):
                _check_audience(each, here.known_as)
            elif each.tag not in (name("saml:OneTimeUse"), name("saml:ProxyRestriction")):
                raise ValueError("it has a condition that is not known here")


def _check_audience(restriction: Element, wanted: str) -> None:
    named = [_text(each) for each in restriction.findall(name("saml:Audience"))]
    if wanted not in named:
        raise ValueError(f"it is for the audience {', '.join(named) or 'nobody'}, not for {wanted}")


def _check_times(element: Element, provider: SamlProvider, now: datetime) -> None:
    # Of the moments in it some may be so far off that nothing can be added to them.
    leeway = timedelta(seconds=provider.leeway)
    begins, ends = _moment(element, "NotBefore"), _moment(element, "NotOnOrAfter")
    if begins is not None and begins > now + leeway:
        raise ValueError("it is not good yet")
    if ends is not None and ends <= now - leeway:
        raise ValueError("it has expired")


def _moment(element: Element, attribute: str) -> datetime | None:
    text = element.get(attribute)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"its {attribute} is no moment") from None


def _attributes(assertion: Element, provider: SamlProvider) -> Assertion:
    """What it says of the person. The last two names are those by which Apache's mod_shib tells of provider and name;
    an attribute cannot take their places."""
    found: dict[str, list[str]] = {}
    for each in assertion.iterfind(f"{name('saml:AttributeStatement')}/{name('saml:Attribute')}"):
        values = [_TEXT.parse(value, each.get("Name", ""), True) for value in _values(each)]
        found.setdefault(each.get("Name", ""), []).extend(values)
    named = _child(_child(assertion, "saml:Subject"), "saml:NameID")
    return {**found, "Shib-Identity-Provider": [provider.entity_id], "REMOTE_USER": [_text(named)]}


def _values(attribute: Element) -> Iterator[str]:
    for each in attribute.findall(name("saml:AttributeValue")):
        if text := _text(each):
            yield text


def _child(element: Element, tag: str) -> Element:
    found = element.findall(name(tag))
    if len(found) != 1:
        raise ValueError(f"it must have one {tag.partition(':')[2]}")
    return found[0]


def _text(element: Element) -> str:
    if len(element):
        raise ValueError("it has elements where there must be text")
    return (element.text or "").strip()
