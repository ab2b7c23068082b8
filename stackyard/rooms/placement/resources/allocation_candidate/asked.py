"""What a query string asks for: resources, traits and aggregates, in groups. Source: Placement API reference,
"Allocation candidates" and "List resource providers", with the history of microversions."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from stackyard.kernel.declare.kinds import Integer, OneOf, Uuid
from stackyard.kernel.errors import BadRequest
from stackyard.kernel.work import Work
from stackyard.rooms.placement.capacity import MOST
from stackyard.rooms.placement.dialect import BAD_VALUE, DUPLICATE_KEY, MISSING_VALUE, since

Raw = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Demand:
    """What a set of names must hold: one of each of `required`, none of `forbidden`."""

    required: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()

    @property
    def named(self) -> set[str]:
        """Every name in it."""
        return set(self.forbidden).union(*self.required)

    def holds(self, having: Iterable[str]) -> bool:
        """Whether these names are what is demanded."""
        return self.met(having) and self.forbidden.isdisjoint(having)

    def met(self, having: Iterable[str]) -> bool:
        """Whether these names have all that is required."""
        return all(not each.isdisjoint(having) for each in self.required)


@dataclass(frozen=True)
class Group:
    """One group of a request. A suffix means: all of it from one provider."""

    suffix: str
    resources: dict[str, int] = field(default_factory=dict)
    traits: Demand = Demand()
    aggregates: Demand = Demand()
    in_tree: str | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A whole request for candidates. root: what the tops of trees must be. same_subtrees: suffixes of groups of which
    one's provider must be above the others'."""

    groups: dict[str, Group]
    limit: int | None = None
    isolate: bool = False
    root: Demand = Demand()
    same_subtrees: tuple[frozenset[str], ...] = ()


# -- single parameters --


def resources(key: str, text: str) -> dict[str, int]:
    """Amounts by class: VCPU:2,MEMORY_MB:1024. Raises BadRequest."""
    found: dict[str, int] = {}
    for entry in text.split(","):
        name, colon, amount = entry.partition(":")
        if not (name and colon) or not re.fullmatch(r"[+-]?\d{1,12}", amount.strip()):
            raise _bad(key, f"Badly formed resources parameter: '{entry[:80]}'.", "Give VCPU:2,MEMORY_MB:1024.")
        if not 1 <= int(amount) <= MOST:
            raise _bad(key, f"Requested resource {name[:80]} requires amount >= 1 and <= {MOST}. Got: {int(amount)}.")
        found[name] = int(amount)
    return found


def required(work: Work, key: str, values: Sequence[str]) -> Demand:
    """Traits: T1,!T2, and since 1.39 in:T3,T4 beside it. Raises BadRequest."""
    demand = Demand()
    for value in values if since(work, 39) else values[-1:]:
        demand = _and(demand, _traits(work, key, value))
    conflicts = [sorted(each) for each in demand.required if each <= demand.forbidden]
    if conflicts:
        said = "; ".join(f"{key}: ({', '.join(each)})" for each in conflicts)
        raise _bad(key, f"Conflicting required and forbidden traits found in the following traits keys: {said}.")
    return demand


def _and(one: Demand, other: Demand) -> Demand:
    return Demand(one.required + other.required, one.forbidden | other.forbidden)


def _traits(work: Work, key: str, value: str) -> Demand:
    any_of = value.startswith("in:")
    names = [each.strip() for each in value.removeprefix("in:").split(",")]
    forbidden = [each[1:] for each in names if each.startswith("!")]
    if any_of and (forbidden or not since(work, 39)):
        raise _traits_error(key, value, "'in:' is known since version 1.39, and not with forbidden traits")
    if forbidden and not since(work, 22):
        raise _traits_error(key, value, "forbidden traits are known since version 1.22")
    if not all(names) or not all(forbidden):
        raise _traits_error(key, value, "one of the traits is empty")
    if any_of:
        return Demand((frozenset(names),))
    return Demand(tuple(frozenset([each]) for each in names if not each.startswith("!")), frozenset(forbidden))


def _traits_error(key: str, value: str, why: str) -> BadRequest:
    return _bad(key, f"Invalid query string parameters: '{value[:80]}' of {key}: {why}.", "Give HW_CPU_X86_VMX,!X.")


def member_of(work: Work, key: str, values: Sequence[str]) -> Demand:
    """Aggregates: UUID or in:UUID,UUID, several times since 1.24; !UUID and !in:UUID,UUID since 1.32. Raises
    BadRequest."""
    if len(values) > 1 and not since(work, 24):
        raise _bad(key, f"Multiple {key} parameters are not supported before version 1.24.")
    demand = Demand()
    for value in values:
        demand = _and(demand, _aggregates(work, key, value))
    return demand


def _aggregates(work: Work, key: str, value: str) -> Demand:
    positive = value.removeprefix("!")
    if "," in positive and not positive.startswith("in:"):
        raise _bad(key, f"Multiple values for '{key}' must be prefixed with 'in:': '{value[:80]}'.")
    if positive != value and not since(work, 32):
        raise _bad(key, f"Forbidden {key} parameters are not supported before version 1.32.")
    uuids = frozenset(_uuid(key, each) for each in positive.removeprefix("in:").split(","))
    return Demand((), uuids) if positive != value else Demand((uuids,))


