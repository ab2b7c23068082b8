"""Limits of projects."""

import sqlalchemy as sa
from alembic import op

revision = "kernel_0004"
down_revision = "kernel_0003"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "quotas",
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("limit", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("service", "holder", "name", "resource"),
    )
