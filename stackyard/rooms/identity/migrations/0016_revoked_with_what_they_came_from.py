"""Tokens that were got with another are revoked with it."""

import sqlalchemy as sa
from alembic import op

revision = "identity_0016"
down_revision = "identity_0015"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    # Nullable: a default would make SQLite's table anew, and lose its triggers.
    with op.batch_alter_table("identity_revocation", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cascades", sa.Boolean(), nullable=True))
