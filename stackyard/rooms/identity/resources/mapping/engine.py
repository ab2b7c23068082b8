"""The mapping engine: what rules make of an assertion. Pure functions; nothing is looked up and nothing is kept.

Rules merge as Keystone's do: every rule whose conditions all hold contributes; the first user counts, groups add up,
the last projects count, and so does the domain of what comes last of all. Two things differ: a placeholder inside a
text stands for exactly one value (Keystone writes Python's list into it), and what is filtered keeps the assertion's
order.
"""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stackyard.kernel.errors import BadRequest, Unauthorized
from stackyard.rooms.identity.resources.mapping.language import (
    NAMED_GROUP,
    PLACEHOLDER,
    PROJECTS,
    Condition,
    Rule,
    Rules,
    failed,
    filled,
)

#: Attributes of a person, each with its values.
Assertion = Mapping[str, Sequence[str]]
_JSON = "JSON:"


@dataclass(frozen=True)
class Domain:
    """A domain by id or by name."""

    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class User:
    """Who it is. `local`: a user of this cloud, who must be there; otherwise one that comes and goes with the provider.
    Without a domain it is the provider's."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    domain: Domain | None = None
    local: bool = False


@dataclass(frozen=True)
class Group:
    """A group by name."""

    name: str
    domain: Domain


@dataclass(frozen=True)
class Project:
    """A project, made if it is not there, and the roles that the user is to have on it. Without a domain it is the
    provider's."""

    name: str
    roles: tuple[str, ...]
    domain: Domain | None = None


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """What a mapping makes of an assertion. `follows`: roles that the provider no longer names are taken away."""

    user: User
    group_ids: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    projects: tuple[Project, ...] = ()
    follows: bool = False


@dataclass
class _Gathered:
    """What the rules have contributed so far."""

    user: Mapping[str, Any] = field(default_factory=dict)
    domain: Domain | None = None
    group_ids: dict[str, None] = field(default_factory=dict)
    groups: dict[Group, None] = field(default_factory=dict)
    projects: tuple[Project, ...] = ()


def split(values: Mapping[str, str]) -> Assertion:
    """An assertion as proxies and Keystone's tools write it: several values stand in one text, with `;` between."""
    return {name: text.split(";") for name, text in values.items()}


def apply(rules: Rules, assertion: Assertion) -> Mapped:
    """What the rules make of the assertion. Raises BadRequest naming a rule that holds but fails, Unauthorized with
    what each rule missed when none holds."""
    gathered, missed = _Gathered(), []
    for rule in rules.rules:
        values: list[Sequence[str]] = []
        if why := _unmet(rule, assertion, values):
            missed.append(f"rule {rule.number} {why}")
            continue
        for local in rule.local:
            _gather(gathered, rule, _with_values(local, rule, values), rules.version)
    if len(missed) == len(rules.rules):
        raise Unauthorized(
            f"The mapping knows nobody like you: {'; '.join(missed)}.",
            remedy="Ask the administrator of the mapping, or of the identity provider.",
        )
    return Mapped(
        user=_user(gathered, rules.version),
        group_ids=tuple(gathered.group_ids),
        groups=tuple(gathered.groups),
        projects=gathered.projects,
        follows=rules.version == "3.0",
    )


# -- remote --


def _unmet(rule: Rule, assertion: Assertion, values: list[Sequence[str]]) -> str | None:
    """Why the rule does not hold, or None; appends what its conditions give to `values`."""
    for condition in rule.remote:
        asserted = assertion.get(condition.type)
        if not asserted:
            return f"needs the attribute {condition.type}"
        matches = [each for each in asserted if _matches(condition, each)]
        if condition.test == "any_one_of" and not matches:
            return f"wants another value of {condition.type}"
        if condition.test == "not_any_of" and matches:
            return f"refuses a value of {condition.type}"
        if condition.gives:
            values.append(_let_through(condition, asserted, matches))
    return None


def _matches(condition: Condition, value: str) -> bool:
    if condition.patterns is not None:
        return any(pattern.search(value) for pattern in condition.patterns)
    return value in condition.values


def _let_through(condition: Condition, asserted: Sequence[str], matches: list[str]) -> Sequence[str]:
    if condition.test == "whitelist":
        return list(dict.fromkeys(matches))
    if condition.test == "blacklist":
        return list(dict.fromkeys(each for each in asserted if each not in matches))
    return list(asserted)


# -- local --

#: Members that hold several values when they are one placeholder.
_LISTS = ("groups", "group_ids")


