"""People of one cloud, west, go on to another, east, with a SAML assertion; and what east must not take."""

import base64
import copy
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.signer import XMLSigner

from stackyard.cli.identity_verbs import identity_verbs
from stackyard.rooms.identity import rotation
from stackyard.rooms.identity.resources.saml.sections import Issuer
from stackyard.rooms.identity.resources.saml.vouching import signer_of
from stackyard.rooms.identity.resources.saml.xml import SPACES, made, name, signed
from tests.databases import copied_state
from tests.rooms.identity.cloud import Admin, Cloud, project_scope
from tests.rooms.identity.conftest import MovableClock
from tests.rooms.identity.federation import PROVIDERS, call, mapping, protocol, provider
from tests.rooms.identity.saml_encryption import put

SAML2 = "/v3/auth/OS-FEDERATION/saml2"
METADATA = "/v3/OS-FEDERATION/saml2/metadata"
WEST = "http://cloud.test/identity/v3/OS-FEDERATION/saml2/idp"
AUTH = f"{PROVIDERS}/west/protocols/saml2/auth"
EAST = f"http://east.test/identity{AUTH}"
RULES = [
    {
        "local": [
            {"user": {"name": "{0}@{1}"}, "groups": "{2}"},
            {"projects": [{"name": "{3} of west", "roles": [{"name": "member"}]}]},
        ],
        "remote": [
            {"type": "openstack_user"},
            {"type": "openstack_user_domain"},
            {"type": "openstack_groups"},
            {"type": "openstack_project"},
            {"type": "openstack_roles", "any_one_of": ["member"]},
        ],
    }
]
PAOS = {"Content_Type": "application/vnd.paos+xml"}


@dataclass
class Clouds:
    west: Cloud
    east: Cloud
    clock: MovableClock
    do: Admin
    there: Admin

    def ask(self, path: str = SAML2, token: str | None = None, **provider: str) -> Any:
        """West, for an assertion about the token's user."""
        identity = {"methods": ["token"], "token": {"id": token or self.west.token("demo", project_scope("demo"))}}
        scope = {"service_provider": {"id": "east", **provider}}
        return self.west.ask("POST", path, {"auth": {"identity": identity, "scope": scope}})

    def got(self, path: str = SAML2) -> bytes:
        answer = self.ask(path)
        assert answer.status_code == 200, answer.text
        return bytes(answer.content)

    def bring(self, assertion: bytes) -> Any:
        """To east."""
        return self.east.ask("POST", AUTH, assertion, **PAOS)

    def refused(self, assertion: bytes) -> str:
        answer = self.bring(assertion)
        assert answer.status_code == 401, answer.text
        return str(answer.text)

    def key(self) -> tuple[Any, x509.Certificate]:
        """What west signs with."""
        found = signer_of(self.west.services, Issuer())
        return found.key, found.certificates[0]

    def changed(self, change: Callable[[Any], None]) -> bytes:
        """An assertion of west that says something else, signed all the same."""
        document = etree.fromstring(self.got())
        assertion = document.find(name("saml:Assertion"))
        old = assertion.find(name("ds:Signature"))
        assertion.replace(old, made("ds:Signature"))
        change(assertion)
        document.replace(assertion, signed(assertion, *self.key()))
        return etree.tostring(document)


def certified(key: rsa.RSAPrivateKey) -> x509.Certificate:
    called, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SAML")]), datetime.now(UTC)
    made = x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number())
    return made.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1)).sign(key, SHA256())


def write(cloud: Cloud, connections: Any) -> None:
    path = cloud.settings.state_dir / "federation.yaml"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(connections))


def published(cloud: Cloud) -> list[str]:
    """The certificates in a cloud's metadata, in PEM."""
    document = etree.fromstring(cloud.ask("GET", METADATA).content)
    found = document.iter(name("ds:X509Certificate"))
    return [f"-----BEGIN CERTIFICATE-----\n{each.text}\n-----END CERTIFICATE-----\n" for each in found]


