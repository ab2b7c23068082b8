"""Which roles imply which, and what a set of roles amounts to."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Record, Transaction, table
from stackyard.rooms.identity.resources.role import resource

IMPLIED = table(
    "identity_implied_role",
    Column("prior_role_id", sa.String(64), primary_key=True),
    Column("implied_role_id", sa.String(64), primary_key=True, index=True),
)


def implied_by(tx: Transaction, prior_role_id: str) -> list[Record]:
    """The roles that a role implies directly, by name."""
    role = resource.ROLE.table
    joined = sa.select(role).join(IMPLIED, IMPLIED.c.implied_role_id == role.c.id)
    return tx.all(joined.where(IMPLIED.c.prior_role_id == prior_role_id).order_by(role.c.name))


def inferences(tx: Transaction) -> dict[str, list[str]]:
    """Every implication: prior role → the roles it implies directly."""
    found: dict[str, list[str]] = {}
    for row in tx.find(IMPLIED):
        found.setdefault(row.prior_role_id, []).append(row.implied_role_id)
    return found


def closure(inferred: dict[str, list[str]], role_id: str) -> set[str]:
    """A role and everything it implies, near and far."""
    reached, ahead = set(), [role_id]
    while ahead:
        if (each := ahead.pop()) not in reached:
            reached.add(each)
            ahead += inferred.get(each, ())
    return reached


def expand(tx: Transaction, role_ids: Iterable[str]) -> list[Record]:
    """The roles with all they imply, without those that belong to a domain, by name."""
    given = set(role_ids)
    if not given:
        return []
    inferred = inferences(tx)
    all_ids = set().union(*(closure(inferred, each) for each in given))
    return tx.all(_of_the_cloud().params(role_ids=sorted(all_ids)))


@cache
def _of_the_cloud() -> sa.Select[Any]:
    role = resource.ROLE.table
    named = role.c.id.in_(sa.bindparam("role_ids", expanding=True))
    return sa.select(role.c.id, role.c.name).where(named, role.c.domain_id.is_(None)).order_by(role.c.name)


def forget(tx: Transaction, role_id: str) -> None:
    """Delete the implications a role is part of."""
    tx.execute(sa.delete(IMPLIED).where((IMPLIED.c.prior_role_id == role_id) | (IMPLIED.c.implied_role_id == role_id)))


def all_roles(tx: Transaction) -> list[Record]:
    """Every role, of the cloud and of domains."""
    return tx.all(sa.select(resource.ROLE.table))


def by_name(tx: Transaction, name: str, domain_id: str | None = None) -> Record | None:
    """The cloud's role of that name, or a domain's own."""
    return tx.get(resource.ROLE.table, name=name, domain_id=domain_id)


def referred(tx: Transaction, by: Mapping[str, str]) -> Record | None:
    """The role that a request refers to by its `id`, of the cloud or a domain's own, or by its `name`, of the cloud."""
    return tx.get(resource.ROLE.table, id=by["id"]) if "id" in by else by_name(tx, by["name"])


def named(tx: Transaction, names: Iterable[str]) -> list[Record]:
    """The cloud's roles of these names."""
    role = resource.ROLE.table
    return tx.all(sa.select(role).where(role.c.name.in_(list(names)), role.c.domain_id.is_(None)))


def implies(tx: Transaction, prior_role_id: str, implied_role_id: str) -> bool:
    """Whether one role implies another directly."""
    return tx.get(IMPLIED, prior_role_id=prior_role_id, implied_role_id=implied_role_id) is not None


def imply(tx: Transaction, prior_role_id: str, implied_role_id: str) -> None:
    """Let a role imply another; twice changes nothing."""
    if not implies(tx, prior_role_id, implied_role_id):
        tx.insert(IMPLIED, {"prior_role_id": prior_role_id, "implied_role_id": implied_role_id})


def imply_no_longer(tx: Transaction, prior_role_id: str, implied_role_id: str) -> None:
    """Take an implication back."""
    tx.delete(IMPLIED, prior_role_id=prior_role_id, implied_role_id=implied_role_id)
