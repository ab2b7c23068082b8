"""Limits of what a project may have, and whether it has room for more."""

from stackyard.kernel.errors import QuotaExceeded
from stackyard.kernel.resource import Resource
from stackyard.kernel.work import Work
from stackyard.rooms.network import store
from stackyard.rooms.network.resources.quota import store as quota_store

#: Neutron's defaults. -1 means no limit.
DEFAULTS = {
    "network": 100,
    "subnet": 100,
    "port": 500,
    "router": 10,
    "floatingip": 50,
    "security_group": 10,
    "security_group_rule": 100,
}


def limits(work: Work, project_id: str) -> dict[str, int]:
    """The limits of a project by resource."""
    return {**DEFAULTS, **quota_store.overrides(work, project_id)}


def take(work: Work, resource: Resource, project_id: str | None, wanted: int = 1) -> None:
    """Refuse when the project has no room for `wanted` more. Counted in the transaction that adds them, so that two
    requests never share the last place. Raises QuotaExceeded."""
    limit = limits(work, project_id or "").get(resource.name, -1)
    if limit < 0:
        return
    used = store.count(work, resource.table, project_id=project_id)
    if used + wanted > limit:
        raise QuotaExceeded(
            f"Quota exceeded for resources: ['{resource.name}']. The project has {used} of at most {limit}.",
            kind="OverQuota",
            remedy="Delete some, or ask an administrator for more.",
        )
