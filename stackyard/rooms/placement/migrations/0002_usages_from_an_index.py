"""What is used of a provider is added up from an index."""

from alembic import op

revision = "placement_0002"
down_revision = "placement_0001"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    with op.batch_alter_table("placement_allocations", schema=None) as batch_op:
        batch_op.drop_index("ix_placement_allocations_provider")
        batch_op.create_index("ix_placement_allocations_provider", ["provider", "resource_class", "used"], unique=False)
