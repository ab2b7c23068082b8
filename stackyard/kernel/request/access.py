"""Access rules: the only requests that a token may be used for, where its owner has named them.

In a pattern `*` and `{name}` stand for one or more characters of one part of the path, `**` for any number of parts.
Everything else stands for itself. Source: Keystone's application credentials, "Access rules"."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from stackyard.kernel.caller import AccessRule

#: Longer than any path that a service has; matching takes time in proportion to path and pattern.
_LONGEST = 2048
_TOKEN = re.compile(r"\*\*|\*|\{[^{}/]*\}|.", re.DOTALL)
_ANY, _PART = "**", "*"


def permitted(rules: Iterable[AccessRule], services: Sequence[str], base: str, method: str, path: str) -> bool:
    """Whether any of the rules names this request. `services`: the types of the service that is asked; `base`: where it
    lives. A rule's path may begin there or, as people write it, at the service's own root."""
    if len(path) > _LONGEST:
        return False
    own = path.removeprefix(base) if path.startswith(f"{base}/") else path
    return any(
        rule.service in services and rule.method == method and (matches(rule.path, own) or matches(rule.path, path))
        for rule in rules
    )


def matches(pattern: str, path: str) -> bool:
    """Whether a path is one of those that the pattern names. No pattern makes it slow: every position of the pattern is
    tried with a character once."""
    tokens = _tokens(pattern)
    reached = _past_any(tokens, {0})
    for letter in path:
        ahead: set[int] = set()
        for at in reached:
            if at < len(tokens):
                ahead |= _read(tokens[at], at, letter)
        reached = _past_any(tokens, ahead)
        if not reached:
            return False
    return len(tokens) in reached


def _read(token: str, at: int, letter: str) -> set[int]:
    if token == _ANY:
        return {at}
    if token == _PART:
        return {at, at + 1} if letter != "/" else set()
    return {at + 1} if token == letter else set()


def _past_any(tokens: Sequence[str], reached: set[int]) -> set[int]:
    """`**` may stand for nothing."""
    waiting = list(reached)
    while waiting:
        at = waiting.pop()
        if at < len(tokens) and tokens[at] == _ANY and at + 1 not in reached:
            reached.add(at + 1)
            waiting.append(at + 1)
    return reached


@lru_cache(maxsize=1024)
def _tokens(pattern: str) -> tuple[str, ...]:
    found = (each.group() for each in _TOKEN.finditer(pattern))
    return tuple(_PART if each.startswith("{") and len(each) > 1 else each for each in found)
