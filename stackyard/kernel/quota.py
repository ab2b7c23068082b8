"""Quotas: how much of something a project may have, held to wherever rows are inserted or changed.

A resource declares what of it is limited (`Resource.quotas`). What a project uses is what its rows say: it is counted
in the transaction that adds to it, and as there is one writer, two requests never share the last place. No second book
of usage is kept that could differ from the rows (docs/decisions/0011-usage-is-counted.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from stackyard.kernel.errors import QuotaExceeded
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


def defaults(work: "Work", quotas: Sequence[Quota]) -> dict[str, int]:
    """The limits of a new project, by name."""
    return of_class(work, quotas, DEFAULT_CLASS)


def of_class(work: "Work", quotas: Sequence[Quota], name: str) -> dict[str, int]:
    """The limits of a class of quotas: those declared where it sets none."""
    return {each.name: each.default for each in quotas} | _set(work, quotas, "class", name)


def limits(work: "Work", quotas: Sequence[Quota], project_id: str) -> dict[str, int]:
    """The limits of a project: its own, else the default class's, else those declared."""
    return defaults(work, quotas) | _set(work, quotas, "project", project_id)


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
    """Change some of a project's limits. They may be below what it uses: then it gets no more."""
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


# -- usage --


def usage(work: "Work", resource: "Resource", project_id: str) -> dict[str, int | float]:
    """What a project has of everything that is limited of a resource, by the quota's name."""
    source = resource.table
    sums = [
        (sa.func.count() if each.column is None else sa.func.sum(source.c[each.column])).label(each.name)
        for each in resource.quotas
    ]
    found = work.tx.one(sa.select(*sums).select_from(source).where(source.c.project_id == project_id))
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
    allowed, used = limits(work, list(more), project_id), usage(work, resource, project_id)
    over = {
        each.name: amount
        for each, amount in more.items()
        if allowed[each.name] != UNLIMITED and _plain(used[each.name] + amount) > allowed[each.name]
    }
    if over:
        said = "; ".join(
            f"{name}: {used[name]} of at most {allowed[name]} are used, {_plain(amount)} more asked for"
            for name, amount in over.items()
        )
        raise QuotaExceeded(
            f"Quota exceeded for resources: {list(over)}. {said}.",
            remedy="Delete some, or ask an administrator for more.",
        )
