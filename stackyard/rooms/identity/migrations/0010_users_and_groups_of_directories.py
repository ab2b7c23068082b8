"""What directories call the users and groups that they keep."""

import sqlalchemy as sa
from alembic import op

revision = "identity_0010"
down_revision = "identity_0009"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    with op.batch_alter_table("identity_group", schema=None) as batch_op:
        batch_op.add_column(sa.Column("local_id", sa.String(length=255), nullable=True))

    with op.batch_alter_table("identity_user", schema=None) as batch_op:
        batch_op.add_column(sa.Column("local_id", sa.String(length=255), nullable=True))
