"""Programs log in at a provider that speaks SAML, as enhanced clients: a question here, an answer there, a token."""

import base64
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lxml
import pytest
import yaml
from cryptography import x509
from lxml import etree
from signxml.verifier import XMLVerifier

from stackyard.cli.identity_verbs import identity_verbs
from stackyard.rooms.identity.resources.saml.xml import SPACES, made, name
from stackyard.rooms.identity.throttle import PER_USER
from tests.rooms.identity.cloud import Admin, Cloud
from tests.rooms.identity.command_line import CLIENTS, served
from tests.rooms.identity.conftest import MovableClock
from tests.rooms.identity.federation import PROVIDERS, protocol, provider
from tests.rooms.identity.saml_browser import HERE, MAIL, RULES, connect, connected
from tests.rooms.identity.saml_provider import ENTITY, Question, SamlIdp

AUTH = f"{PROVIDERS}/corp/protocols/saml2/auth"
PAOS = "application/vnd.paos+xml"
ENHANCED = {"Accept": f"application/json,{PAOS}", "PAOS": f'ver="{SPACES["paos"]}";"{SPACES["ecp"]}"'}
NO_ANSWER = "answers no question that was asked here"


@pytest.fixture(scope="module")
def beginning(certified: Path) -> Path:
    return certified


@pytest.fixture(scope="module")
def idp() -> SamlIdp:
    return SamlIdp()


@pytest.fixture
def corp(cloud: Cloud, do: Admin, idp: SamlIdp) -> Cloud:
    connected(cloud, do, idp)
    # Where browsers go need not be known for programs.
    connect(cloud, idp, sso_endpoint="")
    return cloud


def asked(cloud: Cloud, path: str = AUTH) -> Any:
    """The envelope that an enhanced client is given."""
    answer = cloud.ask("GET", path, **ENHANCED)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == PAOS
    return etree.fromstring(answer.content)


def question(cloud: Cloud) -> Question:
    return Question(asked(cloud).find(f".//{name('samlp:AuthnRequest')}"))


def enveloped(response: Any) -> bytes:
    return etree.tostring(made("soap:Envelope", [made("soap:Header"), made("soap:Body", [response])]))


def bring(cloud: Cloud, response: Any, path: str = AUTH) -> Any:
    return cloud.ask("POST", path, enveloped(response), Content_Type=PAOS)


def test_the_question_says_who_asks_and_where_the_answer_goes(corp: Cloud) -> None:
    envelope = asked(corp)
    header, body = envelope
    paos, ecp, state = header
    assert (paos.tag, paos.get("responseConsumerURL")) == (name("paos:Request"), HERE)
    assert paos.get("service") == SPACES["ecp"]
    assert (ecp.tag, ecp.findtext(name("saml:Issuer"))) == (name("ecp:Request"), HERE)
    assert (state.tag, bool(state.text)) == (name("ecp:RelayState"), True)
    assert {each.get(name("soap:mustUnderstand")) for each in header} == {"1"}
    (request,) = body
    assert (request.get("AssertionConsumerServiceURL"), request.get("Destination")) == (HERE, None)
    assert request.get("ProtocolBinding") == "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"
    parts = [etree.QName(each).localname for each in request]
    assert parts == ["Issuer", "Signature"], "in the order of the schema"
    told = etree.fromstring(identity_verbs(corp.services)["identity-metadata"]("corp/saml2")["metadata"].encode())
    text = told.findtext(f".//{name('ds:X509Certificate')}")
    known = x509.load_der_x509_certificate(base64.b64decode(text))
    # As it comes to the provider: alone in its envelope.
    envelope.remove(header)
    request = etree.fromstring(etree.tostring(envelope)).find(f".//{name('samlp:AuthnRequest')}")
    assert XMLVerifier().verify(request, x509_cert=known, id_attribute="ID").signed_xml.get("ID") == request.get("ID")


@pytest.mark.parametrize("signs", ["assertion", "response"])
def test_its_answer_is_good_for_a_token_once(corp: Cloud, idp: SamlIdp, signs: str) -> None:
    response = idp.response(question(corp), "jane", MAIL, signs=signs)
    answer = bring(corp, response)
    assert answer.status_code == 201, answer.text
    assert (answer.json["token"]["user"]["name"], answer.json["token"]["methods"]) == ("jane", ["mapped"])
    assert "has been used" in bring(corp, response).text


def test_an_answer_to_another_question_is_none(
    corp: Cloud, do: Admin, idp: SamlIdp, clock: MovableClock
) -> None:
    mine = question(corp)
    for other in ("_1", "_", "", mine.id[:-1], mine.id + "A", "_" + "A" * 80, "\u00e9"):
        refused = bring(corp, idp.response(mine, "jane", MAIL, question=other))
        assert (refused.status_code, NO_ANSWER in refused.text) == (401, True), other
    response = idp.response(mine, "jane", MAIL, until="2100-01-01T00:00:00Z")
    clock.ahead += timedelta(seconds=601)
    assert NO_ANSWER in bring(corp, response).text


