"""Traces and calls."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Json

revision = "kernel_0005"
down_revision = "kernel_0004"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    with op.batch_alter_table("journal_operations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("trace", sa.String(length=55), nullable=True))

    with op.batch_alter_table("journal_steps", schema=None) as batch_op:
        batch_op.add_column(sa.Column("calls", Json(), nullable=True))
