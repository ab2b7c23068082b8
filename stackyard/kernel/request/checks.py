"""Policy checks made quick: oslo.policy parses them, and here each becomes a plain function, once.

oslo.policy asks Python's `inspect` about every check each time it is asked, and parses its left side again; with five
checks in a rule that took longer than finding the object. What is not known here is left to oslo.policy itself.

Of oslo.policy only the language is loaded. Its enforcer and its check that asks a server would bring oslo.config,
requests and what belongs to them: 10 MB that no rule of ours needs.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, cast

from oslo_policy import _checks as checks
from oslo_policy import _parser as parser

if TYPE_CHECKING:
    from oslo_policy.policy import Enforcer

Credentials = dict[str, Any]
#: What oslo.policy makes of a check string.
Parsed = checks.BaseCheck
#: (target, credentials) -> whether it passes.
Check = Callable[[Mapping[str, Any], Credentials], bool]
#: A rule by its name, None when there is none: "rule:name" looks it up when it is asked.
Rules = Callable[[str], Check | None]


class _Plugins(Mapping[str, Any]):
    """Kinds of checks that other packages bring (`http:` is one), by name. Each is loaded when a rule names it; left to
    itself the parser loads all of them with its first rule."""

    @cached_property
    def _found(self) -> dict[str, EntryPoint]:
        return {each.name: each for each in entry_points(group="oslo.policy.rule_checks")}

    def __getitem__(self, kind: str) -> Any:
        return self._found[kind].load()

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, kind: object) -> bool:
        return kind in self._found


checks.extension_checks = cast(dict[str, Any], _Plugins())


def parse(rule: Any) -> Parsed:
    """A rule as policy files have it: a check string, or lists of checks. One that cannot be understood denies."""
    return parser.parse_rule(rule)


def lets_in_all(check: Parsed) -> bool:
    """Whether the rule is the one that always passes: an empty one, or `@`."""
    return isinstance(check, checks.TrueCheck)


def compiled(name: str, check: Parsed, rules: Rules, book: Any) -> Check:
    """The function of a parsed check. `book`: what checks that are unknown here get as their enforcer."""

    def of(each: Parsed) -> Check:
        return compiled(name, each, rules, book)

    match check:
        case checks.TrueCheck():
            return lambda target, credentials: True
        case checks.FalseCheck():
            return lambda target, credentials: False
        case checks.NotCheck():
            return _inverse(of(check.rule))
        case checks.AndCheck():
            return _all([of(each) for each in check.rules])
        case checks.OrCheck():
            return _any([of(each) for each in check.rules])
        case checks.RuleCheck():
            return _rule(check.match, rules)
        case checks.RoleCheck():
            return _role(check.match)
        case checks.GenericCheck():
            return _generic(check)
    enforcer = cast("Enforcer", book)
    return lambda target, credentials: bool(check(target, credentials, enforcer, name))


def _inverse(inner: Check) -> Check:
    return lambda target, credentials: not inner(target, credentials)


def _all(inner: list[Check]) -> Check:
    def check(target: Mapping[str, Any], credentials: Credentials) -> bool:
        for each in inner:  # noqa: SIM110  a generator would take half of the time
            if not each(target, credentials):
                return False
        return True

    return check


def _any(inner: list[Check]) -> Check:
    def check(target: Mapping[str, Any], credentials: Credentials) -> bool:
        for each in inner:  # noqa: SIM110  a generator would take half of the time
            if each(target, credentials):
                return True
        return False

    return check


def _rule(named: str, rules: Rules) -> Check:
    def check(target: Mapping[str, Any], credentials: Credentials) -> bool:
        rule = rules(named)
        return rule is not None and rule(target, credentials)

    return check


def _role(pattern: str) -> Check:
    wanted = pattern.lower()
    if "%" in pattern:
        return lambda target, credentials: (_filled(pattern, target) or "").lower() in _lower(credentials)
    return lambda target, credentials: wanted in credentials["roles"] or wanted in _lower(credentials)


def _lower(credentials: Credentials) -> list[str]:
    return [each.lower() for each in credentials["roles"]]


def _generic(check: checks.GenericCheck) -> Check:
    pattern = check.match
    try:
        literal = str(ast.literal_eval(check.kind))
    except ValueError:
        return _credential(check, pattern)
    return lambda target, credentials: _filled(pattern, target) == literal


def _credential(check: checks.GenericCheck, pattern: str) -> Check:
    path = check.kind.split(".")
    find = check._find_in_dict

    def passes(target: Mapping[str, Any], credentials: Credentials) -> bool:
        wanted = _filled(pattern, target)
        return wanted is not None and bool(find(credentials, path, wanted))

    return passes


def _filled(pattern: str, target: Mapping[str, Any]) -> str | None:
    """The right side of a check with the target's values; None when the target does not have one."""
    try:
        return pattern % target
    except KeyError:
        return None
