"""Policies, endpoint filters, limits, and what domains set for themselves."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Json

revision = "identity_0005"
down_revision = "identity_0004"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "identity_domain_option",
        sa.Column("domain_id", sa.String(length=64), nullable=False),
        sa.Column("group", sa.String(length=64), nullable=False),
        sa.Column("option", sa.String(length=64), nullable=False),
        sa.Column("value", Json(), nullable=True),
        sa.PrimaryKeyConstraint("domain_id", "group", "option"),
    )
    op.create_table(
        "identity_endpoint_group",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("filters", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "identity_limit",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("domain_id", sa.String(length=64), nullable=True),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("region_id", sa.String(length=255), nullable=True),
        sa.Column("resource_name", sa.String(length=255), nullable=False),
        sa.Column("resource_limit", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_limit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_limit_domain_id"), ["domain_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_limit_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_limit_service_id"), ["service_id"], unique=False)

    op.create_table(
        "identity_policy",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("extra", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "identity_policy_association",
        sa.Column("endpoint_id", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("region_id", sa.String(length=255), nullable=False),
        sa.Column("policy_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("endpoint_id", "service_id", "region_id"),
    )
    with op.batch_alter_table("identity_policy_association", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_policy_association_policy_id"), ["policy_id"], unique=False)

    op.create_table(
        "identity_project_endpoint",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "endpoint_id"),
    )
    with op.batch_alter_table("identity_project_endpoint", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_project_endpoint_endpoint_id"), ["endpoint_id"], unique=False)

    op.create_table(
        "identity_project_endpoint_group",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint_group_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "endpoint_group_id"),
    )
    with op.batch_alter_table("identity_project_endpoint_group", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_identity_project_endpoint_group_endpoint_group_id"), ["endpoint_group_id"], unique=False
        )

    op.create_table(
        "identity_registered_limit",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("region_id", sa.String(length=255), nullable=True),
        sa.Column("resource_name", sa.String(length=255), nullable=False),
        sa.Column("default_limit", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_registered_limit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_registered_limit_service_id"), ["service_id"], unique=False)
