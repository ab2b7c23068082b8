"""The API over TLS: its own authority, a certificate that is given, and their renewal while it serves."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

import httpx
import pytest
import yaml
from cryptography import x509

from stackyard.kernel.request import certificates
from stackyard.kernel.settings import Settings
from stackyard.testing.cloud import cloud


def settings(folder: Path, **more: object) -> Settings:
    return Settings(state_dir=folder, tls=True, **more)  # type: ignore[arg-type]


def serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def test_a_cloud_of_its_own_authority_is_trusted_by_who_reads_its_clouds_yaml(tmp_path: Path) -> None:
    with cloud(tmp_path, tls=True) as running:
        known = yaml.safe_load((tmp_path / "clouds.yaml").read_text())["clouds"]["stackyard"]
        assert known["auth"]["auth_url"] == f"{running.url}/identity"
        assert running.url.startswith("https://")
        assert f"export OS_CACERT={known['cacert']}" in (tmp_path / "openrc").read_text()
        trusting = ssl.create_default_context(cafile=known["cacert"])
        for name in ("127.0.0.1", "localhost"):
            url = f"https://{name}:{running.settings.port}/identity/v3"
            assert httpx.get(url, verify=trusting, trust_env=False, timeout=30).status_code == 200
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            httpx.get(f"{running.url}/identity/v3", trust_env=False, timeout=30)


def test_what_is_secret_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    certificates.ready(settings(tmp_path))
    folder = tmp_path / "tls"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == dict.fromkeys(
        ("ca.pem", "ca.key", "server.pem", "server.key"), 0o600
    )


def test_the_certificate_stays_until_a_month_before_its_end_and_the_authority_stays_after_it(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    certificate, _ = certificates.ready(settings(tmp_path), now)
    first, authority = serial(certificate), serial(tmp_path / "tls" / "ca.pem")
    certificates.ready(settings(tmp_path), now + timedelta(days=59))
    assert serial(certificate) == first
    certificates.ready(settings(tmp_path), now + timedelta(days=61))
    assert serial(certificate) != first
    assert serial(tmp_path / "tls" / "ca.pem") == authority


def test_another_name_needs_another_certificate(tmp_path: Path) -> None:
    certificate, _ = certificates.ready(settings(tmp_path))
    first = serial(certificate)
    certificates.ready(settings(tmp_path, public_url="https://cloud.example.org"))
    assert serial(certificate) != first
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "cloud.example.org" in names.get_values_for_type(x509.DNSName)


def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    serving = certificates.context(chosen)
    renewal = certificates.Renewal(chosen, serving)
    assert not renewal.renew()
    assert renewal.renew(datetime.now(UTC) + timedelta(days=70))
    assert _served(serving) == serial(tmp_path / "tls" / "server.pem")


def test_a_given_certificate_is_served_and_its_replacement_too(tmp_path: Path) -> None:
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"

    def give() -> None:
        made = certificates.ready(settings(Path(mkdtemp(dir=tmp_path))))
        for theirs, ours in zip(made, paths, strict=True):
            ours.write_bytes(theirs.read_bytes())

    give()
    chosen = Settings(state_dir=tmp_path, tls_cert=str(paths[0]), tls_key=str(paths[1]))
    assert (chosen.serves_tls, chosen.authority) == (True, "")
    serving = certificates.context(chosen)
    renewal = certificates.Renewal(chosen, serving)
    assert _served(serving) == serial(paths[0])
    give()
    assert renewal.renew()
    assert _served(serving) == serial(paths[0])


def _served(serving: ssl.SSLContext) -> int:
    """The serial of the certificate that a client is shown."""
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number
