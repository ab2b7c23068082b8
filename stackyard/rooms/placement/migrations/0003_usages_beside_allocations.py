"""What is used of a provider is kept beside the allocations, so that nothing is added up from their index."""

import sqlalchemy as sa
from alembic import op

revision = "placement_0003"
down_revision = "placement_0002"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "placement_usages",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("resource_class", sa.String(length=255), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "resource_class"),
    )
    op.execute(
        "INSERT INTO placement_usages (provider, resource_class, used) "
        "SELECT provider, resource_class, SUM(used) FROM placement_allocations GROUP BY provider, resource_class"
    )
    with op.batch_alter_table("placement_allocations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_placement_allocations_provider"))
        batch_op.create_index("ix_placement_allocations_provider", ["provider"], unique=False)
