"""Policy: which caller may do what, in oslo.policy's language, so that operators' policy.yaml files carry over.

Defaults come from the declarations; `<state>/policy/<room>.yaml` overrides them. An unknown rule denies.
"""

import logging
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.resource import Allow, Field
from stackyard.kernel.declare.room import Room
from stackyard.kernel.request.checks import Check, Parsed, compiled, lets_in_all, parse

log = logging.getLogger(__name__)


class RuleBook:
    """One room's rules by name. Each is parsed and made a function when it is first asked for: a start parses none.

    texts: rules as policy files have them, by name. scopes: the scopes of tokens a rule takes (none: any).
    """

    def __init__(self, texts: Mapping[str, Any], scopes: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.texts = texts
        self._scopes = scopes or {}
        self._functions: dict[str, Check] = {}

    @cached_property
    def rules(self) -> Mapping[str, Parsed]:
        """All of them parsed, as oslo.policy's own checks expect them of their enforcer."""
        return {name: parse(text) for name, text in self.texts.items()}

    def check(self, name: str) -> Check | None:
        """A rule as a function; None when there is none of that name."""
        if name not in self._functions and name in self.texts:
            self._functions[name] = compiled(name, parse(self.texts[name]), self.check, self)
        return self._functions.get(name)

    def takes(self, name: str, scope: str) -> bool:
        """Whether the rule takes tokens of that scope at all."""
        scopes = self._scopes.get(name)
        return not scopes or scope in scopes


class Policies:
    """All rooms' rules, by name. Rule names are unique in the cloud, as they are in OpenStack."""

    def __init__(self, rooms: Iterable[Room], overrides: Path | None = None) -> None:
        self._books: dict[str, RuleBook] = {}
        for room in rooms:
            book = _book(room, overrides / f"{room.name}.yaml" if overrides else None)
            for name in book.texts:
                if name in self._books and ":" in name:
                    raise ValueError(f"policy rule {name} is declared by two rooms")
                self._books[name] = book

    def allows(self, name: str, caller: Caller, target: Mapping[str, Any]) -> bool:
        """Whether the named rule lets the caller act on the target. Unknown names deny."""
        book = self._books.get(name)
        check = book.check(name) if book is not None and book.takes(name, caller.scope) else None
        return check is not None and check(target, caller.credentials())


def rules_of(room: Room) -> Iterable[Allow]:
    """Every rule a room declares: its own, its routes', its resources' verbs, actions and attributes."""
    yield from room.policies
    for route in room.routes:
        if route.allow:
            yield route.allow
    for resource in room.resources:
        yield from resource.policy.values()
        yield from (action.allow for action in resource.actions)
        for verb in ("create", "update"):
            if allow := resource.policy.get(verb):
                yield from (attribute_rule(allow, each) for each in resource.all_fields.values() if each.admin)


def attribute_rule(allow: Allow, field: Field) -> Allow:
    """The rule asked when a caller sets an attribute that not everyone may set: `create_port:mac_address`."""
    return Allow(f"{allow.name}:{field.name}", field.admin or "!")


def _book(room: Room, overrides: Path | None) -> RuleBook:
    rules = list(rules_of(room))
    texts: dict[str, Any] = {rule.name: rule.check for rule in rules}
    if overrides and overrides.exists():
        closed = {rule.name for rule in rules if rule.never_open}
        texts |= {name: text for name, text in _read(overrides).items() if name not in closed or not _opens(name, text)}
    return RuleBook(texts, {rule.name: rule.scopes for rule in rules})


def _opens(name: str, text: Any) -> bool:
    if lets_in_all(parse(text)):
        log.warning("policy: %s lets in everybody and is not heeded: the default holds", name)
        return True
    return False


def _read(file: Path) -> dict[str, Any]:
    found = yaml.safe_load(file.read_text()) or {}
    if not isinstance(found, dict):
        raise ValueError(f"{file} is no policy file: it must map names of rules to rules")
    return found
