"""Logins through a browser that have come back; tokens name the service providers there are."""

import sqlalchemy as sa
from alembic import op

revision = "identity_0009"
down_revision = "identity_0008"
branch_labels = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "identity_sign_in",
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("state"),
    )
    with op.batch_alter_table("identity_sign_in", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_sign_in_expires"), ["expires"], unique=False)
    for statement in _triggers("identity_service_provider"):
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