@pytest.fixture(scope="module")
def clouds(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    folder, clock = tmp_path_factory.mktemp("clouds"), MovableClock()
    with copied_state(seeded, folder / "west"), copied_state(seeded, folder / "east"):
        west = Cloud(folder / "west", clock)
        east = Cloud(folder / "east", clock, public_url="http://east.test")
        do, there = (Admin(each, each.token("admin", project_scope("admin"))) for each in (west, east))
        contact = {"company": "West & Sons", "email": "ops@west.test"}
        organization = {"name": "West", "url": "https://west.test/"}
        write(west, {"saml": {"contact": contact, "organization": organization}})
        call(do, 201, "PUT", "/v3/OS-FEDERATION/service_providers/east",
             {"service_provider": {"auth_url": EAST, "sp_url": EAST, "enabled": True}})  # fmt: skip
        do.do("PUT", f"/v3/groups/{do.make('group', name='dev')['id']}/users/{do.named('user', 'demo')['id']}")
        write(east, {"providers": {"west": {"saml2": {"entity_id": WEST, "certificates": published(west)}}}})
        provider(there, "west", enabled=True, remote_ids=[WEST])
        there.make("group", name="dev")
        mapping(there, "west", RULES)
        protocol(there, "west", "saml2", "west")
        yield Clouds(west, east, clock, do, there)
        west.close()
        east.close()


@pytest.fixture(autouse=True)
def now(clouds: Clouds) -> Iterator[None]:
    yield
    clouds.clock.ahead = timedelta()
    clouds.east.forgive()


# -- what west says --


def test_west_says_of_its_people_what_keystone_says(clouds: Clouds) -> None:
    answer = clouds.ask()
    assert (answer.headers["X-sp-url"], answer.headers["X-auth-url"]) == (EAST, EAST)
    assert answer.headers["Content-Type"].startswith("text/xml")
    document = etree.fromstring(answer.content)
    assert (document.tag, document.get("Destination")) == (name("samlp:Response"), EAST)
    said = {
        each.get("Name"): [value.text for value in each]
        for each in document.iter(name("saml:Attribute"))
    }  # fmt: skip
    assert said == {
        "openstack_user": ["demo"],
        "openstack_roles": ["member", "reader"],
        "openstack_project": ["demo"],
        "openstack_project_domain": ["Default"],
        "openstack_user_domain": ["Default"],
        "openstack_groups": ['JSON:{"name": "dev", "domain": {"name": "Default"}}'],
    }
    assert document.findtext(f".//{name('saml:NameID')}") == "demo"


@pytest.mark.parametrize("path", [SAML2, f"{SAML2}/ecp"])
def test_xmlsec1_knows_the_signature(clouds: Clouds, tmp_path: Path, path: str) -> None:
    document, certificate = tmp_path / "said.xml", tmp_path / "west.pem"
    certificate.write_bytes(clouds.key()[1].public_bytes(Encoding.PEM))
    command = ["xmlsec1", "--verify", "--enabled-key-data", "raw-x509-cert,x509", "--pubkey-cert-pem", certificate,
               "--id-attr:ID", f"{SPACES['saml']}:Assertion", document]  # fmt: skip
    said = clouds.got(path)
    document.write_bytes(said)
    assert subprocess.run(command, capture_output=True).returncode == 0
    document.write_bytes(said.replace(b">demo<", b">admin<"))
    assert subprocess.run(command, capture_output=True).returncode != 0


def test_the_metadata_names_west_and_its_keys_now_and_next(clouds: Clouds) -> None:
    document = etree.fromstring(clouds.west.ask("GET", METADATA).content)
    assert document.get("entityID") == WEST
    parts = [etree.QName(each).localname for each in document[0]]
    # In the order of the schema.
    assert parts == ["KeyDescriptor", "KeyDescriptor", "Organization", "ContactPerson", "NameIDFormat",
                     "SingleSignOnService"]  # fmt: skip
    assert document.findtext(f".//{name('md:Company')}") == "West & Sons"
    assert document.find(f".//{name('md:OrganizationName')}").get(name("xml:lang")) == "en"
    assert published(clouds.west)[0].split()[2] in clouds.key()[1].public_bytes(Encoding.PEM).decode().replace("\n", "")


def test_another_server_of_the_cloud_signs_with_the_same_key(clouds: Clouds) -> None:
    other = Cloud(clouds.west.settings.state_dir, clouds.clock)
    assert published(other) == published(clouds.west)
    other.close()


def test_after_a_rotation_east_knows_the_next_key_already(clouds: Clouds) -> None:
    before = published(clouds.west)
    identity_verbs(clouds.west.services)["identity-rotate-keys"]("saml")
    assert published(clouds.west)[0] == before[1]
    answer = clouds.bring(clouds.got())
    assert answer.status_code == 201, answer.text


def test_the_operator_may_bring_a_key(clouds: Clouds, tmp_path: Path) -> None:
    with clouds.west.database.read() as tx:
        primary, staged = (each.secret for each in rotation.keys_of(clouds.west.services).saml.keys(tx)[:2])
    both = tmp_path / "both.pem"
    both.write_bytes(primary)
    kept = yaml.safe_load((clouds.west.settings.state_dir / "federation.yaml").read_text())
    files = {"key_file": str(both), "certificate_file": str(both), "entity_id": "urn:west"}
    write(clouds.west, {"saml": files})
    try:
        assert clouds.west.ask("GET", METADATA).text.count("X509Certificate>") == 2
        assert "issued by urn:west" in clouds.refused(clouds.got())
        both.write_bytes(staged.split(b"-----BEGIN CERT")[0] + primary[primary.index(b"-----BEGIN CERT") :])
        assert "of another key" in clouds.ask().text
        both.unlink()
        assert clouds.ask().status_code == 503
        write(clouds.west, {})
        assert (clouds.ask().status_code, clouds.west.ask("GET", METADATA).status_code) == (404, 404)
    finally:
        write(clouds.west, kept)


def test_west_vouches_only_for_what_a_token_of_a_project_says(clouds: Clouds) -> None:
    unscoped = clouds.west.token("demo", "unscoped")
    assert "Use a project scoped token" in clouds.ask(token=unscoped).text
    assert clouds.ask(token="no").status_code == 404
    assert clouds.ask(id="nowhere").status_code == 404
    for body in (None, {}, {"auth": {}}, {"auth": {"identity": {"methods": ["token"]}, "scope": {}}}, b"<a/>", [1]):
        assert clouds.west.ask("POST", SAML2, body).status_code == 400, body
    user = clouds.do.named("user", "demo")["id"]
    token = clouds.west.token("demo", project_scope("demo"))
    wanted = {"application_credential": {"name": "robot", "roles": [{"name": "reader"}]}}
    made = clouds.west.ask("POST", f"/v3/users/{user}/application_credentials", wanted, token)
    secret = made.json["application_credential"]
    robot = clouds.west.authenticate({"application_credential": {"id": secret["id"], "secret": secret["secret"]}})
    assert "delegation" in clouds.ask(token=robot.headers["X-Subject-Token"]).text
    change = {"service_provider": {"enabled": False}}
    call(clouds.do, 200, "PATCH", "/v3/OS-FEDERATION/service_providers/east", change)
    assert "is disabled" in clouds.ask().text
    call(clouds.do, 200, "PATCH", "/v3/OS-FEDERATION/service_providers/east", {"service_provider": {"enabled": True}})


# -- what east takes --


@pytest.mark.parametrize("path", [SAML2, f"{SAML2}/ecp"])
def test_who_comes_from_west_is_somebody_in_east(clouds: Clouds, path: str) -> None:
    answer = clouds.bring(clouds.got(path))
    assert answer.status_code == 201, answer.text
    user = answer.json["token"]["user"]
    assert user["name"] == "demo@Default"
    assert len(user["OS-FEDERATION"]["groups"]) == 1
    found = clouds.east.ask("GET", "/v3/auth/projects", token=answer.headers["X-Subject-Token"]).json["projects"]
    assert [each["name"] for each in found] == ["demo of west"]


def test_an_assertion_is_good_once_and_for_its_time(clouds: Clouds) -> None:
    assertion = clouds.got()
    assert clouds.bring(assertion).status_code == 201
    assert "has been used" in clouds.refused(assertion)
    assertion = clouds.got()
    clouds.clock.ahead = timedelta(seconds=331)
    assert "has expired" in clouds.refused(assertion)
    clouds.clock.ahead = timedelta(seconds=-60)
    assert "not good yet" in clouds.refused(assertion)


def east_reads(clouds: Clouds) -> x509.Certificate:
    """What is to be encrypted to, for east to read it."""
    told = identity_verbs(clouds.east.services)["identity-metadata"]("west/saml2")["metadata"]
    (key,) = (each for each in etree.fromstring(told.encode())[0] if each.get("use") == "encryption")
    return x509.load_der_x509_certificate(base64.b64decode(key.findtext(f".//{name('ds:X509Certificate')}")))


def test_an_encrypted_one_is_the_same_one_however_often_it_is_encrypted(clouds: Clouds) -> None:
    said = clouds.got()
    certificate = east_reads(clouds)

    def encrypted() -> bytes:
        document = etree.fromstring(said)
        put(document, certificate)
        return etree.tostring(document)

    answer = clouds.bring(encrypted())
    assert answer.status_code == 201, answer.text
    assert answer.json["token"]["user"]["name"] == "demo@Default"
    assert "has been used" in clouds.refused(encrypted())
    assert "has been used" in clouds.refused(said)


def test_a_released_keystones_assertion_counts_where_the_operator_takes_sha1(clouds: Clouds) -> None:
    """The file is what Keystone 30.0.0 makes (`keystone.federation.idp`, with pysaml2 7.5.5 and xmlsec1), of a token as
    west's, with a key that was thrown away."""
    said = Path(__file__).with_name("keystone_assertion.xml").read_bytes()
    document = etree.fromstring(said)
    made = datetime.fromisoformat(document.find(f".//{name('saml:Assertion')}").get("IssueInstant"))
    clouds.clock.ahead = made - datetime.now(UTC)
    path = clouds.east.settings.state_dir / "federation.yaml"
    kept = yaml.safe_load(path.read_text())
    certificate = "".join(document.findtext(f".//{name('ds:X509Certificate')}").split())
    try:
        trusted = {"entity_id": WEST, "certificates": [certificate]}
        write(clouds.east, {"providers": {"west": {"saml2": trusted}}})
        assert "no key that is trusted" in clouds.refused(said)
        write(clouds.east, {"providers": {"west": {"saml2": {**trusted, "accept_sha1": True}}}})
        assert "no key that is trusted" in clouds.refused(said.replace(b">demo<", b">admin<"))
        answer = clouds.bring(said)
        assert answer.status_code == 201, answer.text
        user = answer.json["token"]["user"]
        assert user["name"] == "demo@Default"
        assert len(user["OS-FEDERATION"]["groups"]) == 1
        assert "has been used" in clouds.refused(said)
        clouds.clock.ahead += timedelta(hours=1, minutes=1)
        assert "has expired" in clouds.refused(said)
    finally:
        write(clouds.east, kept)


def at(path: str, attribute: str, value: str | None) -> Callable[[Any], None]:
    """Sets an attribute (takes it away) or, without one, a text, in an assertion."""

    def change(assertion: Any) -> None:
        found = assertion.find("/".join(name(f"saml:{each}") for each in path.split("/"))) if path else assertion
        if not attribute:
            found.text = value
        elif value is None:
            del found.attrib[attribute]
        else:
            found.set(attribute, value)

    return change


def adding(path: str, *tags: str) -> Callable[[Any], None]:
    """Adds nested elements to one in an assertion."""

    def change(assertion: Any) -> None:
        found = assertion.find(name(f"saml:{path}"))
        for tag in tags:
            found = etree.SubElement(found, name(f"saml:{tag}"))
            found.text = "x" if tag == tags[-1] else None

    return change


TOLD = "Subject/SubjectConfirmation/SubjectConfirmationData"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (at("", "Version", "1.1"), "not of SAML 2.0"),
        (at("Issuer", "", "urn:north"), "issued by urn:north"),
        (at(TOLD, "Recipient", "http://north.test/"), "it is for http://north.test/"),
        (at(TOLD, "Recipient", None), "it is for None"),
        (at(TOLD, "InResponseTo", "_1"), "answers no question that was asked here"),
        (at(TOLD, "NotOnOrAfter", None), "until when"),
        (at(TOLD, "NotOnOrAfter", "2020-01-01T00:00:00Z"), "has expired"),
        (at(TOLD, "NotOnOrAfter", "soon"), "is no moment"),
        (at("Conditions", "NotOnOrAfter", "0001-01-01T00:00:00Z"), "has expired"),
        (at("Conditions", "NotBefore", "9999-12-31T23:59:59Z"), "not good yet"),
        (at("Subject/SubjectConfirmation", "Method", "urn:other"), "for its bearer"),
        (at("Conditions", "NotOnOrAfter", "2020-01-01T00:00:00+00:00"), "has expired"),
        (at("Conditions", "NotBefore", "2999-01-01T00:00:00"), "not good yet"),
        (adding("Conditions", "AudienceRestriction", "Audience"), "for the audience x"),
        (adding("Conditions", "AudienceRestriction"), "for the audience nobody"),
        (adding("Conditions", "Condition"), "a condition that is not known"),
        (adding("Subject", "NameID"), "one NameID"),
        (adding("Issuer", "Issuer"), "elements where there must be text"),
    ],
)
def test_what_is_signed_must_be_for_east_and_for_now(clouds: Clouds, change: Callable[[Any], None], why: str) -> None:
    assert why in clouds.refused(clouds.changed(change))


