"""Assertions that a provider encrypts to the cloud: opened, whoever has encrypted them; and what gives nothing away."""

import base64
import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from lxml import etree

from stackyard.cli.identity_verbs import identity_verbs
from stackyard.rooms.identity.resources.saml.xml import SPACES, name
from stackyard.rooms.identity.store import KEY
from tests.rooms.identity.cloud import Admin, Cloud
from tests.rooms.identity.saml_browser import MAIL, Browser, connected
from tests.rooms.identity.saml_encryption import CBC, GCM, OAEP, XENC, XENC11, by_xmlsec1, data, put
from tests.rooms.identity.saml_provider import SamlIdp

_FORGET = sa.delete(KEY).where(KEY.c.use == "saml-encryption")
_COUNT = sa.select(sa.func.count()).where(KEY.c.use == "saml-encryption")
CLOSED = "no key of this cloud opens it"


@pytest.fixture(scope="module")
def beginning(certified: Path) -> Path:
    return certified


@pytest.fixture(scope="module")
def idp() -> SamlIdp:
    return SamlIdp()


@pytest.fixture
def browser(cloud: Cloud, do: Admin, idp: SamlIdp) -> Browser:
    return Browser(connected(cloud, do, idp))


def told(cloud: Cloud) -> tuple[x509.Certificate, list[str]]:
    """What the provider is to encrypt to, and by what, as the metadata tells."""
    document = etree.fromstring(identity_verbs(cloud.services)["identity-metadata"]("corp/saml2")["metadata"].encode())
    (key,) = (each for each in document.iter(name("md:KeyDescriptor")) if each.get("use") == "encryption")
    methods = [each.get("Algorithm") for each in key.iterfind(name("md:EncryptionMethod"))]
    text = key.findtext(f".//{name('ds:X509Certificate')}")
    return x509.load_der_x509_certificate(base64.b64decode(text)), methods


def said(browser: Browser, idp: SamlIdp, **more: Any) -> str:
    """The form by which the provider answers the browser, about Jane."""
    return idp.answer(browser.begin(), "jane", MAIL, **more)


def let_in(browser: Browser, idp: SamlIdp, **more: Any) -> None:
    answer = browser.back(said(browser, idp, **more))
    assert answer.status_code == 200, answer.text
    assert 'name="token"' in answer.text


@pytest.fixture
def certificate(browser: Browser) -> x509.Certificate:
    return told(browser.cloud)[0]


def rotate(cloud: Cloud, *, compromised: bool = False) -> None:
    verb = "identity-replace-keys" if compromised else "identity-rotate-keys"
    identity_verbs(cloud.services)[verb]("saml-encryption")


@pytest.mark.parametrize("signs", ["assertion", "response", "assertion and response"])
def test_what_xmlsec1_has_encrypted_is_opened(browser: Browser, idp: SamlIdp, signs: str) -> None:
    certificate, methods = told(browser.cloud)
    assert GCM in methods
    assert CBC not in methods
    for cipher in (each for each in methods if each.endswith("gcm")):
        form = said(browser, idp, signs=signs, encrypts=partial(by_xmlsec1, certificate=certificate, cipher=cipher))
        assert b"jane" not in base64.b64decode(parse_qs(form)["SAMLResponse"][0])
        answer = browser.back(form)
        assert answer.status_code == 200, answer.text
        assert 'name="token"' in answer.text


@pytest.mark.parametrize("size", [128, 192, 256])
def test_cbc_is_taken_within_a_signature_and_nowhere_else(
    browser: Browser, idp: SamlIdp, certificate: x509.Certificate, size: int
) -> None:
    encrypts = partial(by_xmlsec1, certificate=certificate, cipher=f"{XENC}aes{size}-cbc")
    let_in(browser, idp, signs="response", encrypts=encrypts)
    refused = browser.refused(said(browser, idp, encrypts=encrypts))
    assert "must be by AES-GCM, or in a signed response by AES-CBC" in refused


def digest(of: str) -> str:
    return f'<ds:DigestMethod xmlns:ds="{SPACES["ds"]}" Algorithm="{of}"/>'


@pytest.mark.parametrize(
    ("transport", "parts", "mask", "hashed", "label"),
    [
        (OAEP, digest(f"{XENC}sha256"), SHA1, SHA256, None),
        (f"{XENC11}rsa-oaep", "", SHA1, SHA1, None),
        (f"{XENC11}rsa-oaep", digest(f"{XENC}sha512")
         + f'<e:MGF xmlns:e="{XENC11}" Algorithm="{XENC11}mgf1sha256"/>', SHA256, SHA512, None),
        (OAEP, "<xenc:OAEPparams>bGFiZWw=</xenc:OAEPparams>", SHA1, SHA1, b"label"),
    ],
)  # fmt: skip
def test_every_form_of_oaep_is_read(
    browser: Browser, idp: SamlIdp, certificate: x509.Certificate, transport: str, parts: str, mask: Any, hashed: Any,
    label: bytes | None,
) -> None:  # fmt: skip
    pad = padding.OAEP(padding.MGF1(mask()), hashed(), label)
    encrypts = partial(put, certificate=certificate, transport=transport, parts=parts, pad=pad)
    let_in(browser, idp, encrypts=encrypts)


