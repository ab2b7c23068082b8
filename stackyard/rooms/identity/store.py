"""The keys of this room as rows, each sealed with the cloud's secret, so that all servers share them."""

from datetime import datetime

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Instant, Record, Transaction, table

#: `state`: staged (the next primary), primary (makes things), secondary (still reads them), each `since` a moment.
KEY = table(
    "identity_key",
    Column("id", sa.String(32), primary_key=True),
    Column("use", sa.String(16), nullable=False, index=True),
    Column("state", sa.String(16), nullable=False),
    Column("since", Instant, nullable=False),
    Column("sealed", sa.Text, nullable=False),
)


def keys(tx: Transaction, use: str) -> list[Record]:
    """The keys of one use, the newest of each state first."""
    return tx.all(sa.select(KEY).where(KEY.c.use == use).order_by(KEY.c.since.desc(), KEY.c.id))


def all_keys(tx: Transaction) -> list[Record]:
    """Every key without its secret, by use, the newest first."""
    told = sa.select(KEY.c.id, KEY.c.use, KEY.c.state, KEY.c.since)
    return tx.all(told.order_by(KEY.c.use, KEY.c.since.desc(), KEY.c.id))


def add(tx: Transaction, key_id: str, use: str, state: str, since: datetime, sealed: str) -> None:
    """A key that was made."""
    tx.insert(KEY, {"id": key_id, "use": use, "state": state, "since": since, "sealed": sealed})


def turn(tx: Transaction, use: str, before: str, after: str, since: datetime) -> None:
    """The keys of one state pass into another."""
    tx.update(KEY, {"state": after, "since": since}, use=use, state=before)


def forget(tx: Transaction, use: str, before: datetime) -> int:
    """Delete the secondary keys that became so at that moment or before; returns how many."""
    old = (KEY.c.use == use, KEY.c.state == "secondary", KEY.c.since <= before)
    return tx.execute(sa.delete(KEY).where(*old)).rowcount
