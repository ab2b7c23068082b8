"""Passwords that were, and how logging in went."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Instant

revision = "identity_0006"
down_revision = "identity_0005"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "identity_login",
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", Instant(), nullable=True),
        sa.Column("active_on", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_table(
        "identity_password",
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "since"),
    )
    with op.batch_alter_table("identity_user", schema=None) as batch_op:
        batch_op.add_column(sa.Column("password_expires_at", Instant(), nullable=True))
        batch_op.add_column(sa.Column("password_set_at", Instant(), nullable=True))
