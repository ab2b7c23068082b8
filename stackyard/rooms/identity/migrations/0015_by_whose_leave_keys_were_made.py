"""By whose leave a credential was made stands beside it, where look-ups see it: the blob is sealed."""

import sqlalchemy as sa
from alembic import op

revision = "identity_0015"
down_revision = "identity_0014"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    with op.batch_alter_table("identity_credential", schema=None) as batch_op:
        batch_op.add_column(sa.Column("made_with", sa.String(length=64), nullable=True))
