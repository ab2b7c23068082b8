"""How projects go: not while they hold anything in other rooms, unless all of it is to go with them."""

from collections.abc import Sequence

from stackyard.kernel import purging
from stackyard.kernel.errors import Conflict
from stackyard.kernel.holdings import Holding
from stackyard.kernel.steps import Refused, Steps
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import rows
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.domain import rules as domain_rules
from stackyard.rooms.identity.resources.project import resource, rules, store

PURGE = "purge"
_SERVE_FIRST = "It can go once all these services are served again: see `stackyard up --services`."


def refuse_while_holding(work: Work, record: Record, project_ids: Sequence[str]) -> None:
    """Raise Conflict naming what the projects hold, so that it is never left to nobody."""
    if held := work.services.holdings.of(work.tx, project_ids):
        remedy = "Delete these first, or delete all of it with ?cascade=true."
        raise _holds(record, held, _SERVE_FIRST if any(not each.served for each in held) else remedy)


def _refuse_out_of_reach(work: Work, record: Record, project_ids: Sequence[str]) -> None:
    """Raise Conflict naming what nobody could remove, because its service is not served."""
    held = [each for each in work.services.holdings.of(work.tx, project_ids) if not each.served]
    if held:
        raise _holds(record, held, _SERVE_FIRST)


def _holds(record: Record, held: Sequence[Holding], remedy: str) -> Conflict:
    what, named = "domain" if record.is_domain else "project", "; ".join(map(str, held))
    return Conflict(f"Cannot delete {what} {record.id}: it still holds {named}.", remedy=remedy)


def accept(work: Work, record: Record, projects: Sequence[Record]) -> None:
    """Accept that a project or domain goes with everything it holds and with these projects below it, the lowest first.
    All are disabled at once, so that nothing is added meanwhile."""
    _refuse_out_of_reach(work, record, [each.id for each in (*projects, record)])
    for each in (*projects, record):
        rows.mutable(domains.DOMAIN if each.is_domain else resource.PROJECT, each)
    for each in (*projects, record):
        if each.enabled:
            kernel_rows.change(work, resource.PROJECT, each, {"enabled": False})
    under_way = work.services.journal.running(work, record.id)
    if not any(each.action == PURGE for each in under_way):
        ids = [*(each.id for each in projects), record.id]
        work.begin(resource.PROJECT, record, PURGE, {"projects": ids})


def purge(steps: Steps, project: Record) -> None:
    """Everything goes, room by room; then the projects themselves."""
    purging.purge(steps, steps.inputs["projects"])
    steps.end("is gone", _finish, steps.inputs["projects"])


def _finish(work: Work, project_ids: Sequence[str]) -> None:
    if held := work.services.holdings.of(work.tx, project_ids):
        raise Refused(f"something was added meanwhile: {'; '.join(str(each) for each in held)}")
    for each in project_ids:
        found = store.by_id(work.tx, each)
        if found is not None:
            (domain_rules.remove if found.is_domain else rules.remove)(work, found)
