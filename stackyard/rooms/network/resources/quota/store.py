"""The limits that differ from the defaults."""

from collections.abc import Mapping

import sqlalchemy as sa

from stackyard.kernel.database import Column, table
from stackyard.kernel.work import Work

LIMITS = table(
    "network_quotas",
    Column("project_id", sa.String(255), primary_key=True),
    Column("resource", sa.String(64), primary_key=True),
    Column("limit", sa.Integer, nullable=False),
)


def overrides(work: Work, project_id: str) -> dict[str, int]:
    """A project's own limits by resource."""
    return {each.resource: each.limit for each in work.tx.find(LIMITS, project_id=project_id)}


def all_overrides(work: Work) -> dict[str, dict[str, int]]:
    """The limits of every project that has some of its own."""
    found: dict[str, dict[str, int]] = {}
    for each in work.tx.all(sa.select(LIMITS).order_by(LIMITS.c.project_id)):
        found.setdefault(each.project_id, {})[each.resource] = each.limit
    return found


def set_limits(work: Work, project_id: str, limits: Mapping[str, int]) -> None:
    """Change some of a project's limits."""
    for name, limit in limits.items():
        work.tx.delete(LIMITS, project_id=project_id, resource=name)
        work.tx.insert(LIMITS, {"project_id": project_id, "resource": name, "limit": limit})


def reset(work: Work, project_id: str) -> int:
    """The project has the defaults again; returns how many limits it had of its own."""
    return work.tx.delete(LIMITS, project_id=project_id)
