"""Revoked tokens, and the counter that tells whether anything about identity has changed since."""

from collections.abc import Sequence

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Transaction, table
from stackyard.kernel.storage.statements import Statement

REVOCATION = table(
    "identity_revocation",
    Column("audit_id", sa.String(32), primary_key=True),
    Column("expires", sa.BigInteger, nullable=False, index=True),
    # Whether those that were got with it are revoked with it.
    Column("cascades", sa.Boolean, nullable=True),
)

#: One row; triggers on every table of this room raise its counter, whoever writes.
CHANGE = table(
    "identity_change", Column("id", sa.Integer, primary_key=True), Column("version", sa.BigInteger, nullable=False)
)

#: For how many seconds one may still ask about an expired token: work begun with it may take that long.
GRACE = 172_800

#: Asked for with every request.
_VERSION = Statement(sa.select(CHANGE.c.version).where(CHANGE.c.id == 1))


def version(tx: Transaction) -> int:
    """A number that rises with every change to users, projects, roles, assignments, the catalog or revocations. It is
    looked up once in a reader's snapshot, in which it cannot change."""
    known = tx.kept.get(_VERSION)
    if known is None:
        known = int(tx.value(_VERSION) or 0)
        if not tx.writable:
            tx.kept[_VERSION] = known
    return int(known)


def revoke(tx: Transaction, audit_id: str, expires: int, now: int, *, cascade: bool = False) -> None:
    """Let a token be refused, and with `cascade` those that were got with it; forgets those that have expired so long
    ago that nobody can ask about them."""
    if tx.get(REVOCATION, audit_id=audit_id) is None:
        tx.insert(REVOCATION, {"audit_id": audit_id, "expires": expires, "cascades": cascade})
    tx.execute(sa.delete(REVOCATION).where(REVOCATION.c.expires < now - GRACE))


def is_revoked(tx: Transaction, audit_ids: Sequence[str]) -> bool:
    """Whether a token was revoked: by its own audit id, which comes first, or with the token that all began with, whose
    audit id is the last."""
    own = tx.get(REVOCATION, audit_id=audit_ids[0])
    return own is not None or (
        len(audit_ids) > 1 and tx.get(REVOCATION, audit_id=audit_ids[-1], cascades=True) is not None
    )
