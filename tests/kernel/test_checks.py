"""Compiled policy checks decide as oslo.policy does."""

import random
from typing import Any, cast

import pytest
from oslo_policy import policy as oslo

from stackyard.kernel.request.policy import RuleBook

RULES = {
    "yes": "@",
    "no": "!",
    "admin": "role:admin",
    "owner": "project_id:%(project_id)s",
    "deep": "token.project.domain.id:%(target.domain)s",
    "listed": "token.groups:%(group)s",
    "shared": "True:%(shared)s",
    "word": "'on':%(state)s",
    "nothing": "None:%(state)s",
    "role of target": "role:%(wanted_role)s",
    "either": "rule:admin or (rule:owner and role:Member)",
    "not": "not rule:shared",
    "unknown": "rule:there_is_no_such_rule",
    "none of a target": "user_id:%(missing)s",
    "mixed": "(role:reader and system_scope:all) or (rule:deep and not rule:word) or rule:listed",
}


def _callers(rng: random.Random) -> dict[str, Any]:
    return {
        "project_id": rng.choice(["p", "q", None]),
        "user_id": rng.choice(["u", None]),
        "system_scope": rng.choice(["all", None]),
        "roles": rng.sample(["admin", "MEMBER", "reader", "service"], rng.randint(0, 3)),
        "token": rng.choice([{}, {"project": {"domain": {"id": "d"}}}, {"groups": ["g", "h"]}]),
    }


def _targets(rng: random.Random) -> dict[str, Any]:
    whole = {
        "project_id": rng.choice(["p", "q", None]), "target.domain": rng.choice(["d", "e"]), "group": "g",
        "shared": rng.choice([True, False]), "state": rng.choice(["on", "off", None]), "wanted_role": "Reader",
    }  # fmt: skip
    return {name: value for name, value in whole.items() if rng.random() < 0.8}


@pytest.mark.parametrize("name", RULES)
def test_a_compiled_check_decides_as_the_parsed_one(name: str) -> None:
    book, rng = RuleBook(RULES), random.Random(name)
    check = book.check(name)
    assert check is not None
    seen = set()
    for _ in range(300):
        caller, target = _callers(rng), _targets(rng)
        expected = bool(book.rules[name](target, caller, cast(oslo.Enforcer, book), name))
        assert check(target, caller) is expected, (RULES[name], caller, target)
        seen.add(expected)
    constant = {"yes", "no", "unknown", "none of a target"}
    assert name in constant or seen == {True, False}, "the test must have seen it pass and fail"
