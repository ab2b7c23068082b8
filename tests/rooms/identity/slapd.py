"""An OpenLDAP server of one's own for tests: Debian's slapd on loopback, as a child, its data in a folder that goes."""

import datetime
import ipaddress
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ldap3
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from stackyard.testing.cloud import free_port

PROGRAM = "/usr/sbin/slapd"
SUFFIX = "dc=example,dc=org"
ROOT, READER, SECRET = f"cn=root,{SUFFIX}", f"cn=reader,{SUFFIX}", "sesame"
PEOPLE, TEAMS = f"ou=Users,{SUFFIX}", f"ou=UserGroups,{SUFFIX}"
#: What the server tells at once to whoever does not ask page by page.
LIMIT = 50


class Slapd:
    """A running server. `url` speaks plain LDAP and StartTLS, `tls_url` TLS from the first byte; `ca`: the file of the
    certificate that both have."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        port, tls_port = free_port(), free_port()
        self.url, self.tls_url = f"ldap://127.0.0.1:{port}", f"ldaps://127.0.0.1:{tls_port}"
        self.ca = folder / "cert.pem"
        _certificate(folder)
        (folder / "data").mkdir()
        (folder / "slapd.conf").write_text(_configuration(folder))
        # A copy, for Ubuntu's AppArmor lets the one in /usr/sbin read nothing of a test's.
        shutil.copy2(PROGRAM, folder / "slapd")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        program, configuration = str(self._folder / "slapd"), str(self._folder / "slapd.conf")
        command = [program, "-d", "0", "-f", configuration, "-h", f"{self.url}/ {self.tls_url}/"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 30
        while True:
            try:
                self.root().unbind()
                return
            except ldap3.core.exceptions.LDAPException:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.02)

    def stop(self) -> None:
        """End it; its data stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def root(self) -> Any:
        """A connection that may do everything."""
        return ldap3.Connection(ldap3.Server(self.url, get_info=ldap3.NONE), ROOT, SECRET, auto_bind=True)

    def add(self, dn: str, kind: str | list[str], **attributes: Any) -> str:
        """An entry."""
        with self.root() as connection:
            assert connection.add(dn, kind, attributes), connection.result
        return dn

    def person(self, uid: str, **more: Any) -> str:
        """Somebody whose password is their uid, twice."""
        given = {"cn": uid.title(), "sn": uid, "mail": f"{uid}@example.org", "userPassword": uid * 2, **more}
        return self.add(f"uid={uid},{PEOPLE}", "inetOrgPerson", uid=uid, **given)

    def team(self, name: str, *members: str, **more: Any) -> str:
        """A group of these entries."""
        return self.add(f"cn={name},{TEAMS}", "groupOfNames", cn=name, member=list(members), **more)

    def change(self, dn: str, **attributes: Any) -> None:
        """Other values for these attributes."""
        wanted = {name: [(ldap3.MODIFY_REPLACE, values)] for name, values in attributes.items()}
        with self.root() as connection:
            assert connection.modify(dn, wanted), connection.result

    def remove(self, dn: str) -> None:
        """The entry goes."""
        with self.root() as connection:
            assert connection.delete(dn), connection.result

    def options(self, **more: Any) -> dict[str, Any]:
        """How a domain is connected to it."""
        return {
            "url": self.url, "user": READER, "password": SECRET, "suffix": SUFFIX, "user_id_attribute": "uid",
            "user_name_attribute": "uid", "group_name_attribute": "cn", "user_enabled_attribute": "employeeType",
            "page_size": 20, **more,
        }  # fmt: skip


@contextmanager
def slapd(folder: Path) -> Iterator[Slapd]:
    """A server with the suffix, its reader and two empty trees."""
    server = Slapd(folder)
    server.start()
    try:
        server.add(SUFFIX, ["dcObject", "organization"], dc="example", o="Example")
        server.add(READER, ["simpleSecurityObject", "organizationalRole"], cn="reader", userPassword=SECRET)
        for tree in (PEOPLE, TEAMS):
            server.add(tree, "organizationalUnit", ou=tree.split(",")[0][3:])
        yield server
    finally:
        server.stop()


def _configuration(folder: Path) -> str:
    return f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
TLSCACertificateFile {folder}/cert.pem
sizelimit size.soft={LIMIT} size.hard={LIMIT} size.prtotal=unlimited
database mdb
suffix {SUFFIX}
rootdn {ROOT}
rootpw {SECRET}
directory {folder}/data
dbnosync
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact={READER} read by anonymous auth by * none
"""


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "directory")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True).sign(key, SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(secret)
