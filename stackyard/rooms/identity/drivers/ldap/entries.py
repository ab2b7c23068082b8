"""Entries of an LDAP directory as people and teams, and the filters that find them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import parse_dn

from stackyard.rooms.identity.driver import Person, Team
from stackyard.rooms.identity.drivers.ldap.options import Enabled, LdapOptions, Tree

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def equals(attribute: str, value: str) -> str:
    """The filter of entries whose attribute has this value, whatever characters it has: none of them is an operator."""
    return f"({attribute}={escape_filter_chars(value)})"


def within(tree: Tree, *conditions: str) -> str:
    """The filter of a tree's entries that meet all conditions."""
    return f"(&(objectClass={escape_filter_chars(tree.object_class)}){tree.filter}{''.join(conditions)})"


def any_of(conditions: Sequence[str]) -> str:
    """The filter of entries that meet one of the conditions."""
    return f"(|{''.join(conditions)})"


def place(dn: str) -> str:
    """A distinguished name in the one way in which we compare them."""
    try:
        return ",".join(f"{kind.lower()}={value.lower()}" for kind, value, _ in parse_dn(dn, strip=True))
    except Exception:  # ldap3 raises several kinds for what is no DN: then it equals itself only.
        return dn.lower()


def attributes(options: LdapOptions, tree: Tree, *more: str | None) -> list[str]:
    """What is asked for of each entry."""
    named = [tree.id, tree.name, tree.description, *tree.additional, *(each for each in more if each)]
    return list(dict.fromkeys(named))


class Attributes:
    """An entry's values by attribute, whose names know no case."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.dn = str(entry["dn"])
        self._values = {name.lower(): values for name, values in entry["raw_attributes"].items()}

    def all(self, name: str) -> list[str]:
        """Every value, as text."""
        return [each.decode("utf-8", "replace").replace("\0", "") for each in self._values.get(name.lower(), [])]

    def first(self, name: str | None) -> str | None:
        """The first value, or None."""
        values = self.all(name) if name else []
        return values[0] if values and values[0] else None


def person(options: LdapOptions, found: Attributes, enabled_here: Iterable[str] = ()) -> Person | None:
    """A user, unless the entry lacks their id or name. `enabled_here`: the places of those who are, where a group says
    so."""
    tree = options.people
    local_id, name = found.first(tree.id), found.first(tree.name)
    if local_id is None or name is None:
        return None
    at = place(found.dn)
    return Person(
        local_id=local_id, name=name, place=found.dn,
        enabled=at in enabled_here if options.enabled.group else _enabled(options.enabled, found),
        description=_taken(tree, "description", found.first(tree.description)),
        email=_taken(tree, "email", found.first(options.email)),
        default_project_id=_taken(tree, "default_project_id", found.first(options.default_project)),
        extra=_additional(tree, found),
    )  # fmt: skip


def team(options: LdapOptions, found: Attributes, members: Iterable[str] = ()) -> Team | None:
    """A group, unless the entry lacks its id or name."""
    tree = options.teams
    local_id, name = found.first(tree.id), found.first(tree.name)
    if local_id is None or name is None:
        return None
    about = _taken(tree, "description", found.first(tree.description))
    return Team(
        local_id=local_id, name=name, description=about, extra=_additional(tree, found),
        members=sorted(set(members)),
    )  # fmt: skip


def _taken(tree: Tree, attribute: str, value: str | None) -> str | None:
    return None if attribute in tree.ignored else value


def _additional(tree: Tree, found: Attributes) -> dict[str, Any]:
    told = {there: found.first(here) for here, there in tree.additional.items() if there not in tree.ignored}
    return {there: value for there, value in told.items() if value is not None}


def _enabled(rules: Enabled, found: Attributes) -> bool:
    said = found.first(rules.attribute) or rules.default
    if rules.mask:
        number = int(said) if said.lstrip("-").isdecimal() else 0
        return number & rules.mask != rules.mask
    is_set = said.lower() in _TRUE or (said.lower() not in _FALSE and rules.default.lower() in _TRUE)
    return is_set is not rules.invert
