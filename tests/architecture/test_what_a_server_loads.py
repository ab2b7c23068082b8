"""What a server has loaded once it answers: no library that only some clouds need, or only some moments."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: Libraries, and the moment at which they are loaded.
LATER = {
    "cryptography.x509": "with the first certificate: TLS, other machines' nodes, SAML, OAuth by certificate",
    "alembic": "never: migrations are made by a process of their own (kernel/storage/apart.py)",
    "falcon": "never: it is for tests",
    "docker": "when this host's node is connected, with the driver of containers",
    "hypothesis": "never: it is for tests",
    "jwt": "with the first assertion of an OpenID Connect provider",
    "ldap3": "with the first domain that has a directory",
    "lxml": "with the first SAML assertion",
    "netaddr": "never: what needs it is oslo.config",
    "opentelemetry": "where an exporter is set",
    "oslo_config": "never: of oslo.policy only the language is loaded (kernel/request/checks.py)",
    "psycopg": "where the database is PostgreSQL",
    "pycadf": "never: it judges audit events in tests",
    "pyroute2": "when this host's node is connected, with the driver of networks",
    "pytest": "never: it is for tests",
    "requests": "with the driver of containers, an audit endpoint or a provider of identities",
    "rich": "never: it is for people who read a terminal",
    "signxml": "with the first SAML assertion",
    "sqlalchemy.dialects.postgresql": "where the database is PostgreSQL",
    "sqlalchemy.orm": "never: rows are records",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules of a new cloud's server once somebody has logged in and made a network."""
    return modules(tmp_path_factory.mktemp("cloud"), "all")


def modules(folder: Path, services: str) -> set[str]:
    """The modules of a server of these services."""
    program = Path(__file__).with_name("serving.py")
    words = [sys.executable, str(program), str(folder), services]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("library", LATER)
def test_a_server_that_answers_has_not_loaded(loaded: set[str], library: str) -> None:
    assert library not in loaded, f"it is to be loaded {LATER[library]}"


def test_what_a_server_needs_is_loaded_before_it_is_asked(loaded: set[str]) -> None:
    assert {"stackyard.rooms.identity.facade", "cryptography.fernet", "sqlalchemy.dialects.sqlite"} <= loaded


@pytest.mark.parametrize("services", [("identity",), ("identity", "placement")], ids="+".join)
def test_of_services_that_are_not_served_nothing_is_loaded(tmp_path: Path, services: tuple[str, ...]) -> None:
    rooms = {name.split(".")[2] for name in modules(tmp_path, ",".join(services)) if name.count(".") > 1
             and name.startswith("stackyard.rooms.")}  # fmt: skip
    assert rooms == set(services)