def test_what_is_signed_anew_with_the_same_key_is_taken(clouds: Clouds) -> None:
    answer = clouds.bring(clouds.changed(at("Subject/NameID", "", "somebody")))
    assert answer.status_code == 201, answer.text


def test_a_response_that_tells_of_a_failure_is_refused(clouds: Clouds) -> None:
    failed = clouds.got().replace(b"status:Success", b"status:Requester")
    assert "tells of a failure" in clouds.refused(failed)


def test_what_is_signed_by_a_hash_that_can_be_forged_is_refused(clouds: Clouds) -> None:
    class Careless(XMLSigner):
        def check_deprecated_methods(self) -> None:
            pass

    signer = Careless(signature_algorithm="rsa-sha1", digest_algorithm="sha1")
    document = etree.fromstring(clouds.got())
    assertion = document.find(name("saml:Assertion"))
    assertion.remove(assertion.find(name("ds:Signature")))
    key, certificate = clouds.key()
    old = signer.sign(assertion, key=key, cert=[certificate], reference_uri=assertion.get("ID"), id_attribute="ID")
    assert "no key that is trusted" in clouds.refused(etree.tostring(old))


def test_what_is_changed_after_it_was_signed_is_refused(clouds: Clouds) -> None:
    said = clouds.got()
    assert "was changed since" in clouds.refused(said.replace(b">demo<", b">admin<"))
    assert clouds.bring(said.replace(b"<saml:NameID>demo", b"<saml:NameID>d<!-- -->emo")).status_code == 201


