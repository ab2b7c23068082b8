"""Credentials, sealed where they are kept."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Json

revision = "identity_0007"
down_revision = "identity_0006"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "identity_credential",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("used_step", sa.BigInteger(), nullable=True),
        sa.Column("extra", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_credential", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_credential_key_id"), ["key_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_credential_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_credential_user_id"), ["user_id"], unique=False)
