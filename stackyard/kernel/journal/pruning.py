"""Forgets what has ended long ago, so that the journal stays small."""

from datetime import timedelta

import sqlalchemy as sa

from stackyard.kernel.journal.tables import EVENTS, OPERATIONS, STEPS
from stackyard.kernel.repair.reconcile import Reconciler, Report
from stackyard.kernel.storage.database import first_before
from stackyard.kernel.work import Services

#: How many operations go in one transaction: others must not wait long for the write lock.
_BATCH = 500


def pruning(keep: timedelta = timedelta(days=30), *, every: timedelta = timedelta(hours=1)) -> Reconciler:
    """The reconciler that forgets operations which ended, and lines which were noted, longer ago than `keep`."""
    return Reconciler(
        name="journal-pruning",
        run=lambda services: prune(services, keep),
        check=lambda services: [],
        every=every,
        doc=f"Forgets finished operations and timelines older than {keep.days} days.",
    )


def prune(services: Services, keep: timedelta) -> Report:
    """Delete what is older than `keep`, a batch at a time."""
    before = services.clock.now() - keep
    report = Report()
    old = sa.select(OPERATIONS.c.id).where(OPERATIONS.c.ended_at < before).limit(_BATCH)
    while True:
        with services.database.write() as tx:
            ids = [row.id for row in tx.all(old)]
            numbers = first_before(tx, EVENTS, before, _BATCH)
            tx.execute(sa.delete(STEPS).where(STEPS.c.operation.in_(ids)))
            tx.execute(sa.delete(OPERATIONS).where(OPERATIONS.c.id.in_(ids)))
            tx.execute(sa.delete(EVENTS).where(EVENTS.c.number.in_(numbers)))
        report.examined += len(ids) + len(numbers)
        if len(ids) < _BATCH and len(numbers) < _BATCH:
            break
    if report.examined:
        report.repaired.append(f"forgot {report.examined} operations and lines from before {before:%Y-%m-%d %H:%M}")
    return report