def test_a_signature_counts_only_for_what_it_is_in_and_by_a_key_that_is_trusted(clouds: Clouds) -> None:
    document = etree.fromstring(clouds.got())
    assertion = document.find(name("saml:Assertion"))
    assertion.replace(assertion.find(name("ds:Signature")), made("ds:Signature"))
    # By a stranger, with west's certificate in it as with their own.
    key = rsa.generate_private_key(65537, 2048)
    for certificate in (clouds.key()[1], certified(key)):
        mine = signed(copy.deepcopy(assertion), key, certificate)
        assert "no key that is trusted" in clouds.refused(etree.tostring(mine))
    unsigned = copy.deepcopy(assertion)
    unsigned.remove(unsigned.find(name("ds:Signature")))
    assert "one signature" in clouds.refused(etree.tostring(unsigned))


def _evil(document: Any) -> tuple[Any, Any]:
    """The good assertion of a document, and one like it that says admin and has no signature."""
    good = document.find(name("saml:Assertion"))
    evil = copy.deepcopy(good)
    evil.remove(evil.find(name("ds:Signature")))
    for each in evil.iter(name("saml:NameID"), name("saml:AttributeValue")):
        each.text = "admin"
    return good, evil


def beside(document: Any) -> None:
    """Both, with ids of their own."""
    good, evil = _evil(document)
    evil.set("ID", "_evil")
    good.addprevious(evil)


