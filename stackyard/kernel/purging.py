"""Everything that projects own goes, room by room, the last room first; each object by its own room's rules.

What refuses to go because something else needs it is tried again when that is gone: no room has to say in which order.
"""

from collections.abc import Mapping, Sequence
from itertools import count

from stackyard.kernel import quota
from stackyard.kernel.caller import service_caller
from stackyard.kernel.errors import ApiError
from stackyard.kernel.holdings import Kind
from stackyard.kernel.request.shapes import read_query
from stackyard.kernel.steps import Refused, Steps
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work


def forget(work: Work, project_ids: Sequence[str]) -> None:
    """Remove what goes with projects that are deleted, and their quotas, in the caller's transaction."""
    for _, kinds in work.services.holdings.backwards():
        for kind in kinds:
            for each in kind.going_with(work.tx, project_ids):
                _remove(work, kind, each)
    quota.forget(work, project_ids)


def purge(steps: Steps, project_ids: Sequence[str]) -> None:
    """Remove everything that the projects own. Raises Refused with what cannot be removed, and why."""
    for room, kinds in steps.services.holdings.backwards():
        _empty(steps, room, {each.resource.name: each for each in kinds}, project_ids)


def _empty(steps: Steps, room: str, kinds: Mapping[str, Kind], project_ids: Sequence[str]) -> None:
    """One room: round by round, until nothing is left or nothing moves. What a round is about is recorded, so that its
    steps mean the same objects when they are replayed."""
    left, reasons = _look(steps, room, kinds, project_ids, 1), {}
    for turn in count(2):
        if not left:
            return
        for place, (kind, object_id) in enumerate(left, 1):
            if why := _try(steps, kinds[kind], object_id, f"{place} of round {turn - 1}"):
                reasons[object_id] = f"{kind} {object_id}: {why}"
        before, left = left, _look(steps, room, kinds, project_ids, turn)
        if left == before:
            said = "; ".join(reasons.get(object_id, object_id) for _, object_id in left[:5])
            raise Refused(f"of what the project has in {room}, {len(left)} cannot be deleted. {said}")


def _look(
    steps: Steps, room: str, kinds: Mapping[str, Kind], project_ids: Sequence[str], turn: int
) -> list[tuple[str, str]]:
    found = steps.write(f"look what is left in {room} for round {turn}", _left, list(kinds.values()), project_ids)
    return [(kind, object_id) for kind, object_id in found]


def _left(work: Work, kinds: Sequence[Kind], project_ids: Sequence[str]) -> list[list[str]]:
    found = ((kind.resource, kind.in_the_way(work.tx, project_ids)) for kind in kinds)
    return [[resource.name, each[resource.id_field]] for resource, records in found for each in records]


def _try(steps: Steps, kind: Kind, object_id: str, place: str) -> str | None:
    """Remove an object; or tell why its room refuses to."""
    name = f"{kind.resource.name.replace('_', ' ')} {place}"
    try:
        begun = steps.write(f"delete {name}", _removed, kind, object_id)
    except ApiError as error:
        return str(error)
    for number, operation_id in enumerate(begun, 1):
        steps.wait(f"wait until {name} is gone ({number})", operation_id)
    return None


def _removed(work: Work, kind: Kind, object_id: str) -> list[str]:
    """Remove an object by its room's rules; returns the operations that must end before it is gone."""
    record = kind.one(work.tx, object_id)
    if record is None:
        return []
    _remove(work, kind, record)
    return [each.id for each in work.services.journal.running(work, object_id)]


def _remove(work: Work, kind: Kind, record: Record) -> None:
    resource = kind.resource
    own = work.as_caller(service_caller(kind.room, project_id=record[resource.owner_field]))
    if resource.purge is not None:
        resource.purge(own, record)
    elif resource.delete is not None:
        resource.delete(own, record, read_query(resource.delete_query, [], None))
    else:
        rows.remove(own, resource, record)
