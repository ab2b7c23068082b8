"""Indexes of what is live."""

import sqlalchemy as sa
from alembic import op

revision = "kernel_0006"
down_revision = "kernel_0005"
branch_labels = None

_BEFORE = ("due_at", "ended_at", "waits_for")
#: An index's columns, and the one that is set in the rows it holds.
_NOW = {
    "due_at": (["due_at"], "due_at"),
    "ended_at": (["ended_at"], "ended_at"),
    "given_up": (["state"], "giving_up"),
    "live": (["object_id", "number"], "due_at"),
    "waits_for": (["waits_for"], "waits_for"),
}


def upgrade() -> None:
    """Bring the tables to this revision."""
    with op.batch_alter_table("journal_operations", schema=None) as batch_op:
        for name in _BEFORE:
            batch_op.drop_index(f"ix_journal_operations_{name}")
        for name, (columns, which) in _NOW.items():
            condition = sa.text(f"{which} IS NOT NULL")
            batch_op.create_index(
                f"ix_journal_operations_{name}", columns, sqlite_where=condition, postgresql_where=condition
            )
