"""The journal's tables and the words for an operation's states.

An operation is live while `due_at` is set: the moment from which a worker may claim it. While it is queued that is when
its pause ends, while it runs when its lease ends, while it waits when its deadline passes. So one indexed column
serves first run, retry, recovery and deadline alike.

Nearly all operations have ended. What asks for the others goes by indexes that hold only those, so that it costs the
same however long the past is. An index of all, most of them with the same null in it, is passed over by a planner that
has statistics.
"""

from datetime import UTC, datetime

import sqlalchemy as sa

from stackyard.kernel.storage.database import Instant, Json, table

#: Ready to be claimed (from `due_at` on).
QUEUED = "queued"
#: Claimed by a worker whose lease lasts until `due_at`.
RUNNING = "running"
#: Waits for the operation `waits_for`.
WAITING = "waiting"
#: Ended well.
DONE = "done"
#: Given up; what it had done is undone.
FAILED = "failed"
#: Overtaken by another operation of the same object.
CANCELLED = "cancelled"
#: Given up, and something could not be undone: a dead letter.
DEAD = "dead"

# SQLite numbers rows by itself only when the key is a plain INTEGER.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _only(name: str, *columns: str, where: str) -> sa.Index:
    """An index of the rows in which the column `where` is set. Its migration says so to PostgreSQL too; here that would
    have every server load the dialect, 2 MB, and drafts are made on SQLite."""
    return sa.Index(f"ix_journal_operations_{name}", *columns, sqlite_where=sa.text(f"{where} IS NOT NULL"))


OPERATIONS = table(
    "journal_operations",
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("room", sa.String(64), nullable=False),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("object_id", sa.String(255), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("parent", sa.String(36)),
    sa.Column("waits_for", sa.String(36)),
    sa.Column("inputs", Json, nullable=False),
    sa.Column("record", Json),
    sa.Column("state_before", sa.String(64)),
    sa.Column("requester", Json, nullable=False),
    sa.Column("project_id", sa.String(64)),
    sa.Column("request_id", sa.String(64), nullable=False, index=True),
    sa.Column("trace", sa.String(55)),
    sa.Column("begun_at", Instant, nullable=False),
    sa.Column("deadline", Instant, nullable=False),
    sa.Column("due_at", Instant),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("server", sa.String(36)),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("crashes", sa.Integer, nullable=False),
    sa.Column("giving_up", sa.Text),
    sa.Column("cancelled_by", sa.String(36)),
    sa.Column("reason", sa.Text),
    sa.Index("ix_journal_operations_object", "object_id", "number"),
    _only("due_at", "due_at", where="due_at"),
    _only("live", "object_id", "number", where="due_at"),
    _only("waits_for", "waits_for", where="waits_for"),
    _only("ended_at", "ended_at", where="ended_at"),
    _only("given_up", "state", where="giving_up"),
)

#: Which operations are live. A range, because SQLite finds that by the index; for "is not null" it reads every row.
LIVE = OPERATIONS.c.due_at > datetime(1970, 1, 1, tzinfo=UTC)

STEPS = table(
    "journal_steps",
    sa.Column("operation", sa.String(36), primary_key=True),
    sa.Column("phase", sa.String(8), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("result", Json),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("calls", Json),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=False),
)

EVENTS = table(
    "journal_events",
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("object_id", sa.String(255), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("details", Json, nullable=False),
    sa.Column("operation", sa.String(36)),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64)),
    sa.Column("project_id", sa.String(64)),
    sa.Index("ix_journal_events_object", "object_id", "number"),
)

TABLES = (OPERATIONS, STEPS, EVENTS)
