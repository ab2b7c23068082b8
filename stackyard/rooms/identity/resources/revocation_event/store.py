"""What ended tokens before their time, lately.

Triggers write it, and not the code that ends tokens: nobody can forget it. They are in the migration that makes this
table.
"""

from datetime import datetime

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Instant, Record, Transaction, table

#: One of the ids is set: all tokens of a user (also as trustor or trustee), a project, a domain, a trust; or one token.
REVOCATION_EVENT = table(
    "identity_revocation_event",
    Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("revoked_at", Instant, nullable=False, index=True),
    Column("user_id", sa.String(64)),
    Column("project_id", sa.String(64)),
    Column("domain_id", sa.String(64)),
    Column("trust_id", sa.String(64)),
    Column("audit_id", sa.String(32)),
)


def after(tx: Transaction, since: datetime | None) -> list[Record]:
    """The events after a moment, or all that are kept, oldest first."""
    chosen = sa.select(REVOCATION_EVENT).order_by(REVOCATION_EVENT.c.number)
    return tx.all(chosen.where(REVOCATION_EVENT.c.revoked_at > since) if since else chosen)