def within(document: Any) -> None:
    """The good one in the signature of the evil one."""
    good, evil = _evil(document)
    evil.set("ID", "_evil")
    document.replace(good, evil)
    signature = good.find(name("ds:Signature"))
    evil.insert(1, signature)
    etree.SubElement(signature, name("ds:Object")).append(good)


def named_alike(document: Any) -> None:
    """Both, with the same id."""
    good, evil = _evil(document)
    evil.insert(1, copy.deepcopy(good.find(name("ds:Signature"))))
    document.replace(good, evil)
    wrapped = etree.SubElement(document, name("samlp:Extensions"))
    wrapped.append(good)


def under_another_name(document: Any) -> None:
    """The good one as what is no assertion, in one that is."""
    good, evil = _evil(document)
    signature = copy.deepcopy(good.find(name("ds:Signature")))
    good.tag = name("saml:Advice")
    evil.set("ID", "_evil")
    evil.insert(1, signature)
    evil.append(good)
    document.append(evil)


@pytest.mark.parametrize("wrap", [beside, within, named_alike, under_another_name])
def test_wrapping_what_is_signed_into_something_else_gains_nothing(clouds: Clouds, wrap: Callable[[Any], None]) -> None:
    document = etree.fromstring(clouds.got())
    wrap(document)
    assert "refused" in clouds.refused(etree.tostring(document))


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"<",
        b"\xff\xfe",
        b"<a/>",
        b"{}",
        b"<a>" * 5000,
        b'<p:StatusCode xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"><Assertion '
        b'xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/></p:StatusCode>',
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        b"<a>" + b" " * 300_000 + b"</a>",
        b"<a><b " + b" ".join(b'c%d=""' % number for number in range(65)) + b"/></a>",
    ],
)
def test_what_is_no_assertion_is_refused(clouds: Clouds, hostile: bytes) -> None:
    assert clouds.bring(hostile).status_code == 401


