"""Nodes that join."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Instant

revision = "kernel_0003"
down_revision = "kernel_0002"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "node_authority",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "node_certificates",
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("node", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("issued_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("serial"),
    )
    with op.batch_alter_table("node_certificates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_node_certificates_node"), ["node"], unique=False)

    op.create_table(
        "node_servers",
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("address"),
    )
    op.create_table(
        "node_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("used_at", Instant(), nullable=True),
        sa.Column("used_by", sa.String(length=255), nullable=True),
        sa.Column("used_key", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
