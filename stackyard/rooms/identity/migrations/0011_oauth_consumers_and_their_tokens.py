"""OAuth consumers and their tokens. Tokens of the cloud are judged by access tokens: changes raise the counter."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Instant, Json

revision = "identity_0011"
down_revision = "identity_0010"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "identity_access_token",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("authorizing_user_id", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("role_ids", Json(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_access_token", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_identity_access_token_authorizing_user_id"), ["authorizing_user_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_identity_access_token_consumer_id"), ["consumer_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_access_token_key_id"), ["key_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_access_token_project_id"), ["project_id"], unique=False)

    op.create_table(
        "identity_consumer",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("extra", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_consumer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_consumer_key_id"), ["key_id"], unique=False)

    op.create_table(
        "identity_nonce",
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer_id", "nonce", "timestamp"),
    )
    with op.batch_alter_table("identity_nonce", schema=None) as batch_op:
        batch_op.create_index("identity_nonce_timestamp", ["timestamp"], unique=False)

    op.create_table(
        "identity_request_token",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("verifier", sa.String(length=64), nullable=True),
        sa.Column("authorizing_user_id", sa.String(length=64), nullable=True),
        sa.Column("role_ids", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_request_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_request_token_consumer_id"), ["consumer_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_request_token_key_id"), ["key_id"], unique=False)

    for statement in _triggers("identity_access_token"):
        op.execute(statement)


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
