"""Quotas: how much of something a project may have, held to wherever rows are inserted or changed.

A resource declares what of it is limited (`Resource.quotas`). What a project uses is what its rows say: it is counted
in the transaction that adds to it, and as there is one writer, two requests never share the last place. No second book
of usage is kept that could differ from the rows (docs/decisions/0011-usage-is-counted.md).

Limits come from two books: the table here, which the services' own quota APIs write, and Keystone's unified limits,
asked through `UnifiedLimits`. The more particular limit holds; of two as particular, the unified one
(docs/decisions/0015-two-books-of-limits.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from stackyard.kernel.errors import Conflict, QuotaExceeded
from stackyard.kernel.storage.database import Column, table

if TYPE_CHECKING:
    from stackyard.kernel.declare.resource import Resource
    from stackyard.kernel.work import Work

#: The class of quotas whose limits every project has that has none of its own.
DEFAULT_CLASS = "default"
#: As a limit: none.
UNLIMITED = -1

#: The limits that differ from those declared: of projects, and of classes.
LIMITS = table(
    "quotas",
    Column("service", sa.String(64), primary_key=True),
    Column("holder", sa.String(8), primary_key=True),
    Column("name", sa.String(255), primary_key=True),
    Column("resource", sa.String(64), primary_key=True),
    Column("limit", sa.BigInteger, nullable=False),
)
TABLES = (LIMITS,)


@dataclass(frozen=True)
class Quota:
    """Something of which a project may have so much. service: whose quota API shows it. name: what it is called there.
    default: the limit unless set otherwise, -1 for none. column: what is added up; rows are counted if it is None."""

    service: str
    name: str
    default: int
    column: str | None = None

    def weight(self, values: Mapping[str, Any]) -> float:
        """How much one object counts for."""
        return 1 if self.column is None else values.get(self.column) or 0


# -- limits --


@dataclass(frozen=True)
class SharedLimit:
    """How much of something several projects may have together. holder: whose limit it is, for people."""

    name: str
    limit: int
    holder: str
    project_ids: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Unified:
    """Keystone's unified limits on what a service limits, by name: `usual` for every project, `own` for the one asked
    about, `shared` for it and others together."""

    usual: Mapping[str, int] = field(default_factory=dict)
    own: Mapping[str, int] = field(default_factory=dict)
    shared: Sequence[SharedLimit] = ()


class UnifiedLimits(Protocol):
    """The other book of limits. The identity room keeps it."""

    def __call__(self, work: "Work", service: str, names: Sequence[str], project_id: str | None, /) -> Unified:
        """The unified limits on these resources of a type of service, for a project or (None) for a new one."""


def no_unified_limits(work: "Work", service: str, names: Sequence[str], project_id: str | None, /) -> Unified:
    """A cloud without any."""
    return Unified()


def _unified(work: "Work", quotas: Sequence[Quota], project_id: str | None) -> Unified:
    return work.services.unified_limits(work, quotas[0].service, [each.name for each in quotas], project_id)


def defaults(work: "Work", quotas: Sequence[Quota]) -> dict[str, int]:
    """The limits of a new project, by name: registered limits, else the default class's, else those declared."""
    return of_class(work, quotas, DEFAULT_CLASS) | dict(_unified(work, quotas, None).usual)


def of_class(work: "Work", quotas: Sequence[Quota], name: str) -> dict[str, int]:
    """The limits of a class of quotas: those declared where it sets none."""
    return {each.name: each.default for each in quotas} | _set(work, quotas, "class", name)


def limits(work: "Work", quotas: Sequence[Quota], project_id: str) -> dict[str, int]:
    """The limits of a project: its unified limit, else its quota, else those of a new one."""
    return _of_project(work, quotas, project_id, _unified(work, quotas, project_id))


def _of_project(work: "Work", quotas: Sequence[Quota], project_id: str, unified: Unified) -> dict[str, int]:
    usual = of_class(work, quotas, DEFAULT_CLASS) | dict(unified.usual)
    return usual | _set(work, quotas, "project", project_id) | dict(unified.own)


def _set(work: "Work", quotas: Sequence[Quota], holder: str, name: str) -> dict[str, int]:
    """What is set, of these quotas of one service."""
    names = {each.name for each in quotas}
    found = work.tx.find(LIMITS, service=quotas[0].service, holder=holder, name=name)
    return {each.resource: each.limit for each in found if each.resource in names}


