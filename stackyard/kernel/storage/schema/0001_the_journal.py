"""The journal."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Instant, Json

revision = "kernel_0001"
down_revision = None
branch_labels = ("kernel",)


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "journal_events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("object_id", sa.String(length=255), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("details", Json(), nullable=False),
        sa.Column("operation", sa.String(length=36), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=True),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("journal_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_journal_events_at"), ["at"], unique=False)
        batch_op.create_index("ix_journal_events_object", ["object_id", "number"], unique=False)

    op.create_table(
        "journal_operations",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("room", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("object_id", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("parent", sa.String(length=36), nullable=True),
        sa.Column("waits_for", sa.String(length=36), nullable=True),
        sa.Column("inputs", Json(), nullable=False),
        sa.Column("record", Json(), nullable=True),
        sa.Column("state_before", sa.String(length=64), nullable=True),
        sa.Column("requester", Json(), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("begun_at", Instant(), nullable=False),
        sa.Column("deadline", Instant(), nullable=False),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("server", sa.String(length=36), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("giving_up", sa.Text(), nullable=True),
        sa.Column("cancelled_by", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id", name=op.f("uq_journal_operations_id")),
    )
    with op.batch_alter_table("journal_operations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_journal_operations_due_at"), ["due_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_journal_operations_ended_at"), ["ended_at"], unique=False)
        batch_op.create_index("ix_journal_operations_object", ["object_id", "number"], unique=False)
        batch_op.create_index(batch_op.f("ix_journal_operations_request_id"), ["request_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_journal_operations_waits_for"), ["waits_for"], unique=False)

    op.create_table(
        "journal_steps",
        sa.Column("operation", sa.String(length=36), nullable=False),
        sa.Column("phase", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("result", Json(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("operation", "phase", "name"),
    )
