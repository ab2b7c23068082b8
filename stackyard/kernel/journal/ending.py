"""How an operation ends: its row, its line in the timeline, and the waking of who waits for it, in one transaction."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.database import Record, Transaction
from stackyard.kernel.journal.tables import CANCELLED, DEAD, DONE, EVENTS, FAILED, OPERATIONS, QUEUED, WAITING

_TEXTS = {
    DONE: "{action} is done",
    FAILED: "{action} failed: {reason}",
    CANCELLED: "{action} was cancelled: {reason}",
    DEAD: "{action} failed and could not be undone: {reason}",
}


def end(tx: Transaction, operation: Record, state: str, reason: str | None, now: datetime) -> None:
    """End a live operation in this transaction and queue the operations that wait for it."""
    # The copy of the object's row goes: nothing is replayed any more.
    freed = {"due_at": None, "server": None, "waits_for": None, "record": None}
    tx.update(OPERATIONS, {"state": state, "reason": reason, "ended_at": now, **freed}, id=operation.id)
    note(tx, operation, state, _TEXTS[state].format(action=operation.action, reason=reason), now)
    tx.execute(
        sa.update(OPERATIONS)
        .where(OPERATIONS.c.waits_for == operation.id, OPERATIONS.c.state == WAITING)
        .values(state=QUEUED, due_at=now, waits_for=None)
    )


def note(tx: Transaction, operation: Record, kind: str, text: str, now: datetime, **details: Any) -> None:
    """Add a line about an operation to its object's timeline."""
    tx.insert(
        EVENTS,
        {
            "object_id": operation.object_id, "at": now, "kind": kind, "text": text, "details": details,
            "operation": operation.id, "request_id": operation.request_id,
            "user_id": operation.requester.get("user_id"), "project_id": operation.project_id,
        },
    )