def projects_with_own(work: "Work", service: str) -> dict[str, dict[str, int]]:
    """The limits that are set, of every project that has some of its own."""
    found: dict[str, dict[str, int]] = {}
    asked = sa.select(LIMITS).where(LIMITS.c.service == service, LIMITS.c.holder == "project")
    for each in work.tx.all(asked.order_by(LIMITS.c.name)):
        found.setdefault(each.name, {})[each.resource] = each.limit
    return found


def set_for_project(work: "Work", service: str, project_id: str, wanted: Mapping[str, int]) -> None:
    """Change some of a project's limits. They may be below what it uses: then it gets no more. Raises Conflict where a
    unified limit of the project holds instead."""
    held = work.services.unified_limits(work, service, list(wanted), project_id).own
    for name, limit in wanted.items():
        if held.get(name, limit) != limit:
            raise Conflict(
                f"The quota of {name} cannot be set to {limit}: a unified limit of project {project_id} sets it to "
                f"{held[name]}.",
                field=name,
                remedy="Change or delete that limit in the Identity API (openstack limit set).",
            )
    _put(work, service, "project", project_id, wanted)


def set_for_class(work: "Work", service: str, name: str, wanted: Mapping[str, int]) -> None:
    """Change some of a class's limits."""
    _put(work, service, "class", name, wanted)


def _put(work: "Work", service: str, holder: str, name: str, wanted: Mapping[str, int]) -> None:
    for resource, limit in wanted.items():
        key = {"service": service, "holder": holder, "name": name, "resource": resource}
        work.tx.delete(LIMITS, **key)
        work.tx.insert(LIMITS, {**key, "limit": limit})


def reset(work: "Work", service: str, project_id: str) -> int:
    """The project has the default class's limits again; returns how many it had of its own."""
    return work.tx.delete(LIMITS, service=service, holder="project", name=project_id)


def forget(work: "Work", project_ids: Sequence[str]) -> None:
    """Projects that are deleted have no limits."""
    work.tx.execute(sa.delete(LIMITS).where(LIMITS.c.holder == "project", LIMITS.c.name.in_(project_ids)))


# -- usage --


def usage(work: "Work", resource: "Resource", *project_ids: str) -> dict[str, int | float]:
    """What projects have together of everything that is limited of a resource, by the quota's name."""
    source = resource.table
    sums = [
        (sa.func.count() if each.column is None else sa.func.sum(source.c[each.column])).label(each.name)
        for each in resource.quotas
    ]
    found = work.tx.one(sa.select(*sums).select_from(source).where(source.c.project_id.in_(project_ids)))
    return {name: _plain(value) for name, value in (found or {}).items()}


def _plain(value: Any) -> int | float:
    """A sum as a number, however the database gives it: whole if it is."""
    number = round(float(value or 0), 6)
    return int(number) if number.is_integer() else number


def take(
    work: "Work", resource: "Resource", values: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> None:
    """Refuse an object that its project has no room for; `before` is what it was, when it only changes. What grows by
    nothing is never refused, nor what belongs to no project. Raises QuotaExceeded naming what is exceeded."""
    more = {each: each.weight(values) - (each.weight(before) if before is not None else 0) for each in resource.quotas}
    more = {each: amount for each, amount in more.items() if amount > 0}
    project_id = values.get("project_id")
    if not more or not project_id:
        return
    unified = _unified(work, list(more), project_id)
    amounts = {each.name: amount for each, amount in more.items()}
    _hold_to(work, resource, amounts, _of_project(work, list(more), project_id, unified), [project_id])
    for each in unified.shared:
        more_of_it, whose = {each.name: amounts[each.name]}, f" by the projects of {each.holder}"
        _hold_to(work, resource, more_of_it, {each.name: each.limit}, each.project_ids, whose)


def _hold_to(
    work: "Work",
    resource: "Resource",
    more: Mapping[str, float],
    allowed: Mapping[str, int],
    project_ids: Sequence[str],
    whom: str = "",
) -> None:
    limited = {name: amount for name, amount in more.items() if allowed[name] != UNLIMITED}
    if not limited:
        # What has no limit may be many thousands, which nobody needs to count.
        return
    used = usage(work, resource, *project_ids)
    over = {name: amount for name, amount in limited.items() if _plain(used[name] + amount) > allowed[name]}
    if over:
        said = "; ".join(
            f"{name}: {used[name]} of at most {allowed[name]} are used{whom}, {_plain(amount)} more asked for"
            for name, amount in over.items()
        )
        raise QuotaExceeded(
            f"Quota exceeded for resources: {list(over)}. {said}.",
            remedy="Delete some, or ask an administrator for more.",
        )
