"""Passwords that were, and how logging in went. Neither is watched: to log in changes nothing that tokens depend on."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Instant, Record, Transaction, table

#: Every password of a user, the present one too, as far back as the rules look.
HISTORY = table(
    "identity_password",
    Column("user_id", sa.String(64), primary_key=True),
    Column("since", Instant, primary_key=True),
    Column("hash", sa.Text, nullable=False),
)

#: `failures` in a row, the last `failed_at`; `active_on`: the day of the last login, in ISO 8601.
LOGIN = table(
    "identity_login",
    Column("user_id", sa.String(64), primary_key=True),
    Column("failures", sa.Integer, nullable=False),
    Column("failed_at", Instant),
    Column("active_on", sa.String(10)),
)

#: Failures of users who do not exist are written too, to one row, so that they take as long.
NOBODY = "nobody"


def history(tx: Transaction, user_id: str, most: int) -> list[Record]:
    """A user's last passwords, the present one first: `hash` and `since`."""
    asked = sa.select(HISTORY).where(HISTORY.c.user_id == user_id)
    return tx.all(asked.order_by(HISTORY.c.since.desc()).limit(most))


def remember(tx: Transaction, user_id: str, password_hash: str, now: datetime, most: int) -> None:
    """The user has this password from now on; only the last `most` are kept."""
    tx.insert(HISTORY, {"user_id": user_id, "since": now, "hash": password_hash})
    kept = history(tx, user_id, max(most, 1))
    tx.execute(sa.delete(HISTORY).where(HISTORY.c.user_id == user_id, HISTORY.c.since < kept[-1].since))


def login(tx: Transaction, user_id: str) -> Record | None:
    """How logging in has gone for a user."""
    return tx.get(LOGIN, user_id=user_id)


def failed(tx: Transaction, user_id: str, failures: int, now: datetime) -> None:
    """So many attempts have failed in a row, the last one now."""
    _put(tx, user_id, {"failures": failures, "failed_at": now})


def succeeded(tx: Transaction, user_id: str, today: date) -> None:
    """The user is in, or has been let in again: no failures, and active today."""
    _put(tx, user_id, {"failures": 0, "failed_at": None, "active_on": today.isoformat()})


def forget(tx: Transaction, user_ids: Any) -> None:
    """These users are gone. `user_ids`: a list or a select."""
    for each in (HISTORY, LOGIN):
        tx.execute(sa.delete(each).where(each.c.user_id.in_(user_ids)))


def _put(tx: Transaction, user_id: str, values: dict[str, object]) -> None:
    if not tx.update(LOGIN, values, user_id=user_id):
        tx.insert(LOGIN, {"failures": 0, **values, "user_id": user_id})
