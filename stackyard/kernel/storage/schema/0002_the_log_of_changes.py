"""The log of changes."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Instant, Json

revision = "kernel_0002"
down_revision = "kernel_0001"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "changes",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("object_id", sa.String(length=255), nullable=False),
        sa.Column("seen", Json(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("changes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_changes_at"), ["at"], unique=False)
        batch_op.create_index("ix_changes_source", ["source", "number"], unique=False)
