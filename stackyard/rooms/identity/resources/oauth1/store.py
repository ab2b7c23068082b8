"""Request tokens, which wait for a user's leave, access tokens, which have it, and what was used once."""

from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Index, Instant, Json, Record, Transaction, table
from stackyard.rooms.identity.resources.oauth1 import resource

#: `verifier`, `authorizing_user_id` and `role_ids` are there once a user has given leave.
REQUEST_TOKEN = table(
    "identity_request_token",
    Column("id", sa.String(64), primary_key=True),
    Column("sealed", sa.Text, nullable=False),
    Column("key_id", sa.String(32), nullable=False, index=True),
    Column("consumer_id", sa.String(64), nullable=False, index=True),
    Column("project_id", sa.String(64), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("verifier", sa.String(64)),
    Column("authorizing_user_id", sa.String(64)),
    Column("role_ids", Json),
)

#: Nonces of signed requests, for as long as their timestamps are good.
NONCE = table(
    "identity_nonce",
    Column("consumer_id", sa.String(64), primary_key=True),
    Column("nonce", sa.String(64), primary_key=True),
    Column("timestamp", sa.BigInteger, primary_key=True),
    Index("identity_nonce_timestamp", "timestamp"),
)


def consumer(tx: Transaction, consumer_id: str) -> Record | None:
    """The consumer with that id."""
    return tx.get(resource.CONSUMER.table, id=consumer_id)


def request_token(tx: Transaction, token_id: str) -> Record | None:
    """The request token with that id."""
    return tx.get(REQUEST_TOKEN, id=token_id)


def access_token(tx: Transaction, token_id: str) -> Record | None:
    """The access token with that id."""
    return tx.get(resource.ACCESS_TOKEN.table, id=token_id)


def take_nonce(tx: Transaction, consumer_id: str, nonce: str, timestamp: int, before: int) -> bool:
    """Let a signed request be good once; false if it was. Forgets those with timestamps before `before`."""
    tx.execute(sa.delete(NONCE).where(NONCE.c.timestamp < before))
    used = {"consumer_id": consumer_id, "nonce": nonce, "timestamp": timestamp}
    if tx.get(NONCE, **used) is not None:
        return False
    tx.insert(NONCE, used)
    return True


def remove_of_consumer(tx: Transaction, consumer_id: str) -> None:
    """Delete every token of a consumer."""
    tx.delete(REQUEST_TOKEN, consumer_id=consumer_id)
    tx.delete(resource.ACCESS_TOKEN.table, consumer_id=consumer_id)


def remove_of_users(tx: Transaction, user_ids: Any) -> None:
    """Delete the leave that users have given. `user_ids`: a list or a select."""
    given = resource.ACCESS_TOKEN.table
    tx.execute(sa.delete(REQUEST_TOKEN).where(REQUEST_TOKEN.c.authorizing_user_id.in_(user_ids)))
    tx.execute(sa.delete(given).where(given.c.authorizing_user_id.in_(user_ids)))


def remove_of_projects(tx: Transaction, project_ids: Any) -> None:
    """Delete what is for projects. `project_ids`: a list or a select."""
    for each in (REQUEST_TOKEN, resource.ACCESS_TOKEN.table):
        tx.execute(sa.delete(each).where(each.c.project_id.in_(project_ids)))
