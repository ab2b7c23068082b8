"""How an operation ends, and what is noted about it on the way."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.journal.tables import EVENTS, OPERATIONS, QUEUED, WAITING
from stackyard.kernel.storage.database import Record, Transaction

# Built once: to build a statement costs more than to run it. The copy of the object's row goes, for nothing is replayed
# any more.
_END = (
    sa.update(OPERATIONS)
    .where(OPERATIONS.c.id == sa.bindparam("its_id"))
    .values(
        state=sa.bindparam("ending"), reason=sa.bindparam("why"), ended_at=sa.bindparam("now"), due_at=None,
        server=None, waits_for=None, record=None,
    )
)
_WAKE = (
    sa.update(OPERATIONS)
    .where(OPERATIONS.c.waits_for == sa.bindparam("its_id"), OPERATIONS.c.state == WAITING)
    .values(state=QUEUED, due_at=sa.bindparam("now"), waits_for=None)
)


def end(tx: Transaction, operation: Record, state: str, reason: str | None, now: datetime) -> None:
    """End a live operation in this transaction and queue the operations that wait for it."""
    tx.connection.execute(_END, {"its_id": operation.id, "ending": state, "why": reason, "now": now})
    tx.connection.execute(_WAKE, {"its_id": operation.id, "now": now})
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
