"""The mapping language, read: rules as callers write them into rules that `engine` applies.

A mapping is a list of rules. Each has `remote` conditions on an assertion, and what is `local` when all of them hold;
`{0}`, `{1}` in it stand for the values of the conditions that give values, in order. Pure; raises BadRequest that names
the rule and the member at fault. Source: Keystone's federation guide, "Mapping Combinations", schema versions 1.0, 2.0
(projects may name their domain; `domain` is everybody's default) and 3.0 (`projects_json`; roles follow the provider).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stackyard.kernel.declare.kinds import Boolean, Kind, ListOf, Object, OneOf, Text, invalid
from stackyard.kernel.errors import BadRequest

VERSIONS = ("1.0", "2.0", "3.0")
DEFAULT_VERSION = "1.0"

Test = Literal["any_one_of", "not_any_of", "blacklist", "whitelist"]
_TESTS: tuple[Test, ...] = ("any_one_of", "not_any_of", "blacklist", "whitelist")

_TEXT = Text(max=None)
_DOMAIN = Object({"id": _TEXT, "name": _TEXT})
_ROLES = ListOf(Object({"name": _TEXT}, required=["name"]))
_USER = Object(
    {"id": _TEXT, "name": _TEXT, "email": _TEXT, "domain": _DOMAIN, "type": OneOf("ephemeral", "local")},
)
_PROJECT = {"name": _TEXT, "roles": _ROLES}
_PROJECTS_V1 = ListOf(Object(_PROJECT, required=["name", "roles"]))
PROJECTS = ListOf(Object({**_PROJECT, "domain": _DOMAIN}, required=["name", "roles"]))
NAMED_GROUP = Object({"name": _TEXT, "domain": _DOMAIN}, required=["name", "domain"])
_GROUP = Object({"id": _TEXT, "name": _TEXT, "domain": _DOMAIN})
_REMOTE = Object({"type": Text(min=1, max=None), "regex": Boolean()} | dict.fromkeys(_TESTS, ListOf(_TEXT)),
                 required=["type"])  # fmt: skip
_RULE = Object({"local": ListOf(Object({}, extra=True)), "remote": ListOf(_REMOTE)}, required=["local", "remote"])

#: A placeholder, or a brace that stands for itself.
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\d*)\}")
_JSON_PLACEHOLDER = re.compile(r"\{?(\d+)\}?")


@dataclass(frozen=True)
class Condition:
    """One remote condition: the attribute it looks at, and what it demands or lets through."""

    type: str
    test: Test | None
    values: tuple[str, ...]
    patterns: tuple["re.Pattern[str]", ...] | None

    @property
    def gives(self) -> bool:
        """Whether its values may stand for a placeholder; demands give none."""
        return self.test not in ("any_one_of", "not_any_of")


@dataclass(frozen=True)
class Rule:
    """One rule: `number` counts from 0, as the paths of errors do."""

    number: int
    remote: tuple[Condition, ...]
    local: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Rules:
    """A whole mapping."""

    version: str
    rules: tuple[Rule, ...]

    @property
    def types(self) -> set[str]:
        """The attributes of an assertion that any rule looks at."""
        return {condition.type for rule in self.rules for condition in rule.remote}


def read(rules: Any, version: str = DEFAULT_VERSION) -> Rules:
    """The rules of a mapping. Raises BadRequest naming the rule."""
    if version not in VERSIONS:
        raise invalid("schema_version", f"'{version}' is not one of {', '.join(VERSIONS)}.")
    if not isinstance(rules, list) or not rules:
        raise invalid("rules", "must be a list with at least one rule.")
    return Rules(version, tuple(_rule(number, each, version) for number, each in enumerate(rules)))


def _rule(number: int, raw: Any, version: str) -> Rule:
    path = f"rules.{number}"
    parsed = _RULE.parse(raw, path, True)
    if not parsed["remote"]:
        raise invalid(f"{path}.remote", "must have at least one condition.")
    remote = tuple(_condition(each, f"{path}.remote.{index}") for index, each in enumerate(parsed["remote"]))
    given = sum(condition.gives for condition in remote)
    local = tuple(_local(each, f"{path}.local.{index}", version) for index, each in enumerate(parsed["local"]))
    for index, each in enumerate(local):
        _check_placeholders(each, f"{path}.local.{index}", given)
    return Rule(number, remote, local)


def _condition(raw: Mapping[str, Any], path: str) -> Condition:
    tests = [each for each in _TESTS if each in raw]
    if len(tests) > 1:
        raise invalid(path, f"{' and '.join(tests)} exclude one another: make them two conditions.")
    if not tests:
        if "regex" in raw:
            raise invalid(f"{path}.regex", f"has a meaning only with one of {', '.join(_TESTS)}.")
        return Condition(raw["type"], None, (), None)
    values = tuple(raw[tests[0]])
    if not raw.get("regex"):
        return Condition(raw["type"], tests[0], values, None)
    patterns = tuple(_pattern(each, f"{path}.{tests[0]}.{index}") for index, each in enumerate(values))
    return Condition(raw["type"], tests[0], values, patterns)


def _pattern(text: str, path: str) -> "re.Pattern[str]":
    try:
        return re.compile(text)
    except re.error as error:
        raise invalid(path, f"'{text}' is not a regular expression: {error}.") from error


def _local(raw: Mapping[str, Any], path: str, version: str) -> Mapping[str, Any]:
    members: dict[str, Kind] = {
        "user": _USER, "group": _GROUP, "groups": _TEXT, "group_ids": _TEXT, "domain": _DOMAIN,
        "projects": _PROJECTS_V1 if version == "1.0" else PROJECTS,
    }  # fmt: skip
    if version == "3.0":
        members["projects_json"] = _TEXT
    parsed: dict[str, Any] = Object(members).parse(raw, path, True)
    if "group" in parsed:
        _check_group(parsed["group"], f"{path}.group")
    if "projects_json" in parsed:
        parsed["projects_json"] = _json_placeholder(parsed["projects_json"], f"{path}.projects_json")
    return parsed


def _json_placeholder(text: str, path: str) -> str:
    """With its braces, which may be left out here."""
    found = _JSON_PLACEHOLDER.fullmatch(text)
    if found is None:
        raise invalid(path, "must be one placeholder, such as {0}: the value itself is the JSON.")
    return f"{{{found.group(1)}}}"


def _check_group(group: Mapping[str, Any], path: str) -> None:
    by_id, by_name = set(group) == {"id"}, set(group) == {"name", "domain"}
    if not by_id and not by_name:
        raise invalid(path, "must have either id alone, or name and domain.")


def _check_placeholders(value: Any, path: str, given: int) -> None:
    for where, text in _texts(value, path):
        check_braces(text, where)
        automatic = 0
        for found in PLACEHOLDER.finditer(text):
            if found.group(1) is None:
                continue
            number = int(found.group(1)) if found.group(1) else automatic
            automatic += 1
            if number >= given:
                raise invalid(
                    where, f"{{{number}}} stands for no value: the rule has {given} conditions that give one."
                )


def check_braces(text: str, path: str) -> None:
    """Raise BadRequest for a brace that neither belongs to a placeholder nor is doubled."""
    rest = PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest:
        raise invalid(path, f"'{text}' has a brace that opens no placeholder: write {{{{ for a brace itself.")


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(each, f"{path}.{name}")
    elif isinstance(value, Sequence):
        for index, each in enumerate(value):
            yield from _texts(each, f"{path}.{index}")


def filled(value: Any, fill: Callable[[str], str]) -> Any:
    """The value with every text in it replaced by what `fill` makes of it."""
    if isinstance(value, str):
        return fill(value)
    if isinstance(value, Mapping):
        return {name: filled(each, fill) for name, each in value.items()}
    return [filled(each, fill) for each in value]


def failed(rule: Rule, why: str) -> BadRequest:
    """The refusal of an assertion that a rule cannot make anything of."""
    return BadRequest(f"Rule {rule.number} of the mapping failed: {why}", field=f"rules.{rule.number}")