def _uuid(key: str, text: str) -> str:
    try:
        return str(Uuid().parse(text.strip(), key, True))
    except BadRequest as error:
        raise _bad(
            key, f"Invalid query string parameters: Expected '{key}' parameter to contain valid UUID(s). {error.detail}"
        ) from error


def _bad(key: str, detail: str, remedy: str | None = None, kind: str = BAD_VALUE) -> BadRequest:
    return BadRequest(detail, field=key, remedy=remedy, kind=kind)


# -- a whole request for candidates --

_GROUPED = ("resources", "required", "member_of", "in_tree")
#: Since which minor version each parameter is known.
_SINCE = {
    "resources": 10, "limit": 16, "required": 17, "member_of": 21, "group_policy": 25, "in_tree": 31,
    "root_required": 35, "same_subtree": 36,
}  # fmt: skip


def candidates(work: Work, raw: Raw) -> Asked:
    """Read a request for candidates. Raises BadRequest naming the parameter at fault."""
    values: dict[str, list[str]] = {}
    for key, value in raw:
        values.setdefault(key, []).append(value)
    groups: dict[str, Group] = {}
    for key, given in values.items():
        name, suffix = _split(work, key)
        if name in _GROUPED:
            groups[suffix] = _with(work, groups.get(suffix, Group(suffix)), name, key, given)
    asked = Asked(
        groups=groups, limit=_limit(values), isolate=_policy(values) == "isolate", root=_root(work, values),
        same_subtrees=tuple(_suffixes(each) for each in values.get("same_subtree", ())),
    )  # fmt: skip
    _check_groups(work, asked)
    if "group_policy" not in values and sum(1 for suffix in groups if suffix) > 1:
        raise _bad(
            "group_policy",
            'The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.',
            "Give none or isolate.",
        )
    return asked


def _split(work: Work, key: str) -> tuple[str, str]:
    """A parameter's name and its group's suffix."""
    if key in _SINCE and since(work, _SINCE[key]):
        return key, ""
    suffix = "[a-zA-Z0-9_-]{1,64}" if since(work, 33) else "[1-9][0-9]*"
    found = re.fullmatch(f"({'|'.join(_GROUPED)})({suffix})", key)
    if found and since(work, max(25, _SINCE[found[1]])):
        return found[1], found[2]
    known = ", ".join(name for name, minor in _SINCE.items() if since(work, minor))
    raise BadRequest(
        f"Invalid query string parameters: unknown parameter '{key[:80]}' in version {work.version}.",
        field=key[:80],
        remedy=f"Known are: {known}.",
    )


def _with(work: Work, group: Group, name: str, key: str, given: Sequence[str]) -> Group:
    if name == "resources":
        return replace(group, resources=resources(key, given[-1]))
    if name == "required":
        return replace(group, traits=required(work, key, given))
    if name == "member_of":
        return replace(group, aggregates=member_of(work, key, given))
    return replace(group, in_tree=_uuid(key, given[-1]))


def _limit(values: dict[str, list[str]]) -> int | None:
    return Integer(min=1, max=MOST).parse(values["limit"][0], "limit", False) if "limit" in values else None


def _policy(values: dict[str, list[str]]) -> str:
    return str(OneOf("none", "isolate").parse(values.get("group_policy", ["none"])[0], "group_policy", True))


def _root(work: Work, values: dict[str, list[str]]) -> Demand:
    given = values.get("root_required", [])
    if len(given) > 1:
        raise _bad("root_required", "Query parameter 'root_required' may be specified only once.", kind=DUPLICATE_KEY)
    if given and given[0].startswith("in:"):
        raise _traits_error("root_required", given[0], "'in:' is not known here")
    return required(work, "root_required", given)


def _suffixes(text: str) -> frozenset[str]:
    found = frozenset(each.strip() for each in text.split(","))
    if "" in found:
        raise _bad("same_subtree", "Empty string (unsuffixed group) can not be specified in `same_subtree`.")
    return found


def _check_groups(work: Work, asked: Asked) -> None:
    """A group without resources only says where others must be, since 1.36."""
    without = sorted(suffix for suffix, group in asked.groups.items() if not group.resources)
    if len(without) == len(asked.groups):
        raise _bad("resources", "There must be at least one resources or resources[$S] parameter.", kind=MISSING_VALUE)
    named: set[str] = set().union(*asked.same_subtrees)
    if orphans := [each for each in without if each not in named]:
        raise _bad(
            "resources",
            f"All request groups must specify resources; these do not, nor does same_subtree name them: "
            f"{', '.join(orphans) or 'the one without a suffix'}.",
        )
    if unreal := sorted(named - set(asked.groups)):
        raise _bad("same_subtree", f"Real suffixes should be specified in `same_subtree`: {', '.join(unreal)}.")
