"""An object's timeline: who asked for what, each step, each failure with its reason, what else was noted, in order.

Requests, steps and endings are told from the records of operations and steps, so that the happy path writes each thing
once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from stackyard.kernel.journal.tables import CANCELLED, DEAD, DONE, EVENTS, FAILED, OPERATIONS, STEPS
from stackyard.kernel.storage.database import Record, Transaction

_ENDINGS = {
    DONE: "{action} is done",
    FAILED: "{action} failed: {reason}",
    CANCELLED: "{action} was cancelled: {reason}",
    DEAD: "{action} failed and could not be undone: {reason}",
}


class Line(msgspec.Struct, kw_only=True):
    """One thing that happened. kind: asked, step, undo, failure, done, failed, cancelled, dead, or what a room noted.
    `seconds`: how long a step took, last try only; `tries`: how many it needed; `calls`: the drivers' in it, each with
    `node`, `call`, `seconds` and, when it failed, `error`."""

    at: datetime
    kind: str
    text: str
    operation: str | None = None
    request_id: str | None = None
    seconds: float | None = None
    tries: int | None = None
    calls: list[dict[str, Any]] = []
    details: dict[str, Any] = msgspec.field(default_factory=dict)


def timeline(tx: Transaction, object_id: str) -> list[Line]:
    """All lines of an object, oldest first."""
    operations = operations_of(tx, object_id)
    events = tx.all(sa.select(EVENTS).where(EVENTS.c.object_id == object_id).order_by(EVENTS.c.number))
    lines = [_asked(each) for each in operations]
    lines += [_step(each) for each in _done_steps(tx, operations)]
    lines += [_event(each) for each in events]
    lines += [_ended(each) for each in operations if each.ended_at is not None]
    return sorted(lines, key=lambda line: line.at)


def lines_of(tx: Transaction, operation: Record) -> list[Line]:
    """The lines of one operation, oldest first."""
    events = tx.all(sa.select(EVENTS).where(EVENTS.c.operation == operation.id).order_by(EVENTS.c.number))
    lines = [_asked(operation), *(_step(each) for each in _done_steps(tx, [operation]))]
    lines += [_event(each) for each in events]
    lines += [_ended(operation)] if operation.ended_at is not None else []
    return sorted(lines, key=lambda line: line.at)


def operations_of(tx: Transaction, object_id: str) -> list[Record]:
    """The operations of an object, oldest first, ended or not."""
    return tx.all(sa.select(OPERATIONS).where(OPERATIONS.c.object_id == object_id).order_by(OPERATIONS.c.number))


def _done_steps(tx: Transaction, operations: Sequence[Record]) -> list[Record]:
    ids = [each.id for each in operations]
    return tx.all(sa.select(STEPS).where(STEPS.c.operation.in_(ids), STEPS.c.state == "done"))


def _asked(operation: Record) -> Line:
    return Line(
        at=operation.begun_at, kind="asked", text=f"{operation.action} was asked for", operation=operation.id,
        request_id=operation.request_id, details={"requester": operation.requester},
    )


def _ended(operation: Record) -> Line:
    text = _ENDINGS[operation.state].format(action=operation.action, reason=operation.reason)
    return Line(
        at=operation.ended_at, kind=operation.state, text=text, operation=operation.id, request_id=operation.request_id
    )


def _event(event: Record) -> Line:
    return Line(
        at=event.at, kind=event.kind, text=event.text, operation=event.operation, request_id=event.request_id,
        details={name: value for name, value in event.details.items() if name != "calls"},
        calls=event.details.get("calls") or [],
    )


def _step(step: Record) -> Line:
    return Line(
        at=step.ended_at, kind="step" if step.phase == "do" else "undo", text=step.name, operation=step.operation,
        seconds=(step.ended_at - step.started_at).total_seconds(), tries=step.tries, details={"kind": step.kind},
        calls=step.calls or [],
    )
