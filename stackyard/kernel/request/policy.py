"""Policy: which caller may do what, in oslo.policy's language, so that operators' policy.yaml files carry over.

Defaults come from the declarations; `<state>/policy/<room>.yaml` overrides them. An unknown rule denies.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oslo_policy import policy as oslo

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.resource import Allow, Field
from stackyard.kernel.declare.room import Room
from stackyard.kernel.request.checks import Check, compiled


@dataclass(frozen=True)
class RuleBook:
    """One room's rules: parsed, in the form oslo.policy's checks expect of their enforcer, and as functions."""

    rules: oslo.Rules
    checks: Mapping[str, Check]
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Policies:
    """All rooms' rules, by name. Rule names are unique in the cloud, as they are in OpenStack."""

    def __init__(self, rooms: Iterable[Room], overrides: Path | None = None) -> None:
        self._books: dict[str, RuleBook] = {}
        for room in rooms:
            book = _book(room, overrides / f"{room.name}.yaml" if overrides else None)
            for name in book.rules:
                if name in self._books and ":" in name:
                    raise ValueError(f"policy rule {name} is declared by two rooms")
                self._books[name] = book

    def allows(self, name: str, caller: Caller, target: Mapping[str, Any]) -> bool:
        """Whether the named rule lets the caller act on the target. Unknown names deny."""
        book = self._books.get(name)
        if book is None or caller.scope not in (book.scopes.get(name) or (caller.scope,)):
            return False
        return book.checks[name](dict(target), caller.credentials())


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
    checks = {rule.name: oslo.RuleDefault(rule.name, rule.check).check for rule in rules}
    if overrides and overrides.exists():
        checks.update(oslo.Rules.load(overrides.read_text()))
    functions: dict[str, Check] = {}
    book = RuleBook(oslo.Rules(checks), functions, {rule.name: rule.scopes for rule in rules})
    functions.update({name: compiled(name, check, functions, book) for name, check in checks.items()})
    return book
