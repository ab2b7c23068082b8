"""How an operation ends, and what is noted about it on the way."""

from datetime import datetime
from typing import Any

from stackyard.kernel.journal.tables import EVENTS, OPERATIONS, QUEUED, WAITING
from stackyard.kernel.storage.database import Record, Transaction


def end(tx: Transaction, operation: Record, state: str, reason: str | None, now: datetime) -> None:
    """End a live operation in this transaction and queue the operations that wait for it."""
    # The copy of the object's row goes, for nothing is replayed any more.
    over = {"due_at": None, "server": None, "waits_for": None, "record": None}
    tx.update(OPERATIONS, {"state": state, "reason": reason, "ended_at": now, **over}, id=operation.id)
    ready = {"state": QUEUED, "due_at": now, "waits_for": None}
    tx.update(OPERATIONS, ready, waits_for=operation.id, state=WAITING)
    tx.after_commit(lambda: tx.observer.ended(operation, state, reason, now))


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
