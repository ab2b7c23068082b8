"""Browsers log in at a provider that speaks SAML: it is asked, and its answer is taken once, where it was asked."""

import base64
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree

from stackyard.cli.identity_verbs import identity_verbs
from stackyard.kernel.errors import BadRequest
from stackyard.rooms.identity.resources.saml.xml import name
from tests.rooms.identity.cloud import Admin, Cloud
from tests.rooms.identity.conftest import MovableClock
from tests.rooms.identity.federation import PROVIDERS, call
from tests.rooms.identity.saml_browser import DASHBOARD, HERE, MAIL, WEBSSO, Browser, connect, connected
from tests.rooms.identity.saml_provider import SSO, SamlIdp

NO_ANSWER = "answers no question that was asked here"


@pytest.fixture(scope="module")
def beginning(certified: Path) -> Path:
    return certified


@pytest.fixture(scope="module")
def idp() -> SamlIdp:
    return SamlIdp()


@pytest.fixture
def corp(cloud: Cloud, do: Admin, idp: SamlIdp) -> Cloud:
    return connected(cloud, do, idp)


@pytest.fixture
def browser(corp: Cloud) -> Browser:
    return Browser(corp)


@pytest.mark.parametrize("signs", ["assertion", "response"])
def test_a_browser_comes_to_the_dashboard_with_a_token(browser: Browser, do: Admin, idp: SamlIdp, signs: str) -> None:
    asked = browser.begin()
    assert (asked.by, asked.realm) == (HERE, "cloud")
    assert asked.answer_to == f"http://cloud.test/identity{WEBSSO}"
    assert asked.document.get("Destination") == SSO
    assert asked.document.get("ProtocolBinding") == "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
    assert len(asked.state) <= 80, "more than SAML lets a state have"
    answer = browser.back(idp.answer(asked, "jane", MAIL, signs=signs))
    assert answer.status_code == 200, answer.text
    assert f'action="{DASHBOARD}"' in answer.text
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    token = answer.text.split('name="token" value="')[1].split('"')[0]
    shown = do.cloud.ask("GET", "/v3/auth/tokens", token=do.token, X_Subject_Token=token).json["token"]
    assert (shown["user"]["name"], shown["methods"]) == ("jane", ["mapped"])
    assert shown["user"]["OS-FEDERATION"]["identity_provider"] == {"id": "corp"}
    assert do.do("GET", f"/v3/users/{shown['user']['id']}").json["user"]["email"] == "jane@corp.test"


def test_the_way_by_the_protocol_alone_leads_there_too(browser: Browser, idp: SamlIdp) -> None:
    asked = browser.begin("/v3/auth/OS-FEDERATION/websso/saml2")
    assert browser.back(idp.answer(asked, "jane", MAIL)).status_code == 200


def test_an_answer_is_good_once(browser: Browser, idp: SamlIdp) -> None:
    form = idp.answer(browser.begin(), "jane", MAIL)
    assert browser.back(form).status_code == 200
    assert "ended already" in browser.refused(form)
    again = browser.begin()
    said = parse_qs(form)["SAMLResponse"][0]
    assert NO_ANSWER in browser.refused(urlencode({"SAMLResponse": said, "RelayState": again.state}))


def test_nobody_is_logged_in_by_an_answer_to_somebody_else(browser: Browser, idp: SamlIdp) -> None:
    """A page that posts its own account's answer into another's browser."""
    attacker = Browser(browser.cloud)
    form = idp.answer(attacker.begin(), "mallory", MAIL)
    browser.begin()
    assert "not begun by this browser" in browser.refused(form)
    browser.cookie = ""
    assert "not begun by this browser" in browser.refused(form)


def test_a_login_has_ten_minutes(browser: Browser, idp: SamlIdp, clock: MovableClock) -> None:
    form = idp.answer(browser.begin(), "jane", MAIL)
    clock.ahead += timedelta(minutes=11)
    assert "too long" in browser.refused(form)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"question": "_another"}, NO_ANSWER),
        ({"audience": "https://other.test"}, "for the audience https://other.test"),
        ({"to": HERE}, f"for {HERE}, not for"),
        ({"entity": "https://evil.test"}, "issued by https://evil.test"),
        ({"until": "2020-01-01T00:00:00Z"}, "expired"),
        ({"now": "2100-01-01T00:00:00Z"}, "not good yet"),
    ],
)
def test_an_answer_for_another_place_time_or_question_is_refused(
    browser: Browser, idp: SamlIdp, other: dict[str, str], why: str
) -> None:
    assert why in browser.refused(idp.answer(browser.begin(), "jane", MAIL, **other))


def _rename(document: Any) -> None:
    next(document.iter("{*}NameID")).text = "admin"


def _unsign(document: Any) -> None:
    for each in list(document.iter("{*}Signature")):
        each.getparent().remove(each)


def _wrap(document: Any) -> None:
    """Another assertion beside the one that is signed."""
    forged = etree.fromstring(etree.tostring(next(document.iter("{*}Assertion"))))
    _unsign(forged)
    _rename(forged)
    document.insert(0, forged)


