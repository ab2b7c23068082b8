"""Copies of image data."""

import sqlalchemy as sa
from alembic import op

revision = "image_0003"
down_revision = "image_0002"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "image_copies",
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("store", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("key", "store"),
    )
    with op.batch_alter_table("image_copies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_image_copies_store"), ["store"], unique=False)
