"""Containers are found by host and by status."""

from alembic import op

revision = "container_0002"
down_revision = "container_0001"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    with op.batch_alter_table("containers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_containers_host"), ["host"], unique=False)
        batch_op.create_index(batch_op.f("ix_containers_status"), ["status"], unique=False)
