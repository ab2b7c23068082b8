"""Providers' inventories, traits and aggregates in the database, and the trees that providers stand in."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Column, Index, Instant, Record, table
from stackyard.kernel.work import Work
from stackyard.rooms.placement.capacity import Inventory, inventory
from stackyard.rooms.placement.resources.allocation_candidate.asked import Demand
from stackyard.rooms.placement.resources.resource_provider import resource

INVENTORIES = table(
    "placement_inventories",
    Column("provider", sa.String(64), primary_key=True),
    Column("resource_class", sa.String(255), primary_key=True),
    Column("total", sa.BigInteger, nullable=False),
    Column("reserved", sa.BigInteger, nullable=False),
    Column("min_unit", sa.BigInteger, nullable=False),
    Column("max_unit", sa.BigInteger, nullable=False),
    Column("step_size", sa.BigInteger, nullable=False),
    Column("allocation_ratio", sa.Float, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_placement_inventories_resource_class", "resource_class"),
)
TRAITS = table(
    "placement_provider_traits",
    Column("provider", sa.String(64), primary_key=True),
    Column("trait", sa.String(255), primary_key=True),
    Index("ix_placement_provider_traits_trait", "trait"),
)
AGGREGATES = table(
    "placement_provider_aggregates",
    Column("provider", sa.String(64), primary_key=True),
    Column("aggregate", sa.String(64), primary_key=True),
    Index("ix_placement_provider_aggregates_aggregate", "aggregate"),
)
TABLES = (INVENTORIES, TRAITS, AGGREGATES)


def get(work: Work, uuid: str) -> Record | None:
    """The provider of this id."""
    return work.tx.get(resource.RESOURCE_PROVIDER.table, uuid=uuid)


def named(work: Work, name: str) -> Record | None:
    """The provider of this name."""
    return work.tx.get(resource.RESOURCE_PROVIDER.table, name=name)


def providers(work: Work, uuids: Collection[str] | None = None) -> dict[str, Record]:
    """Providers by id, all of them unless some are named."""
    source = resource.RESOURCE_PROVIDER.table
    chosen = sa.select(source).order_by(source.c.created_at, source.c.uuid)
    if uuids is not None:
        chosen = chosen.where(source.c.uuid.in_(uuids))
    return {each.uuid: each for each in work.tx.all(chosen)}


def children(work: Work, uuid: str) -> list[Record]:
    """The providers whose parent it is."""
    return work.tx.find(resource.RESOURCE_PROVIDER.table, parent_provider_uuid=uuid)


def tree(work: Work, root: str) -> list[Record]:
    """The providers of a tree."""
    return work.tx.find(resource.RESOURCE_PROVIDER.table, root_provider_uuid=root)


def set_root(work: Work, uuids: Collection[str], root: str) -> None:
    """These providers now stand in another tree."""
    source = resource.RESOURCE_PROVIDER.table
    work.tx.execute(sa.update(source).where(source.c.uuid.in_(uuids)).values(root_provider_uuid=root))


def advance(work: Work, uuids: Iterable[str]) -> None:
    """Something about these providers has changed: whoever read them before is told so by their generation."""
    source = resource.RESOURCE_PROVIDER.table
    changed = {"generation": source.c.generation + 1, "updated_at": work.now}
    work.tx.execute(sa.update(source).where(source.c.uuid.in_(list(uuids))).values(changed))


# -- inventories --


def inventories(work: Work, uuids: Collection[str] | None = None) -> dict[str, dict[str, Inventory]]:
    """What providers have, by provider and resource class."""
    chosen = sa.select(INVENTORIES).order_by(INVENTORIES.c.resource_class)
    if uuids is not None:
        chosen = chosen.where(INVENTORIES.c.provider.in_(uuids))
    found: dict[str, dict[str, Inventory]] = {}
    for row in work.tx.all(chosen):
        found.setdefault(row.provider, {})[row.resource_class] = inventory(row)
    return found


def set_inventories(work: Work, uuid: str, wanted: Mapping[str, Inventory]) -> None:
    """Replace what a provider has."""
    work.tx.delete(INVENTORIES, provider=uuid)
    work.tx.insert_many(
        INVENTORIES,
        [
            {"provider": uuid, "resource_class": name, "updated_at": work.now, **each.shown()}
            for name, each in wanted.items()
        ],
    )


def has_inventory_of(work: Work, resource_class: str) -> bool:
    """Whether any provider has something of a class."""
    return bool(work.tx.find(INVENTORIES, resource_class=resource_class))


def rename_class(work: Work, old: str, new: str) -> None:
    """A resource class has another name."""
    work.tx.update(INVENTORIES, {"resource_class": new}, resource_class=old)


# -- traits and aggregates --


def traits(work: Work, uuids: Collection[str] | None = None) -> dict[str, set[str]]:
    """Traits by provider."""
    return _by_provider(work, TRAITS, "trait", uuids)


def aggregates(work: Work, uuids: Collection[str] | None = None) -> dict[str, set[str]]:
    """Aggregates by provider."""
    return _by_provider(work, AGGREGATES, "aggregate", uuids)


def _by_provider(work: Work, source: sa.Table, column: str, uuids: Collection[str] | None) -> dict[str, set[str]]:
    chosen = sa.select(source)
    if uuids is not None:
        chosen = chosen.where(source.c.provider.in_(uuids))
    found: dict[str, set[str]] = {}
    for row in work.tx.all(chosen):
        found.setdefault(row.provider, set()).add(row[column])
    return found


def set_traits(work: Work, uuid: str, wanted: Collection[str]) -> None:
    """Replace a provider's traits."""
    work.tx.delete(TRAITS, provider=uuid)
    work.tx.insert_many(TRAITS, [{"provider": uuid, "trait": each} for each in sorted(set(wanted))])


