"""Trusts: whose they are, what stands above and below them, and how often they may be used."""

from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.resources.trust import resource


def by_id(tx: Transaction, trust_id: str) -> Record | None:
    """The trust with that id."""
    return tx.get(resource.TRUST.table, id=trust_id)


def pedigree(tx: Transaction, trust: Record) -> list[Record] | None:
    """The trust and those it was redelegated from, nearest first; None when one of them is gone."""
    chain = [trust]
    while above := chain[-1].redelegated_trust_id:
        parent = by_id(tx, above)
        if parent is None:
            return None
        chain.append(parent)
    return chain


def use(tx: Transaction, trust_id: str) -> bool:
    """Take one of the uses that are left; false when there is none. Never more than there are, however many ask."""
    trust = resource.TRUST.table
    unlimited = sa.select(trust.c.id).where(trust.c.id == trust_id, trust.c.remaining_uses.is_(None))
    if tx.one(unlimited) is not None:
        return True
    left = sa.update(trust).where(trust.c.id == trust_id, trust.c.remaining_uses > 0)
    return tx.execute(left.values(remaining_uses=trust.c.remaining_uses - 1)).rowcount == 1


def remove_below(tx: Transaction, trust_id: str) -> None:
    """Delete what was redelegated from a trust, near and far."""
    for each in tx.find(resource.TRUST.table, redelegated_trust_id=trust_id):
        remove_below(tx, each.id)
        tx.delete(resource.TRUST.table, id=each.id)


def remove_of_users(tx: Transaction, user_ids: Any) -> None:
    """Delete the trusts that users give or are given, with what was redelegated from them. `user_ids`: a list or a
    select."""
    trust = resource.TRUST.table
    _remove(tx, trust.c.trustor_user_id.in_(user_ids) | trust.c.trustee_user_id.in_(user_ids))


def remove_of_projects(tx: Transaction, project_ids: Any) -> None:
    """Delete the trusts on projects. `project_ids`: a list or a select."""
    _remove(tx, resource.TRUST.table.c.project_id.in_(project_ids))


def _remove(tx: Transaction, which: "sa.ColumnElement[bool]") -> None:
    trust = resource.TRUST.table
    for each in tx.all(sa.select(trust.c.id).where(which)):
        remove_below(tx, each.id)
        tx.delete(trust, id=each.id)


def is_duplicate(tx: Transaction, wanted: Record) -> bool:
    """Whether there is a trust between the same two, on the same project and until the same moment."""
    names = ("trustor_user_id", "trustee_user_id", "project_id", "impersonation", "expires_at")
    return tx.get(resource.TRUST.table, **{name: wanted[name] for name in names}) is not None


def narrowed(statement: Any, query: Record) -> Any:
    """Narrow a select of trusts to those of a trustor or a trustee."""
    trust = resource.TRUST.table
    for name in ("trustor_user_id", "trustee_user_id"):
        if query.get(name):
            return statement.where(trust.c[name] == query[name])
    return statement
