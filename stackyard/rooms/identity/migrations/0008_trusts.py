"""Trusts. Tokens are judged by them: their changes raise the counter."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Instant, Json

revision = "identity_0008"
down_revision = "identity_0007"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "identity_trust",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("trustor_user_id", sa.String(length=255), nullable=False),
        sa.Column("trustee_user_id", sa.String(length=255), nullable=False),
        sa.Column("impersonation", sa.Boolean(), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("roles", Json(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("remaining_uses", sa.BigInteger(), nullable=True),
        sa.Column("redelegation_count", sa.BigInteger(), nullable=True),
        sa.Column("redelegated_trust_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("identity_trust", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_trust_project_id"), ["project_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_identity_trust_redelegated_trust_id"), ["redelegated_trust_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_identity_trust_trustee_user_id"), ["trustee_user_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_trust_trustor_user_id"), ["trustor_user_id"], unique=False)
    for statement in _triggers("identity_trust"):
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
