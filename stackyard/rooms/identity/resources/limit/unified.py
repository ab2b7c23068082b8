"""What other rooms are to hold to: the unified limits of a project, in the kernel's words."""

from collections.abc import Iterable, Sequence

from stackyard.kernel.quota import SharedLimit, Unified
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity.resources.limit import enforcement, store
from stackyard.rooms.identity.resources.project import store as projects


def unified(work: Work, service: str, names: Sequence[str], project_id: str | None) -> Unified:
    """The limits on these resources of a type of service in this region; a region's own before those of no region."""
    region = work.services.settings.region
    usual = {each.resource_name: each.default_limit for each in store.of_service(work.tx, service, names, region)}
    if not usual or project_id is None:
        return Unified(usual=usual)
    project = projects.by_id(work.tx, project_id)
    domain_id = project.domain_id if project else None
    holders = [project_id, *([domain_id] if domain_id and enforcement.is_strict(work) else [])]
    found = store.of_holders(work.tx, service, names, region, holders)
    own = {each.resource_name: each.resource_limit for each in found if project_id in (each.project_id, each.domain_id)}
    return Unified(usual=usual, own=own, shared=_shared(work, domain_id, usual, found))


def _shared(work: Work, domain_id: str | None, usual: dict[str, int], found: Iterable[Record]) -> list[SharedLimit]:
    """What the domain's projects may have together, where the model says so."""
    if domain_id is None or not enforcement.is_strict(work):
        return []
    together = usual | {each.resource_name: each.resource_limit for each in found if each.domain_id == domain_id}
    project_ids = [domain_id, *(each.id for each in projects.in_domain(work.tx, domain_id))]
    return [SharedLimit(name, limit, f"domain {domain_id}", project_ids) for name, limit in together.items()]
