"""Users, projects, roles and the catalog; and the counter that every change to them raises."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Json

revision = "identity_0001"
down_revision = None
branch_labels = ("identity",)


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "identity_assignment",
        sa.Column("role_id", sa.String(length=64), nullable=False),
        sa.Column("actor_type", sa.String(length=8), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("target_type", sa.String(length=8), nullable=False),
        sa.Column("target_id", sa.String(length=64), nullable=False),
        sa.Column("inherited", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("role_id", "actor_type", "actor_id", "target_type", "target_id", "inherited"),
    )
    with op.batch_alter_table("identity_assignment", schema=None) as batch_op:
        batch_op.create_index("identity_assignment_actor", ["actor_id", "target_id"], unique=False)
        batch_op.create_index("identity_assignment_target", ["target_id"], unique=False)

    op.create_table(
        "identity_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "identity_endpoint",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=64), nullable=False),
        sa.Column("region_id", sa.String(length=255), nullable=True),
        sa.Column("interface", sa.String(length=64), nullable=False),
        sa.Column("url", sa.String(length=1024), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("extra", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_endpoint", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_endpoint_region_id"), ["region_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_endpoint_service_id"), ["service_id"], unique=False)

    op.create_table(
        "identity_group",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("domain_id", sa.String(length=64), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("extra", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("domain_id", "name", name=op.f("uq_identity_group_domain_id_name")),
    )
    with op.batch_alter_table("identity_group", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_group_domain_id"), ["domain_id"], unique=False)

    op.create_table(
        "identity_implied_role",
        sa.Column("prior_role_id", sa.String(length=64), nullable=False),
        sa.Column("implied_role_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("prior_role_id", "implied_role_id"),
    )
    with op.batch_alter_table("identity_implied_role", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_implied_role_implied_role_id"), ["implied_role_id"], unique=False)

    op.create_table(
        "identity_membership",
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "group_id"),
    )
    with op.batch_alter_table("identity_membership", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_membership_group_id"), ["group_id"], unique=False)

    op.create_table(
        "identity_project",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("tags", Json(), nullable=False),
        sa.Column("options", Json(), nullable=False),
        sa.Column("is_domain", sa.Boolean(), nullable=False),
        sa.Column("domain_id", sa.String(length=64), nullable=True),
        sa.Column("parent_id", sa.String(length=64), nullable=True),
        sa.Column("extra", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("domain_id", "name", name=op.f("uq_identity_project_domain_id_name")),
    )
    with op.batch_alter_table("identity_project", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_project_domain_id"), ["domain_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_project_parent_id"), ["parent_id"], unique=False)

    op.create_table(
        "identity_region",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("parent_region_id", sa.String(length=255), nullable=True),
        sa.Column("extra", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_region", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_region_parent_region_id"), ["parent_region_id"], unique=False)

    op.create_table(
        "identity_revocation",
        sa.Column("audit_id", sa.String(length=32), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id"),
    )
    with op.batch_alter_table("identity_revocation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_revocation_expires"), ["expires"], unique=False)

    op.create_table(
        "identity_role",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("domain_id", sa.String(length=64), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("options", Json(), nullable=False),
        sa.Column("extra", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_role", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_role_domain_id"), ["domain_id"], unique=False)

    op.create_table(
        "identity_service",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("extra", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "identity_user",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("domain_id", sa.String(length=64), nullable=True),
        sa.Column("default_project_id", sa.String(length=64), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("options", Json(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("password_from", sa.String(length=16), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("extra", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("domain_id", "name", name=op.f("uq_identity_user_domain_id_name")),
    )
    with op.batch_alter_table("identity_user", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_user_default_project_id"), ["default_project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_user_domain_id"), ["domain_id"], unique=False)
    op.execute("INSERT INTO identity_change (id, version) VALUES (1, 1)")
    for table in WATCHED:
        for statement in _triggers(table):
            op.execute(statement)


# Tokens are judged by these rows. Triggers, and not the code that writes, raise the counter: nobody can forget it.
WATCHED = (
    "identity_project",
    "identity_user",
    "identity_group",
    "identity_membership",
    "identity_role",
    "identity_implied_role",
    "identity_assignment",
    "identity_revocation",
)


def _triggers(table: str) -> list[str]:
    if op.get_bind().dialect.name == "sqlite":
        return [
            f"CREATE TRIGGER {table}_{event.lower()} AFTER {event} ON {table} "
            "BEGIN UPDATE identity_change SET version = version + 1 WHERE id = 1; END"
            for event in ("INSERT", "UPDATE", "DELETE")
        ]
    return [
        "CREATE OR REPLACE FUNCTION identity_changed() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN UPDATE identity_change SET version = version + 1 WHERE id = 1; RETURN NULL; END'",
        f"CREATE TRIGGER {table}_changed AFTER INSERT OR UPDATE OR DELETE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION identity_changed()",
    ]
