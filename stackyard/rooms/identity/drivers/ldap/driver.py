"""An LDAP directory behind the contract. It is only read, and bound to: whoever keeps it changes it in their own ways.

Source: RFC 4511, RFC 4515 (filters), RFC 4513 section 5.1.2 (a bind with an empty password proves nothing).
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ldap3

from stackyard.rooms.identity.driver import Everything, Misconfigured, Person, Team
from stackyard.rooms.identity.drivers.ldap import entries
from stackyard.rooms.identity.drivers.ldap.connections import Connections
from stackyard.rooms.identity.drivers.ldap.entries import Attributes, equals, place, within
from stackyard.rooms.identity.drivers.ldap.options import Tree, read

_SUCCESS, _NO_SUCH_OBJECT, _SIZE_LIMIT, _ADMIN_LIMIT = 0, 32, 4, 11
#: How many groups are asked about in one filter.
_AT_ONCE = 50


class LdapDirectory:
    """A directory, by the options of its domain. Raises Misconfigured for options that cannot be."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._options = read(given)
        self._connections = Connections(self._options)

    def find(self, *, name: str | None = None, local_id: str | None = None) -> Person | None:
        """See Directory."""
        tree = self._options.people
        wanted = equals(tree.name, name) if name is not None else equals(tree.id, local_id or "")
        found = self._search(tree, wanted, *self._about_people())
        if len(found) != 1:
            return None
        return entries.person(self._options, found[0], self._enabled_by_group(found[0].dn))

    def prove(self, person: Person | None, password: str) -> bool:
        """See Directory."""
        nobody = f"{self._options.people.id}={secrets.token_hex(8)},{self._options.people.base}"
        # An empty password would be let in as a stranger, which proves nothing; one that nobody has takes its place.
        let_in = self._connections.may_bind(person.place if person else nobody, password or secrets.token_hex(16))
        return let_in and person is not None and bool(password)

    def teams_of(self, person: Person) -> Sequence[Team]:
        """See Directory."""
        member = person.local_id if self._options.members_are_ids else person.place
        found: dict[str, Attributes] = {}
        asked = [member]
        while asked:
            fresh = {place(each.dn): each for each in self._teams_with(asked)}
            asked = [each.dn for at, each in fresh.items() if at not in found] if self._options.nested else []
            found |= fresh
        teams = (entries.team(self._options, each) for each in found.values())
        return [each for each in teams if each is not None]

    def everything(self) -> Everything:
        """See Directory."""
        enabled = self._enabled_by_group(None)
        at: dict[str, Person] = {}
        for found in self._search(self._options.people, "", *self._about_people()):
            person = entries.person(self._options, found, enabled)
            if person is not None:
                at[place(found.dn)] = person
        return Everything(people=list(at.values()), teams=self._all_teams(at))

    def close(self) -> None:
        """See Directory."""
        self._connections.close()

    def _about_people(self) -> tuple[str | None, ...]:
        return self._options.email, self._options.default_project, self._options.enabled.attribute

    def _teams_with(self, members: Sequence[str]) -> list[Attributes]:
        found = []
        for start in range(0, len(members), _AT_ONCE):
            some = [equals(self._options.member, each) for each in members[start : start + _AT_ONCE]]
            found += self._search(self._options.teams, entries.any_of(some))
        return found

    def _all_teams(self, people: Mapping[str, Person]) -> list[Team]:
        found = {place(each.dn): each for each in self._search(self._options.teams, "", self._options.member)}
        teams = (entries.team(self._options, each, self._members(each, found, people)) for each in found.values())
        return [each for each in teams if each is not None]

    def _members(
        self, team: Attributes, teams: Mapping[str, Attributes], people: Mapping[str, Person]
    ) -> Iterable[str]:
        """The local ids of a group's people; groups may be within one another in circles."""
        if self._options.members_are_ids:
            return team.all(self._options.member)
        seen, waiting, members = {place(team.dn)}, [team], []
        while waiting:
            for at in map(place, waiting.pop().all(self._options.member)):
                if at in people:
                    members.append(people[at].local_id)
                elif self._options.nested and at in teams and at not in seen:
                    seen.add(at)
                    waiting.append(teams[at])
        return members

    def _enabled_by_group(self, dn: str | None) -> set[str]:
        """The places of those whom the group of enabled users names: of all, or of one."""
        rules = self._options.enabled
        if rules.group is None:
            return set()
        wanted = equals(rules.group_member, dn) if dn else "(objectClass=*)"
        found = self._found(rules.group, wanted, ldap3.BASE, [rules.group_member], missing_is_empty=True)
        named = {place(each) for entry in found for each in entry.all(rules.group_member)}
        return named & {place(dn)} if dn else named

    def _search(self, tree: Tree, condition: str, *more: str | None) -> list[Attributes]:
        scope = ldap3.SUBTREE if self._options.subtree else ldap3.LEVEL
        asked = entries.attributes(self._options, tree, *more)
        return self._found(tree.base, within(tree, condition), scope, asked)

    def _found(
        self, base: str, wanted: str, scope: Any, asked: Sequence[str], *, missing_is_empty: bool = False
    ) -> list[Attributes]:
        def question(connection: Any) -> list[Attributes]:
            return [
                Attributes(each)
                for page in self._pages(connection, base, wanted, scope, asked, missing_is_empty)
                for each in page
                if each["type"] == "searchResEntry"
            ]

        return self._connections.ask(question)

    def _pages(
        self, connection: Any, base: str, wanted: str, scope: Any, asked: Sequence[str], missing_is_empty: bool
    ) -> Iterable[list[Any]]:
        size, cookie = self._options.page_size or None, None
        while True:
            connection.search(base, wanted, scope, attributes=asked, paged_size=size, paged_cookie=cookie)
            code = connection.result["result"]
            if code == _NO_SUCH_OBJECT and missing_is_empty:
                return
            if code != _SUCCESS:
                raise Misconfigured(_said(code, base, connection.result["description"]))
            yield connection.response
            controls = connection.result.get("controls") or {}
            cookie = controls.get("1.2.840.113556.1.4.319", {}).get("value", {}).get("cookie") if size else None
            if not cookie:
                return


def _said(code: int, base: str, description: str) -> str:
    if code == _NO_SUCH_OBJECT:
        return f"user_tree_dn, group_tree_dn, suffix: there is no {base} in the directory"
    if code in (_SIZE_LIMIT, _ADMIN_LIMIT):
        return "page_size: the directory tells no more at once; set it to less than the directory's limit (100, say)"
    return f"the directory does not answer what is below {base}: {description}"
