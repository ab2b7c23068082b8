"""providers, inventories, allocations."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Instant

revision = "placement_0001"
down_revision = None
branch_labels = ("placement",)


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "placement_allocations",
        sa.Column("consumer", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("resource_class", sa.String(length=255), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "provider", "resource_class"),
    )
    with op.batch_alter_table("placement_allocations", schema=None) as batch_op:
        batch_op.create_index("ix_placement_allocations_provider", ["provider"], unique=False)

    op.create_table(
        "placement_consumers",
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("consumer_type", sa.String(length=255), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uuid"),
    )
    with op.batch_alter_table("placement_consumers", schema=None) as batch_op:
        batch_op.create_index("ix_placement_consumers_project_id", ["project_id"], unique=False)

    op.create_table(
        "placement_inventories",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("resource_class", sa.String(length=255), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("min_unit", sa.BigInteger(), nullable=False),
        sa.Column("max_unit", sa.BigInteger(), nullable=False),
        sa.Column("step_size", sa.BigInteger(), nullable=False),
        sa.Column("allocation_ratio", sa.Float(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "resource_class"),
    )
    with op.batch_alter_table("placement_inventories", schema=None) as batch_op:
        batch_op.create_index("ix_placement_inventories_resource_class", ["resource_class"], unique=False)

    op.create_table(
        "placement_provider_aggregates",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("aggregate", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("provider", "aggregate"),
    )
    with op.batch_alter_table("placement_provider_aggregates", schema=None) as batch_op:
        batch_op.create_index("ix_placement_provider_aggregates_aggregate", ["aggregate"], unique=False)

    op.create_table(
        "placement_provider_traits",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("trait", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("provider", "trait"),
    )
    with op.batch_alter_table("placement_provider_traits", schema=None) as batch_op:
        batch_op.create_index("ix_placement_provider_traits_trait", ["trait"], unique=False)

    op.create_table(
        "placement_resource_classes",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "placement_resource_providers",
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("parent_provider_uuid", sa.String(length=64), nullable=True),
        sa.Column("root_provider_uuid", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("uuid"),
        sa.UniqueConstraint("name", name=op.f("uq_placement_resource_providers_name")),
    )
    with op.batch_alter_table("placement_resource_providers", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_placement_resource_providers_parent_provider_uuid"), ["parent_provider_uuid"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_placement_resource_providers_root_provider_uuid"), ["root_provider_uuid"], unique=False
        )

    op.create_table(
        "placement_traits",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