def test_a_question_is_put_to_one_provider(corp: Cloud, do: Admin, idp: SamlIdp) -> None:
    """One that two know by the same name, and whose keys they share, would not be told apart otherwise."""
    path = corp.settings.state_dir / "federation.yaml"
    known = yaml.safe_load(path.read_text())
    known["providers"]["twin"] = known["providers"]["corp"]
    path.write_text(yaml.safe_dump(known))
    provider(do, "twin", enabled=True)
    protocol(do, "twin", "saml2", "corp")
    there = AUTH.replace("corp", "twin")
    to = HERE.replace("corp", "twin")
    mine = question(corp)
    assert NO_ANSWER in bring(corp, idp.response(mine, "jane", MAIL, to=to, audience=to), there).text
    assert bring(corp, idp.response(mine, "jane", MAIL)).status_code == 201


def test_assertions_are_not_judged_again_and_again(corp: Cloud, idp: SamlIdp) -> None:
    corp.forgive(lambda: 0.0)
    bad = idp.response(question(corp), "jane", MAIL, to="urn:other")
    answers = [bring(corp, bad).status_code for _ in range(PER_USER.most + 1)]
    assert answers == [401] * PER_USER.most + [429]
    assert bring(corp, idp.response(question(corp), "jane", MAIL)).status_code == 201


def test_an_answer_must_be_for_this_cloud(corp: Cloud, idp: SamlIdp) -> None:
    assert "not for" in bring(corp, idp.response(question(corp), "jane", MAIL, audience="urn:other")).text

    def unbound(document: Any) -> None:
        for each in list(document.iter(name("saml:AudienceRestriction"))):
            each.getparent().remove(each)

    # What the response's signature is to cover has to be changed before.
    response = idp.response(question(corp), "jane", MAIL, signs="response", encrypts=unbound)
    assert "for what audience" in bring(corp, response).text


def test_who_is_no_enhanced_client_is_asked_nothing(corp: Cloud, do: Admin) -> None:
    for headers in ({}, {"Accept": PAOS}, {"PAOS": ENHANCED["PAOS"]}):
        assert "Nobody vouches" in corp.ask("GET", AUTH, **headers).text
    assert "Nobody vouches" in corp.ask("POST", AUTH, **ENHANCED).text
    assert corp.ask("GET", AUTH.replace("corp", "nobody"), **ENHANCED).status_code == 404
    do.cloud.ask("PATCH", f"{PROVIDERS}/corp", {"identity_provider": {"enabled": False}}, do.token)
    assert corp.ask("GET", AUTH, **ENHANCED).status_code == 403


# -- the released client --


@contextmanager
def serving(idp: SamlIdp) -> Iterator[str]:
    """The provider's address for enhanced clients, where Jane has a password."""

    class Door(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"jane:secret").decode():
                self.send_error(401)
                return
            envelope = etree.fromstring(raw)
            asked = Question(envelope.find(f".//{name('samlp:AuthnRequest')}"))
            back = made("ecp:Response", attributes={"AssertionConsumerServiceURL": asked.answer_to})
            body = made("soap:Body", [idp.response(asked, "jane", MAIL)])
            answer = etree.tostring(made("soap:Envelope", [made("soap:Header", [back]), body]))
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/ecp"
        server.shutdown()
        thread.join()


LOG_IN = """
import json, sys
from keystoneauth1 import loading, session

plugin = loading.get_plugin_loader("v3samlpassword").load_from_options(**json.load(sys.stdin))
access = plugin.get_access(session.Session())
print(json.dumps([access.username, access.is_federated]))
"""


@pytest.mark.thorough
def test_keystoneauth_logs_in_by_a_password_at_the_provider(tmp_path: Path, idp: SamlIdp) -> None:
    with served(tmp_path) as client, serving(idp) as address:
        path = client.state / "federation.yaml"
        path.touch(mode=0o600)
        section = {"entity_id": ENTITY, "certificates": [idp.pem]}
        path.write_text(yaml.safe_dump({"providers": {"corp": {"saml2": section}}}))
        rules = tmp_path / "rules.json"
        rules.write_text(json.dumps(RULES))
        client(
            "identity provider create --enable corp -f json",
            f"mapping create --rules {rules} corp -f json",
            "federation protocol create --identity-provider corp --mapping corp saml2 -f json",
        )
        # The plugin needs lxml, which the clients' environment has no other use for.
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "lxml").symlink_to(Path(lxml.__file__).parent)
        options = {"auth_url": f"{client.auth_url}/v3", "identity_provider": "corp", "protocol": "saml2",
                   "identity_provider_url": address, "username": "jane", "password": "secret"}  # fmt: skip
        done = subprocess.run(
            [CLIENTS / "python", "-c", LOG_IN], input=json.dumps(options), capture_output=True, text=True, timeout=120,
            env={"NO_PROXY": "*", "PATH": "", "PYTHONPATH": str(tmp_path / "more")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == ["jane", True]
