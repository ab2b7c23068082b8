"""Queries on containers, and the few changes that steps make to their rows."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.errors import Forbidden
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.resources.container import resource

_FOLLOWED = ("uuid", "status", "wanted", "auto_remove", "restart_policy", "restarts", "finished_at")


def own_unless_all(work: Work, statement: Any, query: Record) -> Any:
    """Lists show the caller's project, to administrators too, unless they ask for all projects."""
    if query.all_projects:
        if not work.allows("container:get_all_all_projects", {"project_id": work.caller.project_id}):
            raise Forbidden("Listing the containers of all projects is not allowed to you.", kind="PolicyNotAuthorized")
        return statement
    return statement.where(resource.CONTAINER.table.c.project_id == work.caller.project_id)


def get(work: Work, uuid: str) -> Record | None:
    """The container's row as it is now."""
    return work.tx.get(resource.CONTAINER.table, uuid=uuid)


def followed(work: Work, host: str) -> list[Record]:
    """The containers that live on a host, with what repair compares every few seconds and no more."""
    table = resource.CONTAINER.table
    return work.tx.all(sa.select(*(table.c[name] for name in _FOLLOWED)).where(table.c.host == host))


def awaiting_restart(work: Work) -> list[Record]:
    """Stopped containers that their restart policy wants running."""
    return work.tx.find(resource.CONTAINER.table, status="Stopped", wanted="running")


def placed(work: Work) -> list[Record]:
    """The containers that are on a host."""
    table = resource.CONTAINER.table
    return work.tx.all(sa.select(table).where(table.c.host.is_not(None)))


def uses(work: Work, image_reference: str) -> bool:
    """Whether any container was made, or is to be made, of what engines call so."""
    table = resource.CONTAINER.table
    return work.tx.value(sa.select(table.c.uuid).where(table.c.image_reference == image_reference).limit(1)) is not None


def change(work: Work, uuid: str, /, **values: Any) -> None:
    """Set columns of a container's row."""
    work.tx.update(resource.CONTAINER.table, {**values, "updated_at": work.now}, uuid=uuid)


def observe(work: Work, uuid: str, state: Any, /, **values: Any) -> None:
    """Write down what the engine says of a container (a ContainerState, as the journal records it): status, times, exit
    code. Ends the task under way."""
    observed = {
        "status": state["status"],
        "status_reason": state["error"] or None,
        "started_at": _instant(state["started_at"]),
        "finished_at": _instant(state["finished_at"]),
        "exit_code": state["exit_code"],
        "task_state": None,
    }
    change(work, uuid, **{**observed, **values})


def started(work: Work, uuid: str, state: Any, generation: str) -> None:
    """Write down what the engine says of a container that was just created or started.

    One that has ended already is Running here still: that it ended is told as of every other, by the reconciler, which
    counts, restarts and removes."""
    status = state["status"]
    if status == "Stopped":
        status = "Running"
        work.on_commit(lambda: work.services.signal("containers"))
    observe(work, uuid, state, status=status, generation=generation)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def remove(work: Work, record: Record) -> None:
    """The container is gone: its row goes too."""
    rows.remove(work, resource.CONTAINER, record)
