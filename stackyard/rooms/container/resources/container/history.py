"""What was asked of a container and what became of it: `appcontainer action list` and `show`, told by the journal."""

from datetime import datetime, timedelta
from typing import Any

from stackyard.kernel.errors import NotFound
from stackyard.kernel.journal.tables import DONE
from stackyard.kernel.journal.timeline import Line, operations_of, timeline
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work

#: What Zun calls an operation, where the journal has another word.
_ZUN = {
    "stop_and_delete": "delete", "force_delete": "delete", "attach_network": "network_attach",
    "detach_network": "network_detach",
}  # fmt: skip
_EVENTS = {"step": "Success", "undo": "Success", "failure": "Error"}


def actions(work: Work, container: Record, body: Any, query: Record) -> dict[str, Any]:
    """Everything that was asked, newest first, as Zun lists it."""
    asked = operations_of(work.tx, container.uuid)
    return {"containerActions": [_action(container, each) for each in reversed(asked)]}


def action(work: Work, container: Record, body: Any, query: Record) -> dict[str, Any]:
    """What one request asked, with its steps. Raises NotFound."""
    request_id = work.params["request_id"]
    for each in operations_of(work.tx, container.uuid):
        if each.request_id == request_id:
            lines = [line for line in timeline(work.tx, container.uuid) if line.operation == each.id]
            return {**_action(container, each), "events": [_event(line) for line in lines if line.kind in _EVENTS]}
    raise NotFound(f"Action {request_id} of container {container.uuid} could not be found.", kind="ActionNotFound")


def _action(container: Record, operation: Record) -> dict[str, Any]:
    return {
        "action": _ZUN.get(operation.action, operation.action),
        "container_uuid": container.uuid,
        "request_id": operation.request_id,
        "user_id": operation.requester.get("user_id"),
        "project_id": operation.project_id,
        "start_time": _time(operation.begun_at),
        "finish_time": _time(operation.ended_at),
        "message": None if operation.state == DONE else operation.reason,
    }


def _event(line: Line) -> dict[str, Any]:
    return {
        "event": line.text,
        "start_time": _time(line.at - timedelta(seconds=line.seconds or 0)),
        "finish_time": _time(line.at),
        "result": _EVENTS[line.kind],
        "traceback": None,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") if moment else None