def _hide(document: Any) -> None:
    """The signed one as an object within the signature of a forged one."""
    true = next(document.iter("{*}Assertion"))
    forged = etree.fromstring(etree.tostring(true))
    _rename(forged)
    forged.set("ID", "_forged")
    next(forged.iter("{*}Signature")).append(true)
    document.append(forged)


def _unbound(document: Any) -> None:
    for each in list(document.iter("{*}AudienceRestriction")):
        each.getparent().remove(each)


@pytest.mark.parametrize(
    ("signs", "change"),
    [*itertools.product(("assertion", "response"), (_rename, _unsign, _wrap, _unbound)), ("assertion", _hide)],
)
def test_what_was_changed_on_the_way_is_refused(
    browser: Browser, idp: SamlIdp, signs: str, change: Callable[[Any], None]
) -> None:
    browser.refused(idp.answer(browser.begin(), "jane", MAIL, signs=signs, change=change))


def test_what_answers_nothing_logs_no_browser_in(browser: Browser, idp: SamlIdp) -> None:
    form = idp.answer(browser.begin(), "jane", MAIL, signs="response", unasked=True)
    assert NO_ANSWER in browser.refused(form)


def test_a_key_that_the_operator_does_not_name_signs_for_nobody(browser: Browser) -> None:
    assert "no key that is trusted" in browser.refused(SamlIdp().answer(browser.begin(), "jane", MAIL))


@pytest.mark.parametrize(
    "form", ["", "SAMLResponse=%21", "SAMLResponse=YQ%3D%3D", "SAMLResponse=a&RelayState=x", "%ff=a"]
)
def test_what_is_no_answer_is_refused_in_words(browser: Browser, form: str) -> None:
    asked = browser.begin()
    answer = browser.back(f"{form}&RelayState={asked.state}")
    assert answer.status_code in (400, 401), answer.text


def test_an_answer_to_a_browser_is_none_for_a_program_and_the_other_way_round(browser: Browser, idp: SamlIdp) -> None:
    asked = browser.begin()
    form = idp.answer(asked, "jane", MAIL, to=HERE)
    said = base64.b64decode(parse_qs(form)["SAMLResponse"][0])
    refused = browser.cloud.ask("POST", f"{PROVIDERS}/corp/protocols/saml2/auth", said, Content_Type="text/xml")
    assert refused.status_code == 401
    assert NO_ANSWER in refused.text


def test_the_cookie_comes_back_with_the_providers_form(browser: Browser) -> None:
    answer = browser.cloud.ask("GET", f"{WEBSSO}?origin={DASHBOARD}")
    assert "SameSite" not in answer.headers["Set-Cookie"], "over HTTP no browser takes None"
    browser.cloud.settings.public_url = "https://cloud.test"
    answer = browser.cloud.ask("GET", f"{WEBSSO}?origin={DASHBOARD}")
    assert "HttpOnly; SameSite=None; Secure" in answer.headers["Set-Cookie"]


def test_over_https_no_other_host_can_lay_the_cookie_of_a_login(browser: Browser, idp: SamlIdp) -> None:
    browser.cloud.settings.public_url = "https://cloud.test"
    asked = browser.begin()
    assert browser.cookie.startswith("__Host-stackyard-websso-")
    form, kept = idp.answer(asked, "jane", MAIL), browser.cookie
    browser.cookie = kept.removeprefix("__Host-")
    assert "not begun by this browser" in browser.refused(form)
    browser.cookie = kept
    assert browser.back(form).status_code == 200


@pytest.mark.parametrize("other", ['seen={"a":1}', "k@ey=1", "bare", 'x="open', "=x", "a=1,b=2", "\xe9=1"])
def test_a_cookie_of_somebody_else_is_no_hindrance(browser: Browser, idp: SamlIdp, other: str) -> None:
    form = idp.answer(browser.begin(), "jane", MAIL)
    browser.cookie = f"{other}; {browser.cookie}; {other}"
    assert browser.back(form).status_code == 200


def test_a_dashboard_must_be_named_and_trusted(corp: Cloud) -> None:
    assert corp.ask("GET", WEBSSO).status_code == 400
    assert corp.ask("GET", f"{WEBSSO}?origin=https://evil.test/").status_code == 403


def test_without_an_address_for_browsers_a_provider_is_for_programs(corp: Cloud, idp: SamlIdp) -> None:
    connect(corp, idp, sso_endpoint="")
    answer = corp.ask("GET", f"{WEBSSO}?origin={DASHBOARD}")
    assert answer.status_code == 404
    assert "sso_endpoint" in answer.text


def test_a_provider_may_know_the_cloud_by_another_name(browser: Browser, idp: SamlIdp) -> None:
    connect(browser.cloud, idp, audience="urn:cloud")
    asked = browser.begin()
    assert asked.by == "urn:cloud"
    assert browser.back(idp.answer(asked, "jane", MAIL)).status_code == 200
    assert "not for urn:cloud" in browser.refused(idp.answer(browser.begin(), "jane", MAIL, audience=HERE))


