"""The timeline and the log of changes are written in the order of time: their numbers tell what is old."""

from alembic import op

revision = "kernel_0007"
down_revision = "kernel_0006"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    for table in ("journal_events", "changes"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_index(f"ix_{table}_at")
