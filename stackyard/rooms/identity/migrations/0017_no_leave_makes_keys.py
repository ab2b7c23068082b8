"""No leave makes keys any more, so that nothing is to be remembered of it."""

import sqlalchemy as sa
from alembic import op

revision = "identity_0017"
down_revision = "identity_0016"
branch_labels = None

_WATCHING = sa.text("SELECT name FROM sqlite_master WHERE tbl_name = 'identity_credential' AND name GLOB 'watch_*'")


def upgrade() -> None:
    """Bring the tables to this revision."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        # The triggers of the log of changes name the column. The next start makes them as they should be.
        for name in connection.scalars(_WATCHING).all():
            op.execute(f'DROP TRIGGER "{name}"')
    # Without a batch, which would make SQLite's table anew, and lose its other triggers.
    op.drop_column("identity_credential", "made_with")
