"""`stackyard identity map | providers`: federation tried without a server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from stackyard.cli.main import main
from tests.rooms.identity import oidc_provider
from tests.rooms.identity.oidc_provider import Provider

RULES = [
    {
        "local": [{"user": {"name": "{0}"}}, {"group_ids": "{1}"}],
        "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-groups", "whitelist": ["dev", "ops"]}],
    }
]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"mapping": {"rules": RULES, "schema_version": "2.0"}}))
    return path


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("OIDC-sub: jane\nOIDC-groups: dev;hr;ops\n", []),
        ('{"OIDC-sub": "jane", "OIDC-groups": ["dev", "hr", "ops"]}', []),
        ('{"sub": "jane", "groups": ["dev", "hr", "ops"]}', ["--claims"]),
    ],
)
def test_a_mapping_is_tried_on_lines_on_json_and_on_claims(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, more: list[str]
) -> None:
    given = tmp_path / "input"
    given.write_text(text)
    assert main(["identity", "map", "--rules", str(rules), "--input", str(given), *more]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["user"]["name"], found["group_ids"]) == ("jane", ["dev", "ops"])


def test_a_refusal_names_the_rule(rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = tmp_path / "input"
    given.write_text("OIDC-sub: jane\n")
    assert main(["identity", "map", "--rules", str(rules), "--input", str(given)]) == 1
    assert "rule 0 needs the attribute OIDC-groups" in capsys.readouterr().out
    rules.write_text("[}")
    assert main(["identity", "map", "--rules", str(rules), "--input", str(given)]) == 2
    assert "is not JSON" in capsys.readouterr().err


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with oidc_provider.provider() as running:
        yield running


def test_providers_are_asked_and_what_is_wrong_is_told(
    acme: Provider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "federation.yaml"
    path.touch(mode=0o600)
    good = {"issuer": acme.url, "client_id": "x"}
    gone = {"issuer": "http://127.0.0.1:1", "client_id": "x"}
    path.write_text(yaml.safe_dump({"providers": {"acme": {"openid": good, "saml2": {"proxy": True}}}}))
    assert main(["identity", "providers", "--state", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert f"acme/openid              {acme.url}: 1 keys; authorization, token, userinfo" in told
    path.write_text(yaml.safe_dump({"providers": {"acme": {"openid": gone}}}))
    assert main(["identity", "providers", "--state", str(tmp_path)]) == 1
    assert "does not answer" in capsys.readouterr().out
    path.write_text(yaml.safe_dump({"providers": {"acme": {"openid": {"issuer": "https://x"}}}}))
    assert main(["identity", "providers", "--state", str(tmp_path)]) == 2
    assert "providers.acme.openid" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("section", "status", "told"),
    [
        ({"entity_id": "urn:west", "certificates": ["PEM"]}, 0, "urn:west: 1 certificates; SAML 2.0, programs"),
        ({"entity_id": "urn:west", "certificates": ["PEM"], "accept_sha1": True}, 0, "programs; SHA-1 counts"),
        (
            {"entity_id": "urn:west", "certificates": ["PEM"], "sso_endpoint": "https://west.test/sso"},
            0,
            "browsers at https://west.test/sso",
        ),
        (
            {"entity_id": "urn:west", "certificates": ["PEM"], "sso_endpoint": "http://west.test/sso"},
            2,
            "`sso_endpoint` must begin with https://",
        ),
        ({"entity_id": "urn:west"}, 2, "must hold what the provider signs with"),
        ({"entity_id": "", "certificates": ["PEM"]}, 2, "what the provider calls itself"),
        ({"entity_id": "urn:west", "certificates": ["no"]}, 2, "must be in PEM"),
        ({"entity_id": "urn:west", "certificate_file": "nowhere.pem"}, 1, "nowhere.pem"),
    ],
)
def test_providers_of_assertions_need_a_name_and_certificates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], section: dict[str, Any], status: int, told: str
) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(1)).sign(key, SHA256())
    pem = made.public_bytes(Encoding.PEM).decode()
    if "certificates" in section:
        section = {**section, "certificates": [pem if each == "PEM" else each for each in section["certificates"]]}
    path = tmp_path / "federation.yaml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump({"providers": {"west": {"saml2": section}}}))
    assert main(["identity", "providers", "--state", str(tmp_path)]) == status
    printed = capsys.readouterr()
    assert told in printed.out + printed.err


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"key_file": "x"}, "go together"),
        ({"assertion_lifetime": 0}, "from 1 to 86400"),
        ({"contact": {"type": "friend"}}, "friend"),
        ({"other": 1}, "other"),
    ],
)
def test_how_a_cloud_vouches_is_read_strictly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], section: dict[str, Any], told: str
) -> None:
    path = tmp_path / "federation.yaml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump({"saml": section}))
    assert main(["identity", "providers", "--state", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err
