"""What is used of each provider and class, kept beside the allocations it is the sum of.

A claim asks it of every host there is; to add up all allocations each time made claims dearer with every container of
the cloud. The store of allocations writes it where it writes those, and nobody else does, in the same transaction.
"""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Transaction, table
from stackyard.kernel.storage.statements import Statement, parameter
from stackyard.kernel.work import Work

USAGES = table(
    "placement_usages",
    Column("provider", sa.String(64), primary_key=True),
    Column("resource_class", sa.String(255), primary_key=True),
    Column("used", sa.BigInteger, nullable=False),
)
TABLES = (USAGES,)

#: Amounts by provider and resource class.
Usages = dict[str, dict[str, int]]

_ADD = Statement(
    sa.update(USAGES)
    .values(used=USAGES.c.used + parameter("amount", sa.BigInteger()))
    .where(USAGES.c.provider == parameter("its_provider"), USAGES.c.resource_class == parameter("its_class"))
)


def of(work: Work, providers: Collection[str] | None = None) -> Usages:
    """What is used of providers, all of them unless some are named."""
    chosen = sa.select(USAGES).where(USAGES.c.used != 0)
    if providers is not None:
        chosen = chosen.where(USAGES.c.provider.in_(providers))
    found: Usages = {}
    for row in work.tx.all(chosen):
        found.setdefault(row.provider, {})[row.resource_class] = row.used
    return found


def of_class(resource_class: str) -> Any:
    """A subquery of what is used of a class, by provider."""
    return sa.select(USAGES.c.provider, USAGES.c.used).where(USAGES.c.resource_class == resource_class).subquery()


def add(work: Work, amounts: Mapping[tuple[str, str], int]) -> None:
    """So much more is used of these providers and classes; of what is let go, less than nothing."""
    for (provider, name), amount in amounts.items():
        if amount and not work.tx.run(_ADD, amount=amount, its_provider=provider, its_class=name):
            work.tx.insert(USAGES, _row(provider, name, amount))


def rename_class(work: Work, old: str, new: str) -> None:
    """A resource class has another name. Of its new name nothing is used yet."""
    work.tx.delete(USAGES, resource_class=new)
    work.tx.update(USAGES, {"resource_class": new}, resource_class=old)


def forget(work: Work, provider: str) -> None:
    """A provider is gone, of which nothing is used."""
    work.tx.delete(USAGES, provider=provider)


def kept(tx: Transaction) -> dict[tuple[str, str], int]:
    """All that is said to be used."""
    return {(row.provider, row.resource_class): row.used for row in tx.all(sa.select(USAGES)) if row.used}


def put_right(tx: Transaction, sums: Mapping[tuple[str, str], int]) -> None:
    """Say what the allocations add up to."""
    tx.execute(sa.delete(USAGES))
    tx.insert_many(USAGES, [_row(*which, used) for which, used in sums.items()])


def _row(provider: str, resource_class: str, used: int) -> dict[str, Any]:
    return {"provider": provider, "resource_class": resource_class, "used": used}
