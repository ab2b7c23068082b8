"""LDAP keeps the contract, over a real slapd."""

from collections.abc import Iterator
from contextlib import suppress

import ldap3
import pytest
from ldap3.utils.dn import escape_rdn

from stackyard.rooms.identity.drivers.ldap.driver import LdapDirectory
from stackyard.rooms.identity.resources.domain_config.store import completed
from stackyard.testing.directory import DirectoryConformance, Kit
from tests.rooms.identity.slapd import PEOPLE, TEAMS, Slapd, slapd

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with slapd(tmp_path_factory.mktemp("slapd")) as server:
        yield server


class TestLdapDirectory(DirectoryConformance):
    @pytest.fixture
    def kit(self, running: Slapd) -> Iterator[Kit]:
        def at(name: str) -> str:
            return f"uid={escape_rdn(name)},{PEOPLE}"

        def put(name: str, password: str) -> None:
            with running.root() as connection:
                connection.delete(at(name))
            running.add(at(name), "inetOrgPerson", uid=name, cn="somebody", sn="x", userPassword=password)

        def team(name: str, members: list[str]) -> None:
            with running.root() as connection:
                connection.delete(f"cn={name},{TEAMS}")
            running.team(name, *(at(each) for each in members))

        options = completed({"ldap": running.options()})["ldap"]
        directory = LdapDirectory(options)
        yield Kit(
            directory=directory, reopen=lambda: LdapDirectory(options), put=put,
            disable=lambda name: running.change(at(name), employeeType="FALSE"), team=team,
            remove=lambda name: running.remove(at(name)), stop=running.stop, start=running.start,
        )  # fmt: skip
        directory.close()
        _empty(running)


def _empty(server: Slapd) -> None:
    with suppress(ldap3.core.exceptions.LDAPSocketOpenError), server.root() as connection:
        for tree in (PEOPLE, TEAMS):
            connection.search(tree, "(objectClass=*)", ldap3.LEVEL)
            for each in list(connection.response):
                connection.delete(each["dn"])
