"""Who is in which group."""

from collections.abc import Collection
from datetime import UTC, datetime

import sqlalchemy as sa

from stackyard.kernel.declare.dialect import iso_micro
from stackyard.kernel.storage.database import Column, Transaction, table

MEMBERSHIP = table(
    "identity_membership",
    Column("user_id", sa.String(64), primary_key=True),
    Column("group_id", sa.String(64), primary_key=True, index=True),
    # Of memberships that an identity provider vouches for: until when (seconds since 1970), and which provider.
    Column("expires", sa.BigInteger, nullable=True, index=True),
    Column("idp_id", sa.String(64), nullable=True, index=True),
)


def is_member(tx: Transaction, user_id: str, group_id: str) -> bool:
    """Whether the user is in the group."""
    return tx.get(MEMBERSHIP, user_id=user_id, group_id=group_id) is not None


def join(tx: Transaction, user_id: str, group_id: str) -> None:
    """Add a user to a group, for good; adding twice changes nothing."""
    lasting = {"expires": None, "idp_id": None}
    if not tx.update(MEMBERSHIP, lasting, user_id=user_id, group_id=group_id):
        tx.insert(MEMBERSHIP, {"user_id": user_id, "group_id": group_id, **lasting})


def vouched(tx: Transaction, user_id: str, idp_id: str, group_ids: Collection[str], expires: int) -> bool:
    """Let a user be in these groups until `expires` on a provider's word, and in no other on the word of the same;
    returns whether that took any group away. Memberships for good stay as they are."""
    known = {row.group_id: row for row in tx.find(MEMBERSHIP, user_id=user_id)}
    stale = [row.group_id for row in known.values() if row.idp_id == idp_id and row.group_id not in group_ids]
    for group_id in stale:
        tx.delete(MEMBERSHIP, user_id=user_id, group_id=group_id)
    for group_id in group_ids:
        if group_id not in known:
            tx.insert(MEMBERSHIP, {"user_id": user_id, "group_id": group_id, "expires": expires, "idp_id": idp_id})
        elif known[group_id].expires is not None:
            tx.update(MEMBERSHIP, {"expires": expires, "idp_id": idp_id}, user_id=user_id, group_id=group_id)
    return bool(stale)


def expired(tx: Transaction, now: int) -> bool:
    """Whether any membership has outlived its provider's word."""
    return tx.value(sa.select(MEMBERSHIP.c.user_id).where(MEMBERSHIP.c.expires <= now).limit(1)) is not None


def leave_expired(tx: Transaction, now: int) -> int:
    """End the memberships that have outlived their provider's word; returns how many."""
    return tx.execute(sa.delete(MEMBERSHIP).where(MEMBERSHIP.c.expires <= now)).rowcount


def leave(tx: Transaction, **who: str) -> int:
    """Take users out of groups: by `user_id`, by `group_id` or by both; returns how many memberships ended."""
    return tx.delete(MEMBERSHIP, **who)


def expirations(tx: Transaction, user_id: str) -> dict[str, str]:
    """By group: the moment at which a user's membership ends, of those that do."""
    rows = tx.all(sa.select(MEMBERSHIP).where(MEMBERSHIP.c.user_id == user_id, MEMBERSHIP.c.expires.is_not(None)))
    return {row.group_id: iso_micro(datetime.fromtimestamp(row.expires, UTC)) for row in rows}