def set_aggregates(work: Work, uuid: str, wanted: Sequence[str]) -> None:
    """Replace a provider's aggregates."""
    work.tx.delete(AGGREGATES, provider=uuid)
    work.tx.insert_many(AGGREGATES, [{"provider": uuid, "aggregate": each} for each in wanted])


def traits_in_use(work: Work) -> set[str]:
    """The traits that some provider has."""
    return {row.trait for row in work.tx.all(sa.select(TRAITS.c.trait).distinct())}


# -- conditions of lists --


def in_tree(uuid: str) -> Any:
    """Those that stand in the tree of this one."""
    source = resource.RESOURCE_PROVIDER.table
    member = source.alias("member")
    root = sa.select(member.c.root_provider_uuid).where(member.c.uuid == uuid).scalar_subquery()
    return source.c.root_provider_uuid == root


def having(column: Any, demand: Demand) -> list[Any]:
    """Those that have of a column of theirs what is demanded."""
    uuid, owners = resource.RESOURCE_PROVIDER.table.c.uuid, sa.select(column.table.c.provider)
    conditions = [uuid.in_(owners.where(column.in_(sorted(each)))) for each in demand.required]
    if demand.forbidden:
        conditions.append(uuid.not_in(owners.where(column.in_(sorted(demand.forbidden)))))
    return conditions


def able(resource_class: str, amount: int, used: Any) -> Any:
    """Those that have this amount of a class free; `used`: a subquery of what is used of it, by provider."""
    joined = sa.outerjoin(INVENTORIES, used, used.c.provider == INVENTORIES.c.provider)
    capacity = (INVENTORIES.c.total - INVENTORIES.c.reserved) * INVENTORIES.c.allocation_ratio
    found = sa.select(INVENTORIES.c.provider).select_from(joined)
    found = found.where(
        INVENTORIES.c.resource_class == resource_class,
        sa.func.coalesce(used.c.used, 0) + amount <= capacity,
        INVENTORIES.c.min_unit <= amount,
        INVENTORIES.c.max_unit >= amount,
        sa.literal(amount) % INVENTORIES.c.step_size == 0,
    )
    return resource.RESOURCE_PROVIDER.table.c.uuid.in_(found)


def forget(work: Work, uuid: str) -> None:
    """A provider goes: what it had, was and belonged to goes with it."""
    for source in TABLES:
        work.tx.delete(source, provider=uuid)
