"""Consumers and their allocations in the database."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Index, Instant, Record, Transaction, table
from stackyard.kernel.work import Work
from stackyard.rooms.placement.resources.usage import store as usages

CONSUMERS = table(
    "placement_consumers",
    Column("uuid", sa.String(64), primary_key=True),
    Column("project_id", sa.String(255), nullable=False),
    Column("user_id", sa.String(255), nullable=False),
    Column("consumer_type", sa.String(255)),
    Column("generation", sa.BigInteger, nullable=False),
    Index("ix_placement_consumers_project_id", "project_id"),
)
ALLOCATIONS = table(
    "placement_allocations",
    Column("consumer", sa.String(64), primary_key=True),
    Column("provider", sa.String(64), primary_key=True),
    Column("resource_class", sa.String(255), primary_key=True),
    Column("used", sa.BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_placement_allocations_provider", "provider"),
)
TABLES = (CONSUMERS, ALLOCATIONS)

_USED = sa.func.sum(ALLOCATIONS.c.used).label("used")


def sums(tx: Transaction) -> dict[tuple[str, str], int]:
    """What is allocated of each provider and class, added up; `usages` is to say the same."""
    columns = (ALLOCATIONS.c.provider, ALLOCATIONS.c.resource_class)
    summed = tx.all(sa.select(*columns, _USED).group_by(*columns))
    return {(row.provider, row.resource_class): int(row.used) for row in summed}


def consumers(work: Work, uuids: Collection[str]) -> dict[str, Record]:
    """Those of these consumers that have something, by id."""
    found = work.tx.all(sa.select(CONSUMERS).where(CONSUMERS.c.uuid.in_(uuids)))
    return {each.uuid: each for each in found}


def of_consumers(work: Work, uuids: Collection[str]) -> list[Record]:
    """Their allocations."""
    chosen = sa.select(ALLOCATIONS).where(ALLOCATIONS.c.consumer.in_(uuids))
    return work.tx.all(chosen.order_by(ALLOCATIONS.c.provider, ALLOCATIONS.c.resource_class))


def of_type(work: Work, consumer_type: str) -> list[Record]:
    """The allocations of all consumers of a type."""
    joined = sa.join(ALLOCATIONS, CONSUMERS, ALLOCATIONS.c.consumer == CONSUMERS.c.uuid)
    chosen = sa.select(ALLOCATIONS).select_from(joined).where(CONSUMERS.c.consumer_type == consumer_type)
    return work.tx.all(chosen)


def of_provider(work: Work, provider: str) -> list[Record]:
    """The allocations of a provider, with their consumers' generations."""
    joined = sa.join(ALLOCATIONS, CONSUMERS, ALLOCATIONS.c.consumer == CONSUMERS.c.uuid)
    chosen = sa.select(ALLOCATIONS, CONSUMERS.c.generation.label("consumer_generation")).select_from(joined)
    return work.tx.all(chosen.where(ALLOCATIONS.c.provider == provider).order_by(ALLOCATIONS.c.consumer))


def of_project(work: Work, project_id: str, user_id: str | None) -> list[Record]:
    """What a project, or one user in it, has of each class, by type of consumer; and how many consumers have it."""
    joined = sa.join(ALLOCATIONS, CONSUMERS, ALLOCATIONS.c.consumer == CONSUMERS.c.uuid)
    summed = sa.select(CONSUMERS.c.consumer_type, ALLOCATIONS.c.resource_class, _USED).select_from(joined)
    grouped = summed.group_by(CONSUMERS.c.consumer_type, ALLOCATIONS.c.resource_class)
    return work.tx.all(grouped.where(*_holders(project_id, user_id)))


def consumer_counts(work: Work, project_id: str, user_id: str | None) -> dict[str | None, int]:
    """How many consumers of each type a project, or one user in it, has."""
    counted = sa.select(CONSUMERS.c.consumer_type, sa.func.count().label("number")).group_by(CONSUMERS.c.consumer_type)
    return {row.consumer_type: row.number for row in work.tx.all(counted.where(*_holders(project_id, user_id)))}


def _holders(project_id: str, user_id: str | None) -> list[Any]:
    project = CONSUMERS.c.project_id == project_id
    return [project] if user_id is None else [project, CONSUMERS.c.user_id == user_id]


def rename_class(work: Work, old: str, new: str) -> None:
    """A resource class has another name."""
    work.tx.update(ALLOCATIONS, {"resource_class": new}, resource_class=old)
    usages.rename_class(work, old, new)


def replace(work: Work, consumer: Record, having: Mapping[str, Mapping[str, int]], known: bool) -> None:
    """Write a consumer and what it has, in place of what it had (if it is `known`); one that has nothing is
    forgotten."""
    if known:
        remove(work, [consumer.uuid])
    if not having:
        return
    work.tx.insert(CONSUMERS, consumer)
    work.tx.insert_many(
        ALLOCATIONS,
        [
            {
                "consumer": consumer.uuid, "provider": provider, "resource_class": name, "used": used,
                "created_at": work.now,
            }
            for provider, resources in having.items()
            for name, used in resources.items()
        ],
    )  # fmt: skip
    usages.add(work, {(provider, name): used for provider, each in having.items() for name, used in each.items()})


def remove(work: Work, uuids: Iterable[str]) -> None:
    """Forget consumers and what they had."""
    chosen = list(uuids)
    let_go: Counter[tuple[str, str]] = Counter()
    for row in of_consumers(work, chosen):
        let_go[row.provider, row.resource_class] -= row.used
    usages.add(work, let_go)
    work.tx.execute(sa.delete(ALLOCATIONS).where(ALLOCATIONS.c.consumer.in_(chosen)))
    work.tx.execute(sa.delete(CONSUMERS).where(CONSUMERS.c.uuid.in_(chosen)))