def beside(response: Any, certificate: x509.Certificate, *others: x509.Certificate) -> None:
    """The key stands beside the data, after those for other readers, which is the other place that it may have."""
    put(response, certificate)
    around = response.find(name("saml:EncryptedAssertion"))
    (key,) = around.iter(name("xenc:EncryptedKey"))
    for each in others:
        around.append(etree.fromstring(data(b"x", each)).find(f".//{name('xenc:EncryptedKey')}"))
    around.append(key)


def test_a_key_may_come_along_for_several_readers_but_not_for_many(
    browser: Browser, idp: SamlIdp, certificate: x509.Certificate
) -> None:
    encrypts = partial(beside, certificate=certificate)
    let_in(browser, idp, encrypts=encrypts)
    strange = [idp.certificate] * 3
    encrypts = lambda response: beside(response, certificate, *strange)  # noqa: E731
    let_in(browser, idp, encrypts=encrypts)
    strange = [idp.certificate] * 4
    assert "4 readers" in browser.refused(said(browser, idp, encrypts=encrypts))


def test_a_rotation_is_noticed_by_nobody_and_a_key_that_got_out_opens_nothing(
    browser: Browser, idp: SamlIdp, certificate: x509.Certificate
) -> None:
    rotate(browser.cloud)
    assert told(browser.cloud)[0] != certificate
    for each in (certificate, told(browser.cloud)[0]):
        encrypts = partial(put, certificate=each)
        let_in(browser, idp, encrypts=encrypts)
    rotate(browser.cloud, compromised=True)
    assert CLOSED in browser.refused(said(browser, idp, encrypts=partial(put, certificate=certificate)))
    encrypts = partial(put, certificate=told(browser.cloud)[0])
    let_in(browser, idp, encrypts=encrypts)


# -- what gives nothing away --


def _flip(at: int) -> Callable[[bytes], bytes]:
    return lambda sealed: sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


PKCS1 = {"transport": f"{XENC}rsa-1_5", "pad": padding.PKCS1v15()}


@pytest.mark.parametrize(
    ("signs", "how", "why"),
    [
        # One answer to all that depends on what is encrypted …
        ("assertion", {"twist": _flip(20)}, CLOSED),
        ("assertion", {"twist": _flip(0)}, CLOSED),
        ("assertion", {"twist": _flip(-1)}, CLOSED),
        ("assertion", {"twist": lambda sealed: sealed[:11]}, CLOSED),
        ("assertion", {"twist": lambda sealed: b""}, CLOSED),
        ("assertion", {"pad": padding.PKCS1v15()}, CLOSED),
        ("assertion", {"pad": padding.OAEP(padding.MGF1(SHA256()), SHA1(), None)}, CLOSED),
        ("assertion", {"text": b""}, CLOSED),
        ("assertion", {"text": b"jane"}, CLOSED),
        ("assertion", {"text": b"<a>"}, CLOSED),
        ("assertion", {"text": b"</fragment><fragment>"}, CLOSED),
        ("assertion", {"text": b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}, CLOSED),
        ("assertion", {"text": b"<Assertion ID='_1'/>"}, CLOSED),
        ("assertion", {"cipher": f"{XENC11}aes256-gcm"}, CLOSED),
        ("response", {"text": b"jane", "cipher": CBC}, CLOSED),
        ("response", {"twist": lambda sealed: sealed[:16], "cipher": CBC}, CLOSED),
        ("response", {"twist": lambda sealed: sealed[:15], "cipher": CBC}, CLOSED),
        ("response", {"twist": lambda sealed: sealed[:-1], "cipher": CBC}, CLOSED),
        ("response", {"twist": lambda sealed: b"", "cipher": CBC}, CLOSED),
        # … and to what anybody can see, what it is.
        ("assertion", PKCS1, "must be by RSA-OAEP"),
        ("response", PKCS1, "must be by RSA-OAEP"),
        ("assertion", {"cipher": CBC}, "in a signed response"),
        ("response", {"cipher": f"{XENC}tripledes-cbc"}, "encrypted by http://www.w3.org/2001/04/xmlenc#tripledes-cbc"),
        ("assertion", {"cipher": "none"}, "encrypted by none"),
        ("assertion", {"parts": digest("urn:md5")}, "the hash urn:md5"),
        ("assertion", {"parts": "<xenc:OAEPparams>!</xenc:OAEPparams>"}, "must be base64"),
    ],
)
def test_whatever_is_wrong_within_is_one_answer(
    browser: Browser, idp: SamlIdp, certificate: x509.Certificate, signs: str, how: dict[str, Any], why: str
) -> None:
    encrypts = partial(put, certificate=certificate, **how)
    assert why in browser.refused(said(browser, idp, signs=signs, encrypts=encrypts))


