"""Identity providers, protocols, mappings, service providers; who came through them, until when they are in a group."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Json

revision = "identity_0003"
down_revision = "identity_0002"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "identity_federated_user",
        sa.Column("idp_id", sa.String(length=64), nullable=False),
        sa.Column("protocol_id", sa.String(length=64), nullable=False),
        sa.Column("unique_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("idp_id", "protocol_id", "unique_id"),
    )
    with op.batch_alter_table("identity_federated_user", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_federated_user_user_id"), ["user_id"], unique=False)

    op.create_table(
        "identity_mapping",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("rules", Json(), nullable=False),
        sa.Column("schema_version", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "identity_protocol",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("idp_id", sa.String(length=64), nullable=False),
        sa.Column("mapping_id", sa.String(length=64), nullable=False),
        sa.Column("remote_id_attribute", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", "idp_id"),
    )
    with op.batch_alter_table("identity_protocol", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_protocol_mapping_id"), ["mapping_id"], unique=False)

    op.create_table(
        "identity_provider",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("domain_id", sa.String(length=64), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("authorization_ttl", sa.BigInteger(), nullable=True),
        sa.Column("remote_ids", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_provider", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_provider_domain_id"), ["domain_id"], unique=False)

    op.create_table(
        "identity_service_provider",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("auth_url", sa.String(length=256), nullable=False),
        sa.Column("sp_url", sa.String(length=256), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("relay_state_prefix", sa.String(length=256), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_membership", schema=None) as batch_op:
        batch_op.add_column(sa.Column("expires", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("idp_id", sa.String(length=64), nullable=True))
        batch_op.create_index(batch_op.f("ix_identity_membership_expires"), ["expires"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_membership_idp_id"), ["idp_id"], unique=False)
    for table in WATCHED:
        for statement in _triggers(table):
            op.execute(statement)


# Tokens that came through a provider are judged by these rows too.
WATCHED = ("identity_provider", "identity_protocol")


def _triggers(table: str) -> list[str]:
    if op.get_bind().dialect.name == "sqlite":
        return [
            f"CREATE TRIGGER {table}_{event.lower()} AFTER {event} ON {table} "
            "BEGIN UPDATE identity_change SET version = version + 1 WHERE id = 1; END"
            for event in ("INSERT", "UPDATE", "DELETE")
        ]
    return [
        f"CREATE TRIGGER {table}_changed AFTER INSERT OR UPDATE OR DELETE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION identity_changed()"
    ]
