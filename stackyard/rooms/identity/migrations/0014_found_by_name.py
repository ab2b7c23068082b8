"""Users, groups and projects are looked up by name among many."""

from alembic import op

revision = "identity_0014"
down_revision = "identity_0013"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    for table in ("identity_user", "identity_group", "identity_project"):
        op.create_index(f"ix_{table}_name", table, ["name"], unique=False)
