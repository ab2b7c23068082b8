"""OAuth 2.0 clients that prove by a certificate which user they are: over TLS, and behind a proxy that speaks it."""

import base64
import itertools
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from falcon.testing import Result

from stackyard.kernel.request import certificates, presented
from stackyard.kernel.settings import OAuth2, Settings
from stackyard.testing.cloud import RunningCloud, cloud
from tests.databases import copied_state
from tests.rooms.identity.client_certificates import ClientAuthority, named
from tests.rooms.identity.cloud import Admin, Cloud
from tests.rooms.identity.conftest import MovableClock

SUITES = Path(__file__).parents[3] / ".venv-tempest/bin/python"
CLIENT = Path(__file__).parents[3] / ".venv-clients/bin/openstack"
GUARDED = Path(__file__).with_name("guarded_service.py")
FORM = "application/x-www-form-urlencoded"
HEADER = "X-SSL-Client-Cert"
SUBJECT = "SSL_CLIENT_SUBJECT_DN_"
_NAMES = (f"robot-{number}" for number in itertools.count())

#: Keystone's example: everything that is said of the user, by the authority that may say it.
RULES = [
    {
        "local": [
            {"user": {"name": "{0}", "id": "{1}", "email": "{2}", "domain": {"name": "{3}", "id": "{4}"}}},
        ],
        "remote": [
            *({"type": f"{SUBJECT}{word}"} for word in ("CN", "UID", "EMAILADDRESS", "O", "DC")),
            {"type": "SSL_CLIENT_ISSUER_DN_CN", "any_one_of": ["clients"]},
        ],
    }
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ClientAuthority:
    return ClientAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def proxied(shared: Cloud, admins: Admin) -> Iterator[Cloud]:
    """The cloud behind a proxy that verifies clients' certificates and passes them on."""
    shared.front.certificate_header = HEADER.lower()
    map_certificates(admins, RULES)
    with shared.trusting("127.0.0.1"):
        yield shared


def map_certificates(admins: Admin, rules: Any, name: str = "oauth2_mapping") -> None:
    path = f"/v3/OS-FEDERATION/mappings/{name}"
    known = admins.cloud.ask("GET", path, token=admins.token).status_code == 200
    admins.do("PATCH" if known else "PUT", path, {"mapping": {"rules": rules}})


@contextmanager
def mapped_by(admins: Admin, rules: Any) -> Iterator[None]:
    """With another mapping of certificates."""
    map_certificates(admins, rules)
    yield
    map_certificates(admins, RULES)


@pytest.fixture
def robot(admins: Admin) -> dict[str, Any]:
    """A user whom a program logs in as, with a role on their default project."""
    name, project = next(_NAMES), admins.named("project", "demo")["id"]
    user = admins.make("user", name=name, email=f"{name}@example.org", default_project_id=project)
    admins.grant(f"projects/{project}", f"users/{user['id']}", "member")
    return user


def name_of(user: dict[str, Any], **other: str) -> x509.Name:
    known = {"CN": user["name"], "UID": user["id"], "emailAddress": user["email"], "O": "Default", "DC": "default"}
    return named(**{word: value for word, value in {**known, **other}.items() if value})


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def ask(cloud: Cloud, user_id: str, certificate: str, **more: str) -> Result:
    """A token for that user, by a certificate as the proxy writes it."""
    form = urlencode({"grant_type": "client_credentials", "client_id": user_id, **more})
    return cloud.ask("POST", "/v3/OS-OAUTH2/token", form, Content_Type=FORM, X_SSL_Client_Cert=certificate)


def shown(cloud: Cloud, admins: Admin, token: str) -> dict[str, Any]:
    answer = cloud.ask("GET", "/v3/auth/tokens", token=admins.token, X_Subject_Token=token)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json["token"]
    return told


def test_a_user_gets_a_token_that_names_their_certificate(
    proxied: Cloud, admins: Admin, authority: ClientAuthority, robot: dict[str, Any]
) -> None:
    certificate, _ = authority.certificate(name_of(robot))
    answer = ask(proxied, robot["id"], quote(pem(certificate)))
    assert answer.status_code == 200, answer.text
    assert answer.json["token_type"] == "Bearer"
    assert 3590 <= answer.json["expires_in"] <= 3600
    told = shown(proxied, admins, answer.json["access_token"])
    assert told["methods"] == ["oauth2_credential"]
    assert (told["user"]["id"], told["project"]["name"]) == (robot["id"], "demo")
    assert {each["name"] for each in told["roles"]} == {"member", "reader"}
    thumbprint = presented.thumbprint(certificate.public_bytes(Encoding.DER))
    assert told["oauth2_credential"] == {"x5t#S256": thumbprint}
    assert len(thumbprint) == 44


def test_tokens_are_worth_nothing_without_the_certificate(
    proxied: Cloud, authority: ClientAuthority, robot: dict[str, Any]
) -> None:
    (certificate, _), (other, _) = authority.certificate(name_of(robot)), authority.certificate(name_of(robot))
    token = ask(proxied, robot["id"], quote(pem(certificate))).json["access_token"]

    def asked(path: str = "/v3/auth/projects", **headers: str) -> int:
        return proxied.ask("GET", path, **headers).status_code

    assert asked(X_Auth_Token=token, X_SSL_Client_Cert=quote(pem(certificate))) == 200
    assert asked(Authorization=f"Bearer {token}", X_SSL_Client_Cert=quote(pem(certificate))) == 200
    assert asked(X_Auth_Token=token) == 401
    assert asked(X_Auth_Token=token, X_SSL_Client_Cert=quote(pem(other))) == 401
    assert asked("/v3/auth/tokens", X_Auth_Token=token, X_Subject_Token=token) == 401
    with proxied.trusting("192.0.2.1"):
        assert asked(X_Auth_Token=token, X_SSL_Client_Cert=quote(pem(certificate))) == 401


def test_a_token_gets_no_other_and_manages_nothing_that_outlasts_it(
    proxied: Cloud, authority: ClientAuthority, robot: dict[str, Any]
) -> None:
    certificate, _ = authority.certificate(name_of(robot))
    sent = quote(pem(certificate))
    first = ask(proxied, robot["id"], sent).json["access_token"]
    by_token = {"token": {"id": first}}
    for headers in ({}, {"X_SSL_Client_Cert": sent}):
        assert proxied.authenticate(by_token, "unscoped", **headers).status_code == 403
    trust = {"trustor_user_id": robot["id"], "trustee_user_id": robot["id"], "impersonation": True}
    for path, body in (
        (f"/v3/users/{robot['id']}/application_credentials", {"application_credential": {"name": "more"}}),
        ("/v3/OS-TRUST/trusts", {"trust": trust}),
        ("/v3/credentials", {"credential": {"user_id": robot["id"], "type": "note", "blob": "x"}}),
    ):
        refused = proxied.ask("POST", path, body, first, X_SSL_Client_Cert=sent)
        assert (refused.status_code, "delegation" in refused.json["error"]["message"]) == (403, True), refused.text


def test_a_token_ends_with_its_certificate(proxied: Cloud, authority: ClientAuthority, robot: dict[str, Any]) -> None:
    certificate, _ = authority.certificate(name_of(robot), timedelta(minutes=10))
    assert 0 < ask(proxied, robot["id"], quote(pem(certificate))).json["expires_in"] <= 600
    ended, _ = authority.certificate(name_of(robot), timedelta(minutes=-10))
    assert ask(proxied, robot["id"], quote(pem(ended))).status_code == 401


@pytest.mark.parametrize(
    "written",
    [
        quote,
        lambda pem: pem.replace("\n", " "),
        lambda pem: f":{''.join(pem.splitlines()[1:-1])}:",
        lambda pem: "".join(pem.splitlines()[1:-1]),
    ],
    ids=["nginx", "apache", "rfc-9440", "haproxy"],
)
def test_proxies_write_certificates_in_ways_of_their_own(
    proxied: Cloud, authority: ClientAuthority, robot: dict[str, Any], written: Callable[[str], str]
) -> None:
    certificate, _ = authority.certificate(name_of(robot))
    assert ask(proxied, robot["id"], written(pem(certificate))).status_code == 200


@pytest.mark.parametrize("sent", ["(null)", "", "-----BEGIN CERTIFICATE-----", "AAAA", "%00", ":é:", "M" * 9000])
def test_what_is_no_certificate_is_none(proxied: Cloud, robot: dict[str, Any], sent: str) -> None:
    answer = ask(proxied, robot["id"], sent.encode().decode("latin-1"))
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("true", "odd"),
    [(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x22"), (b"\x0c\x07clients", b"\x03\x07\x00lients")],
    ids=["version 35", "a name that is a bit string"],
)
def test_a_certificate_of_an_odd_make_is_refused(
    proxied: Cloud, authority: ClientAuthority, robot: dict[str, Any], true: bytes, odd: bytes
) -> None:
    certificate, _ = authority.certificate(name_of(robot))
    der = certificate.public_bytes(Encoding.DER)
    assert true in der
    answer = ask(proxied, robot["id"], base64.b64encode(der.replace(true, odd)).decode())
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "other", [{"CN": "somebody"}, {"UID": "0" * 32}, {"emailAddress": "x@y.z"}, {"O": "Else"}, {"DC": "else"},
              {"emailAddress": ""}],
)  # fmt: skip
def test_a_certificate_of_anybody_else_is_refused_and_the_log_says_why(
    proxied: Cloud,
    authority: ClientAuthority,
    robot: dict[str, Any],
    other: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    certificate, _ = authority.certificate(name_of(robot, **other))
    with caplog.at_level("INFO", "stackyard.identity"):
        answer = ask(proxied, robot["id"], quote(pem(certificate)))
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert answer.json["error_description"] == "Client authentication failed."
    (told,) = [each for each in caplog.records if each.name == "stackyard.identity"]
    assert vars(told)["client_id"] == robot["id"]
    assert vars(told)["reason"]


def test_another_authoritys_word_is_not_taken_where_the_mapping_names_one(
    proxied: Cloud, tmp_path: Path, robot: dict[str, Any]
) -> None:
    certificate, _ = ClientAuthority(tmp_path, "others").certificate(name_of(robot))
    assert ask(proxied, robot["id"], quote(pem(certificate))).status_code == 401


def test_a_mapping_that_does_not_say_who_it_is_lets_nobody_in(
    proxied: Cloud, admins: Admin, authority: ClientAuthority, robot: dict[str, Any]
) -> None:
    certificate, _ = authority.certificate(name_of(robot))
    remote = [{"type": f"{SUBJECT}CN"}, {"type": f"{SUBJECT}UID"}]
    for local, status in (
        ({}, 401),
        ({"email": robot["email"]}, 401),
        ({"name": "{0}"}, 401),
        ({"name": "{0}", "domain": {"id": "default"}}, 200),
        ({"id": "{1}"}, 200),
    ):
        with mapped_by(admins, [{"local": [{"user": local}], "remote": remote}]):
            assert ask(proxied, robot["id"], quote(pem(certificate))).status_code == status, local


def test_who_is_disabled_or_has_no_project_or_must_prove_more_gets_nothing(
    proxied: Cloud, admins: Admin, authority: ClientAuthority, robot: dict[str, Any]
) -> None:
    certificate, _ = authority.certificate(name_of(robot))

    def status(**change: Any) -> int:
        admins.change("user", robot["id"], **change)
        return ask(proxied, robot["id"], quote(pem(certificate))).status_code

    assert status(enabled=False) == 401
    assert status(enabled=True) == 200
    assert status(options={"multi_factor_auth_rules": [["password", "totp"]]}) == 401
    assert status(options={"multi_factor_auth_rules": [["password", "totp"], ["oauth2_credential"]]}) == 200
    assert status(options={"multi_factor_auth_rules": None}, default_project_id=None) == 401
    assert ask(proxied, "0" * 32, quote(pem(certificate))).status_code == 401


def test_only_the_ways_that_the_operator_names_are_open(
    proxied: Cloud, admins: Admin, authority: ClientAuthority, robot: dict[str, Any]
) -> None:
    certificate, _ = authority.certificate(name_of(robot))
    before = proxied.settings.oauth2
    try:
        proxied.settings.oauth2 = OAuth2(oauth2_authn_methods=["client_secret_basic"])
        assert ask(proxied, robot["id"], quote(pem(certificate))).status_code == 401
        proxied.settings.oauth2 = OAuth2(oauth2_cert_dn_mapping_id="another")
        assert ask(proxied, robot["id"], quote(pem(certificate))).status_code == 401
    finally:
        proxied.settings.oauth2 = before
    assert ask(proxied, robot["id"], quote(pem(certificate)), client_secret="wrong").status_code == 401


def test_a_bound_token_goes_on_to_no_other_cloud(
    proxied: Cloud, admins: Admin, authority: ClientAuthority, robot: dict[str, Any]
) -> None:
    certificate, _ = authority.certificate(name_of(robot))
    sent = quote(pem(certificate))
    token = ask(proxied, robot["id"], sent).json["access_token"]
    file = proxied.settings.state_dir / "federation.yaml"
    file.touch(0o600)
    file.write_text("saml: {}")
    east = {"auth_url": "https://east.example/v3", "sp_url": "https://east.example/saml", "enabled": True}
    admins.do("PUT", "/v3/OS-FEDERATION/service_providers/east", {"service_provider": east})
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": {"service_provider": {"id": "east"}}}
    answer = proxied.ask("POST", "/v3/auth/OS-FEDERATION/saml2", {"auth": auth}, X_SSL_Client_Cert=sent)
    assert answer.status_code == 403, answer.text
    assert "delegation" in answer.json["error"]["message"]


@pytest.mark.parametrize("form", ["fernet", "jws"])
def test_another_server_reads_the_certificate_in_the_token(
    seeded: Path, tmp_path: Path, authority: ClientAuthority, form: str
) -> None:
    folder = tmp_path / "state"
    with copied_state(seeded, folder), servers(folder, form) as (one, two):
        do = Admin(one, one.token("admin"))
        map_certificates(do, RULES)
        project = do.named("project", "demo")["id"]
        user = do.make("user", name="robot", email="robot@example.org", default_project_id=project)
        do.grant(f"projects/{project}", f"users/{user['id']}", "member")
        certificate, _ = authority.certificate(name_of(user))
        sent, thumbprint = quote(pem(certificate)), presented.thumbprint(certificate.public_bytes(Encoding.DER))
        with one.trusting("127.0.0.1"), two.trusting("127.0.0.1"):
            token = ask(one, user["id"], sent).json["access_token"]
            assert two.ask("GET", "/v3/auth/projects", token=token).status_code == 401
            assert two.ask("GET", "/v3/auth/projects", token=token, X_SSL_Client_Cert=sent).status_code == 200
            assert shown(two, do, token)["oauth2_credential"] == {"x5t#S256": thumbprint}
    if form == "jws":
        claims = msgspec.json.decode(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert claims["openstack_thumbprint"] == thumbprint


@contextmanager
def servers(folder: Path, form: str) -> Iterator[tuple[Cloud, Cloud]]:
    """Two servers of one cloud, behind a proxy that passes certificates on."""
    made = [Cloud(folder, MovableClock(), token_provider=form) for _ in range(2)]
    for each in made:
        each.front.certificate_header = HEADER.lower()
    yield made[0], made[1]
    for each in made:
        each.close()


# -- over TLS --


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, authority: ClientAuthority) -> Iterator[RunningCloud]:
    folder = tmp_path_factory.mktemp("tls")
    with cloud(folder, tls=True, tls_client_ca=str(authority.file)) as made:
        yield made


@pytest.fixture(scope="module")
def program(running: RunningCloud, authority: ClientAuthority) -> tuple[str, Path]:
    """A user's id, and the file of their certificate and key."""
    return _program(running, authority)


def _program(running: RunningCloud, authority: ClientAuthority) -> tuple[str, Path]:
    admin = running.admin
    admin("PUT", "/identity/v3/OS-FEDERATION/mappings/oauth2_mapping", {"mapping": {"rules": RULES}}, ok=201)
    project = admin.get("/identity/v3/projects?name=demo")["projects"][0]["id"]
    wanted = {"name": "program", "email": "program@example.org", "default_project_id": project}
    user = admin.post("/identity/v3/users", {"user": wanted})["user"]
    role = admin.get("/identity/v3/roles?name=member")["roles"][0]["id"]
    admin("PUT", f"/identity/v3/projects/{project}/users/{user['id']}/roles/{role}", ok=204)
    _, file = authority.certificate(name_of(user))
    return str(user["id"]), file


def client(running: RunningCloud, file: Path | None) -> httpx.Client:
    """A client that trusts the cloud and presents the certificate of that file."""
    verify = ssl.create_default_context(cafile=running.settings.authority)
    if file is not None:
        verify.load_cert_chain(file)
    return httpx.Client(base_url=running.url, verify=verify, trust_env=False, timeout=30)


def test_over_tls_the_connections_certificate_counts_in_every_service(
    running: RunningCloud, program: tuple[str, Path]
) -> None:
    user_id, file = program
    form = {"grant_type": "client_credentials", "client_id": user_id}
    with client(running, file) as bound, client(running, None) as other:
        answer = bound.post("/identity/v3/OS-OAUTH2/token", data=form)
        assert answer.status_code == 200, answer.text
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert bound.get("/networking/v2.0/networks", headers=bearer).status_code == 200
        assert bound.get("/identity/v3/auth/projects", headers=bearer).status_code == 200
        assert other.get("/networking/v2.0/networks", headers=bearer).status_code == 401
        assert other.post("/identity/v3/OS-OAUTH2/token", data=form).status_code == 401
        forged = {HEADER: quote(file.read_text()), **bearer}
        assert other.get("/identity/v3/auth/projects", headers=forged).status_code == 401


def test_over_tls_nobody_comes_with_a_certificate_of_a_strange_authority(
    running: RunningCloud, program: tuple[str, Path], tmp_path: Path
) -> None:
    _, strange = ClientAuthority(tmp_path, "clients").certificate(named(CN="program", UID=program[0]))
    with client(running, strange) as asking, pytest.raises(httpx.TransportError):
        asking.get("/identity/v3")


def test_a_certificate_that_is_revoked_lets_nobody_in_though_the_server_runs_on(tmp_path: Path) -> None:
    authority = ClientAuthority(tmp_path)
    (gone, lost), (_, kept) = (authority.certificate(named(CN=name)) for name in ("lost", "kept"))
    settings = Settings(state_dir=tmp_path, tls=True, tls_client_ca=str(authority.file))
    serving = certificates.context(settings)
    renewal = certificates.Renewal(settings, serving)
    trusted = tmp_path / "tls" / "ca.pem"
    assert is_taken(serving, trusted, lost)
    assert not renewal.renew()
    authority.revoke(gone)
    assert renewal.renew()
    assert not is_taken(serving, trusted, lost)
    assert is_taken(serving, trusted, kept)
    assert is_taken(certificates.context(settings), trusted, kept)
    assert not is_taken(certificates.context(settings), trusted, lost)


def test_an_authority_that_is_taken_out_lets_nobody_in_though_the_server_runs_on(tmp_path: Path) -> None:
    kept, gone = (ClientAuthority(tmp_path, name) for name in ("kept", "gone"))
    both = tmp_path / "both.pem"
    both.write_bytes(kept.file.read_bytes() + gone.file.read_bytes())
    (_, ours), (_, theirs) = (each.certificate(named(CN="robot")) for each in (kept, gone))
    settings = Settings(state_dir=tmp_path, tls=True, tls_client_ca=str(both))
    serving = certificates.context(settings)
    renewal = certificates.Renewal(settings, serving)
    trusted = tmp_path / "tls" / "ca.pem"
    assert is_taken(serving, trusted, theirs)
    both.write_bytes(kept.file.read_bytes())
    assert renewal.renew()
    assert is_taken(serving, trusted, ours)
    assert not is_taken(serving, trusted, theirs)
    both.write_bytes(b"no authority")
    with pytest.raises(ssl.SSLError):
        renewal.renew()
    assert is_taken(serving, trusted, ours), "what cannot be used changes nothing"
    both.write_bytes(kept.file.read_bytes())
    assert renewal.renew()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_before_is_no_way_around_it(tmp_path: Path, version: ssl.TLSVersion) -> None:
    authority = ClientAuthority(tmp_path)
    gone, file = authority.certificate(named(CN="robot"))
    settings = Settings(state_dir=tmp_path, tls=True, tls_client_ca=str(authority.file))
    serving = certificates.context(settings)
    renewal = certificates.Renewal(settings, serving)
    asking = with_certificate(tmp_path / "tls" / "ca.pem", file)
    asking.maximum_version = version
    first, _ = shaken_hands(serving, asking)
    again, server = shaken_hands(serving, asking, first.session)
    assert again.session_reused
    assert server.getpeercert(binary_form=True), "a session keeps the certificate"
    authority.revoke(gone)
    assert renewal.renew()
    with pytest.raises(ssl.SSLError):
        shaken_hands(serving, asking, first.session)


def test_a_connection_that_began_before_ends_with_its_next_request(tmp_path: Path) -> None:
    authority = ClientAuthority(tmp_path)
    gone, file = authority.certificate(named(CN="robot"))
    with (
        cloud(tmp_path, tls=True, tls_client_ca=str(authority.file), threads=0) as running,
        client(running, file) as asking,
        client(running, None) as other,
    ):
        assert "connection" not in asking.get("/identity/v3").headers
        assert "connection" not in other.get("/identity/v3").headers
        authority.revoke(gone)
        assert running.renewal.renew()
        assert asking.get("/identity/v3").headers["connection"] == "close"
        assert "connection" not in other.get("/identity/v3").headers
        with pytest.raises(httpx.TransportError):
            asking.get("/identity/v3")


def with_certificate(trusted: Path, file: Path) -> ssl.SSLContext:
    """What a client asks with that presents the certificate of a file."""
    made = ssl.create_default_context(cafile=str(trusted))
    made.load_cert_chain(file)
    return made


def shaken_hands(
    serving: ssl.SSLContext, asking: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Client and server after a greeting; the client may go on with a session. Raises SSLError when there is none."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (client, server):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    server.write(b"x")
    client.read(1)  # what tells of the session comes before it
    return client, server


def is_taken(serving: ssl.SSLContext, trusted: Path, file: Path) -> bool:
    """Whether a client with the certificate of that file is let in."""
    try:
        _, server = shaken_hands(serving, with_certificate(trusted, file))
    except ssl.SSLError:
        return False
    return server.getpeercert(binary_form=True) is not None


def test_behind_a_proxy_the_header_counts_that_the_operator_names(tmp_path: Path, authority: ClientAuthority) -> None:
    with cloud(tmp_path, trusted_proxies=["127.0.0.1"], client_certificate_header=HEADER) as running:
        user_id, file = _program(running, authority)
        form = {"grant_type": "client_credentials", "client_id": user_id}
        with httpx.Client(base_url=running.url, trust_env=False, timeout=30) as asking:
            certificate, _, _ = file.read_text().partition("-----BEGIN PRIVATE")
            sent = {HEADER: quote(certificate)}
            answer = asking.post("/identity/v3/OS-OAUTH2/token", data=form, headers=sent)
            assert answer.status_code == 200, answer.text
            bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            assert asking.get("/container/v1/containers", headers={**sent, **bearer}).status_code == 200
            assert asking.get("/container/v1/containers", headers=bearer).status_code == 401


@pytest.mark.thorough
def test_the_released_client_logs_in_by_a_certificate_and_uses_other_services(
    running: RunningCloud, program: tuple[str, Path]
) -> None:
    user_id, file = program
    url = f"{running.url}/identity/v3"
    options = {
        "auth-type": "v3oauth2mtlsclientcredential", "auth-url": url, "oauth2-endpoint": f"{url}/OS-OAUTH2/token",
        "oauth2-client-id": user_id, "cert": str(file), "key": str(file), "cacert": running.settings.authority,
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--os-{name}", value)]

    def said(*command: str) -> Any:
        done = subprocess.run([CLIENT, *words, *command, "-f", "json"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert said("token", "issue")["user_id"] == user_id
    assert "public" in {each["Name"] for each in said("network", "list")}


# -- a service that stands on the cloud, behind OpenStack's own middleware --


@pytest.mark.thorough
def test_keystonemiddleware_lets_in_who_has_the_certificate(running: RunningCloud, program: tuple[str, Path]) -> None:
    user_id, file = program
    running.persona("service", "service")
    tls = running.settings.state_dir / "tls"
    settings = {
        "auth_type": "password", "auth_url": f"{running.url}/identity", "username": "service-of-service",
        "password": "a-long-password", "user_domain_id": "default", "project_name": "service",
        "project_domain_id": "default", "cafile": running.settings.authority, "token_cache_time": "-1",
        "certificate": str(tls / "server.pem"), "key": str(tls / "server.key"),
        "authorities": running.settings.tls_client_ca,
    }  # fmt: skip
    with (
        guarded_over_tls(settings) as port,
        client(running, file) as bound,
        client(running, None) as other,
    ):
        form = {"grant_type": "client_credentials", "client_id": user_id}
        token = bound.post("/identity/v3/OS-OAUTH2/token", data=form).json()["access_token"]
        address, bearer = f"https://127.0.0.1:{port}/", {"Authorization": f"Bearer {token}"}
        answer = bound.get(address, headers=bearer)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["USER_NAME"], answer.json()["PROJECT_NAME"]) == ("program", "demo")
        assert other.get(address, headers=bearer).status_code == 401
        unbound = {"Authorization": f"Bearer {running.demo.token}"}
        assert bound.get(address, headers=unbound).status_code == 401


@contextmanager
def guarded_over_tls(settings: dict[str, str]) -> Iterator[int]:
    """The port of a service that speaks TLS, behind the middleware for bound tokens."""
    command = [SUITES, GUARDED, json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.terminate()
