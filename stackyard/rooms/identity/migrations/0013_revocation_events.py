"""Revocation events, written by triggers: nobody who ends tokens can forget them."""

import sqlalchemy as sa
from alembic import op

from stackyard.kernel.storage.database import Instant

revision = "identity_0013"
down_revision = "identity_0012"
branch_labels = None


#: What ends tokens: (name, table, event, on which rows, the column of the event, the id that goes there).
ENDINGS = (
    ("user_changed", "identity_user", "UPDATE OF generation", "NEW.generation <> OLD.generation", "user_id", "OLD.id"),
    ("user_deleted", "identity_user", "DELETE", None, "user_id", "OLD.id"),
    ("project_deleted", "identity_project", "DELETE", "NOT OLD.is_domain", "project_id", "OLD.id"),
    ("domain_deleted", "identity_project", "DELETE", "OLD.is_domain", "domain_id", "OLD.id"),
    ("trust_deleted", "identity_trust", "DELETE", None, "trust_id", "OLD.id"),
    ("token_revoked", "identity_revocation", "INSERT", None, "audit_id", "NEW.audit_id"),
)
#: Microseconds. No token lives longer, and what it reached is asked about two days more at most.
KEPT = 7 * 86_400_000_000


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "identity_revocation_event",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("revoked_at", Instant(), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=True),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("domain_id", sa.String(length=64), nullable=True),
        sa.Column("trust_id", sa.String(length=64), nullable=True),
        sa.Column("audit_id", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("identity_revocation_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_revocation_event_revoked_at"), ["revoked_at"], unique=False)
    for ending in ENDINGS:
        for statement in _trigger(*ending):
            op.execute(statement)


def _trigger(name: str, table: str, event: str, rows: str | None, column: str, what: str) -> list[str]:
    sqlite = op.get_bind().dialect.name == "sqlite"
    now = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
    if not sqlite:
        now = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    body = (
        f"INSERT INTO identity_revocation_event (revoked_at, {column}) VALUES ({now}, {what}); "
        f"DELETE FROM identity_revocation_event WHERE revoked_at < {now} - {KEPT};"
    )
    when = f" WHEN ({rows})" if rows else ""
    head = f"CREATE TRIGGER identity_{name}_revokes AFTER {event} ON {table} FOR EACH ROW{when}"
    if sqlite:
        return [f"{head} BEGIN {body} END"]
    function = f"identity_{name}_revokes"
    return [
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$",
        f"{head} EXECUTE FUNCTION {function}()",
    ]
