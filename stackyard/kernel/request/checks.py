"""Policy checks made quick: oslo.policy parses them, and here each becomes a plain function, once.

oslo.policy asks Python's `inspect` about every check each time it is asked, and parses its left side again; with five
checks in a rule that took longer than finding the object. What is not known here is left to oslo.policy itself.
"""

import ast
from collections.abc import Callable, Mapping
from typing import Any, cast

from oslo_policy import _checks as checks
from oslo_policy import policy as oslo

Credentials = dict[str, Any]
#: What oslo.policy makes of a check string.
Parsed = checks.BaseCheck
#: (target, credentials) -> whether it passes.
Check = Callable[[Mapping[str, Any], Credentials], bool]
#: A rule by its name, None when there is none: "rule:name" looks it up when it is asked.
Rules = Callable[[str], Check | None]


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
    enforcer = cast(oslo.Enforcer, book)
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