def test_who_encrypts_is_nobody_yet(browser: Browser, idp: SamlIdp, certificate: x509.Certificate) -> None:
    """Anybody can, and sign with a key of their own, or none, or wrap what is signed."""
    encrypts = partial(put, certificate=certificate)
    assert "no key that is trusted" in browser.refused(said(browser, SamlIdp(), encrypts=encrypts))

    def unsigned(response: Any) -> None:
        for each in list(response.iter(name("ds:Signature"))):
            each.getparent().remove(each)
        encrypts(response)

    assert "no key that is trusted" in browser.refused(idp.answer(browser.begin(), "admin", MAIL, encrypts=unsigned))


def _forged(response: Any) -> Any:
    made = copy.deepcopy(response.find(name("saml:Assertion")))
    for each in list(made.iter(name("ds:Signature"))):
        made.remove(each)
    made.find(f".//{name('saml:NameID')}").text = "admin"
    made.set("ID", "_forged")
    return made


def around_it(response: Any) -> bytes:
    """A forged assertion which has the true one in its advice."""
    forged, true = _forged(response), response.find(name("saml:Assertion"))
    advice = etree.SubElement(forged, name("saml:Advice"))
    forged.insert(1, copy.deepcopy(true.find(name("ds:Signature"))))
    advice.append(copy.deepcopy(true))
    return etree.tostring(forged)


def next_to_it(response: Any) -> bytes:
    return etree.tostring(_forged(response)) + etree.tostring(response.find(name("saml:Assertion")))


def within_its_signature(response: Any) -> bytes:
    """The true one as an object of a signature that stands in a forged one."""
    forged, true = _forged(response), copy.deepcopy(response.find(name("saml:Assertion")))
    signature = copy.deepcopy(true.find(name("ds:Signature")))
    etree.SubElement(signature, name("ds:Object")).append(true)
    forged.insert(1, signature)
    return etree.tostring(forged)


@pytest.mark.parametrize("wrap", [around_it, next_to_it, within_its_signature])
def test_wrapping_within_what_is_encrypted_gains_nothing(
    browser: Browser, idp: SamlIdp, certificate: x509.Certificate, wrap: Callable[[Any], bytes]
) -> None:
    def encrypts(response: Any) -> None:
        put(response, certificate, text=wrap(response))

    browser.refused(said(browser, idp, encrypts=encrypts))


def _both(response: Any, certificate: x509.Certificate) -> None:
    """One that is to be seen and one that is not."""
    kept = copy.deepcopy(response.find(name("saml:Assertion")))
    put(response, certificate)
    response.append(kept)


def _twice(response: Any, certificate: x509.Certificate) -> None:
    put(response, certificate)
    response.append(copy.deepcopy(response.find(name("saml:EncryptedAssertion"))))


@pytest.mark.parametrize("signs", ["assertion", "response"])
@pytest.mark.parametrize("encrypts", [_both, _twice])
def test_there_is_one_assertion_and_not_two(
    browser: Browser, idp: SamlIdp, certificate: x509.Certificate, signs: str, encrypts: Any
) -> None:
    how = partial(encrypts, certificate=certificate)
    assert "there are 2" in browser.refused(said(browser, idp, signs=signs, encrypts=how))


def test_what_a_signed_response_has_encrypted_is_not_exchanged_for_another(
    browser: Browser, idp: SamlIdp, certificate: x509.Certificate
) -> None:
    """Everybody can encrypt an assertion of their own, and put it in the place of the one that was signed."""

    def forge(response: Any) -> None:
        made = etree.fromstring(base64.b64decode(parse_qs(idp.answer(asked, "admin", MAIL))["SAMLResponse"][0]))
        put(made, certificate)
        response.replace(response.find(name("saml:EncryptedAssertion")), made.find(name("saml:EncryptedAssertion")))

    asked = browser.begin()
    encrypts = partial(put, certificate=certificate)
    form = idp.answer(asked, "jane", MAIL, signs="response", encrypts=encrypts, change=forge)
    assert "no key that is trusted" in browser.refused(form)


def test_without_keys_nothing_is_made_because_a_stranger_brings_something(
    browser: Browser, idp: SamlIdp, certificate: x509.Certificate
) -> None:
    with browser.cloud.database.write() as tx:
        tx.execute(_FORGET)
    encrypts = partial(put, certificate=certificate)
    assert CLOSED in browser.refused(said(browser, idp, encrypts=encrypts))
    with browser.cloud.database.read() as tx:
        assert tx.execute(_COUNT).scalar_one() == 0
