"""The usages that are kept equal the allocations' sums."""

from collections.abc import Mapping
from datetime import timedelta

from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.work import Services
from stackyard.rooms.placement.resources.allocation import store
from stackyard.rooms.placement.resources.usage import store as usages

Amounts = Mapping[tuple[str, str], int]


def put_right(services: Services) -> Report:
    """Where they differ, which only a hand in the database or a defect can bring about, the allocations count."""
    if not differences(services):
        return Report()
    with services.database.write() as tx:
        sums = store.sums(tx)
        differ = _differences(sums, usages.kept(tx))
        usages.put_right(tx, sums)
    return Report(examined=len(sums), repaired=[f"{each.text} This was put right." for each in differ])


def differences(services: Services) -> list[Mismatch]:
    """Every provider and class for which the two differ."""
    with services.database.read() as tx:
        return _differences(store.sums(tx), usages.kept(tx))


def _differences(sums: Amounts, kept: Amounts) -> list[Mismatch]:
    return [
        Mismatch(
            kind="usage",
            object_id=provider,
            text=f"Of provider {provider}'s {name} {kept.get((provider, name), 0)} is said to be used; allocated is "
            f"{sums.get((provider, name), 0)}.",
        )
        for provider, name in sorted(sums.keys() | kept.keys())
        if sums.get((provider, name), 0) != kept.get((provider, name), 0)
    ]


USAGE = Reconciler(
    name="placement-usage",
    run=put_right,
    check=differences,
    every=timedelta(hours=1),
    doc="Compares what is said to be used of providers with what is allocated.",
)