def test_what_would_take_long_to_sort_is_not_sorted(clouds: Clouds) -> None:
    document = etree.fromstring(clouds.got())
    wide = etree.SubElement(document.find(name("saml:Assertion")), "wide")
    for number in range(65):
        wide.set(f"a{number}", "")
    assert "more than 64 attributes" in clouds.refused(etree.tostring(document))


def test_a_body_of_json_vouches_for_nobody(clouds: Clouds) -> None:
    assert "Nobody vouches" in clouds.east.ask("POST", AUTH, {}).text
    assert "Nobody vouches" in clouds.east.ask("GET", AUTH).text
    mapped = {"mapped": {"identity_provider": "west", "protocol": "saml2"}}
    assert clouds.east.authenticate(mapped).status_code == 401


def test_browsers_are_not_sent_for_assertions(clouds: Clouds) -> None:
    path = "/v3/auth/OS-FEDERATION/identity_providers/west/protocols/saml2/websso?origin=https://x/"
    assert "connected for programs" in clouds.east.ask("GET", path).text


_ODD = ["", "x", "#", "-1", "\u00e9", "AAAA", "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"]  # fmt: skip


def spoiled(document: Any, chance: random.Random) -> None:
    """Changes something in a document, anything."""
    elements = list(document.iter())
    one, other = chance.choice(elements), chance.choice(elements)
    parent = one.getparent()
    match chance.randrange(6):
        case 0 if parent is not None:
            parent.remove(one)
        case 1 if one.attrib:
            one.set(chance.choice(list(one.attrib)), chance.choice(_ODD))
        case 2 if parent is not None:
            one.addnext(copy.deepcopy(other))
        case 3:
            one.tag = other.tag
        case 4:
            one.append(copy.deepcopy(other))
        case _:
            one.text = chance.choice(_ODD)


@pytest.mark.thorough
@pytest.mark.parametrize("encrypts", ["never", "before", "after"])
def test_whatever_is_done_to_an_assertion_nobody_becomes_somebody_else(clouds: Clouds, encrypts: str) -> None:
    chance, good, taken, certificate = random.Random(7), clouds.got(), 0, east_reads(clouds)
    for _ in range(1000):
        document = etree.fromstring(good)
        if encrypts == "before":
            put(document, certificate)
        for _ in range(chance.randrange(1, 4)):
            spoiled(document, chance)
        if encrypts == "after" and document.find(name("saml:Assertion")) is not None:
            put(document, certificate)
        clouds.east.forgive()
        answer = clouds.bring(etree.tostring(document))
        assert answer.status_code in (201, 401), answer.text
        if answer.status_code == 201:
            assert answer.json["token"]["user"]["name"] == "demo@Default"
            good, taken = clouds.got(), taken + 1
    assert taken