def _with_values(local: Mapping[str, Any], rule: Rule, values: list[Sequence[str]]) -> dict[str, Any]:
    """The local part with its placeholders filled; `groups` and `group_ids` become lists."""
    found: dict[str, Any] = {}
    for name, value in local.items():
        if name in _LISTS:
            found[name] = _several(value, rule, values)
        else:
            found[name] = filled(value, lambda text: _one(text, rule, values))
    return found


def _one(text: str, rule: Rule, values: list[Sequence[str]]) -> str:
    """A text with one value for each placeholder."""
    automatic = iter(range(len(values)))

    def value(found: "Any") -> str:
        if found.group(1) is None:
            return str(found.group(0)[0])
        number = int(found.group(1)) if found.group(1) else next(automatic)
        if len(values[number]) != 1:
            said = f"{len(values[number])} values" if values[number] else "no value that is let through"
            raise failed(rule, f"'{text}' needs one value for {{{number}}}, and the assertion has {said}.")
        return values[number][0]

    return PLACEHOLDER.sub(value, text)


def _several(text: str, rule: Rule, values: list[Sequence[str]]) -> list[str]:
    whole = PLACEHOLDER.fullmatch(text)
    if whole is None or whole.group(1) is None:
        return _listed(_one(text, rule, values))
    given = values[int(whole.group(1) or 0)]
    return _listed(given[0]) if len(given) == 1 else list(given)


def _listed(text: str) -> list[str]:
    """One value, or those of a list written as Python or JSON writes it."""
    if not text.startswith("["):
        return [text]
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return [text]
    return [str(each) for each in values] if isinstance(values, list) else [text]


def _gather(gathered: _Gathered, rule: Rule, local: Mapping[str, Any], version: str) -> None:
    domain = _domain(local.get("domain"))
    gathered.domain = domain
    gathered.user = gathered.user or local.get("user", {})
    gathered.group_ids |= dict.fromkeys(local.get("group_ids", ()))
    gathered.groups |= dict.fromkeys(_groups(rule, local, domain))
    group = local.get("group", {})
    if "id" in group:
        gathered.group_ids[group["id"]] = None
    elif group:
        gathered.groups[Group(group["name"], _domain(group["domain"]) or _nowhere(rule))] = None
    if "projects" in local or "projects_json" in local:
        gathered.projects = tuple(_projects(rule, local, domain if version != "1.0" else None))


def _domain(given: Mapping[str, str] | None) -> Domain | None:
    return Domain(given.get("id"), given.get("name")) if given else None


def _nowhere(rule: Rule) -> Domain:
    raise failed(rule, "a group by name needs a domain with an id or a name.")


def _groups(rule: Rule, local: Mapping[str, Any], domain: Domain | None) -> Iterator[Group]:
    for each in local.get("groups", ()):
        if each.startswith(_JSON):
            yield _json_group(rule, each.removeprefix(_JSON))
        elif domain is None:
            raise failed(rule, "groups by name need a domain beside 'groups'.")
        elif each:
            yield Group(each, domain)


def _json_group(rule: Rule, text: str) -> Group:
    try:
        given = NAMED_GROUP.parse(json.loads(text), "group", True)
    except (ValueError, RecursionError, BadRequest):
        given = {}
    domain = _domain(given.get("domain"))
    if domain is None:
        raise failed(rule, 'a group after "JSON:" must be {"name": …, "domain": {…}}.')
    return Group(given["name"], domain)


def _projects(rule: Rule, local: Mapping[str, Any], domain: Domain | None) -> Iterator[Project]:
    for each in [*local.get("projects", ()), *_json_projects(rule, local)]:
        roles = tuple(dict.fromkeys(role["name"] for role in each["roles"]))
        yield Project(each["name"], roles, _domain(each.get("domain")) or domain)


def _json_projects(rule: Rule, local: Mapping[str, Any]) -> list[Any]:
    if "projects_json" not in local:
        return []
    try:
        parsed: list[Any] = PROJECTS.parse(json.loads(local["projects_json"]), "projects_json", True)
    except (ValueError, RecursionError) as error:
        raise failed(rule, f"projects_json is no JSON: {error}.") from error
    except BadRequest as error:
        raise failed(rule, error.detail) from error
    return parsed


def _user(gathered: _Gathered, version: str) -> User:
    given = gathered.user
    default = gathered.domain if version != "1.0" else None
    return User(
        id=given.get("id") or None,
        name=given.get("name") or None,
        email=given.get("email") or None,
        domain=_domain(given.get("domain")) or default,
        local=given.get("type") == "local",
    )
