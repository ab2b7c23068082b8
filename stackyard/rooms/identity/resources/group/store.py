"""Who is in which group."""

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Transaction, table

MEMBERSHIP = table(
    "identity_membership",
    Column("user_id", sa.String(64), primary_key=True),
    Column("group_id", sa.String(64), primary_key=True, index=True),
)


def is_member(tx: Transaction, user_id: str, group_id: str) -> bool:
    """Whether the user is in the group."""
    return tx.get(MEMBERSHIP, user_id=user_id, group_id=group_id) is not None


def join(tx: Transaction, user_id: str, group_id: str) -> None:
    """Add a user to a group; adding twice changes nothing."""
    if not is_member(tx, user_id, group_id):
        tx.insert(MEMBERSHIP, {"user_id": user_id, "group_id": group_id})


def leave(tx: Transaction, **who: str) -> int:
    """Take users out of groups: by `user_id`, by `group_id` or by both; returns how many memberships ended."""
    return tx.delete(MEMBERSHIP, **who)