def test_a_request_takes_the_query_that_the_address_has_along(browser: Browser, corp: Cloud) -> None:
    answer = corp.ask("GET", f"{WEBSSO}?origin={DASHBOARD}")
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert sorted(query) == ["RelayState", "SAMLRequest", "SigAlg", "Signature", "realm"]


def test_a_disabled_provider_takes_nobody(browser: Browser, do: Admin, idp: SamlIdp) -> None:
    form = idp.answer(browser.begin(), "jane", MAIL)
    call(do, 200, "PATCH", f"{PROVIDERS}/corp", {"identity_provider": {"enabled": False}})
    assert browser.back(form).status_code == 403


def test_the_operators_command_prints_what_a_provider_is_asked_with(browser: Browser) -> None:
    asked = browser.begin()
    tell = identity_verbs(browser.cloud.services)["identity-metadata"]
    told = etree.fromstring(tell("corp/saml2")["metadata"].encode())
    browsers, programs = told.iter(name("md:AssertionConsumerService"))
    assert (told.get("entityID"), browsers.get("Location")) == (asked.by, asked.answer_to)
    assert browsers.get("Binding") == asked.document.get("ProtocolBinding")
    assert (programs.get("Binding"), programs.get("Location")) == ("urn:oasis:names:tc:SAML:2.0:bindings:PAOS", HERE)
    parts = [(etree.QName(each).localname, each.get("use")) for each in told[0]]
    # In the order of the schema; the second certificate for signatures is that of after the next rotation.
    assert parts == [("KeyDescriptor", "signing")] * 2 + [("KeyDescriptor", "encryption"),
                                                          *[("AssertionConsumerService", None)] * 2]  # fmt: skip
    for way in ("corp/openid", "corp", "", "saml2/corp"):
        with pytest.raises(BadRequest, match="there are: corp/saml2"):
            tell(way)


def told_keys(cloud: Cloud, use: str) -> list[x509.Certificate]:
    """The certificates of that use in what the operator's command prints."""
    told = etree.fromstring(identity_verbs(cloud.services)["identity-metadata"]("corp/saml2")["metadata"].encode())
    (role,) = told
    assert role.get("AuthnRequestsSigned") == "true"
    found = [each for each in role.iterfind(name("md:KeyDescriptor")) if each.get("use") == use]
    texts = [each.findtext(f".//{name('ds:X509Certificate')}") for each in found]
    return [x509.load_der_x509_certificate(base64.b64decode(each)) for each in texts]


def test_a_request_is_signed_with_the_key_that_the_metadata_tells(browser: Browser) -> None:
    now, later = told_keys(browser.cloud, "signing")
    asked = browser.begin()
    signature, of = asked.signed()
    assert asked.algorithm == "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    assert asked.document.find(f".//{name('ds:Signature')}") is None
    public(now).verify(signature, of, PKCS1v15(), SHA256())
    with pytest.raises(InvalidSignature):
        public(now).verify(signature, of.replace(b"RelayState=", b"RelayState=x"), PKCS1v15(), SHA256())
    identity_verbs(browser.cloud.services)["identity-rotate-keys"]("saml")
    public(later).verify(*browser.begin().signed(), PKCS1v15(), SHA256())


def public(certificate: x509.Certificate) -> Any:
    return certificate.public_key()


def test_a_request_is_signed_with_the_operators_key_of_an_elliptic_curve(
    browser: Browser, idp: SamlIdp, tmp_path: Path
) -> None:
    key, both = ec.generate_private_key(ec.SECP384R1()), tmp_path / "both.pem"
    called, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloud")]), datetime.now(UTC)
    made = x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number())
    signed = made.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(private + signed.public_bytes(Encoding.PEM))
    path = browser.cloud.settings.state_dir / "federation.yaml"
    files = {"key_file": str(both), "certificate_file": str(both)}
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "saml": files}))
    asked = browser.begin()
    signature, of = asked.signed()
    assert asked.algorithm == "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
    first, second = (int.from_bytes(each) for each in (signature[:48], signature[48:]))
    (known,) = told_keys(browser.cloud, "signing")
    public(known).verify(encode_dss_signature(first, second), of, ec.ECDSA(SHA256()))


def test_sha1_counts_where_the_operator_says_so_and_nowhere_else(browser: Browser, idp: SamlIdp) -> None:
    for signs in ("assertion", "response"):
        connect(browser.cloud, idp)
        answer = idp.answer(browser.begin(), "jane", MAIL, signs=signs, sha1=True)
        assert "no key that is trusted" in browser.refused(answer)
        connect(browser.cloud, idp, accept_sha1=True)
        assert browser.back(idp.answer(browser.begin(), "jane", MAIL, signs=signs, sha1=True)).status_code == 200
        assert browser.back(idp.answer(browser.begin(), "jane", MAIL, signs=signs)).status_code == 200
        forged = idp.answer(browser.begin(), "jane", MAIL, signs=signs, sha1=True, change=_rename)
        assert "no key that is trusted" in browser.refused(forged)
