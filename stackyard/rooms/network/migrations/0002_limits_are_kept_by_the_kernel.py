"""Limits are kept by the kernel."""

from alembic import op

revision = "network_0002"
down_revision = "network_0001"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.drop_table("network_quotas")
