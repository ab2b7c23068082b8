"""The auditor: no object stays in a transient state that no live operation will take it out of.

Such an object is a defect, of a room whose last write sets no stable state, or of a row changed by hand. The auditor
reports it and gives it its failure state, so that its owner can delete it.
"""

from collections.abc import Iterator
from datetime import timedelta

import sqlalchemy as sa

from stackyard.kernel.journal.book import Book
from stackyard.kernel.journal.registry import Declared
from stackyard.kernel.journal.tables import EVENTS, OPERATIONS
from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services


def auditing(book: Book, *, every: timedelta = timedelta(minutes=1)) -> Reconciler:
    """The auditor of the journal's objects, as a reconciler."""
    return Reconciler(
        name="journal",
        run=lambda services: mend(services, book),
        check=lambda services: stuck(services, book),
        every=every,
        doc="Finds objects in a transient state without a live operation, and gives them their failure state.",
    )


def stuck(services: Services, book: Book) -> list[Mismatch]:
    """The objects that nothing will take out of their transient state."""
    with services.database.read() as tx:
        return [
            Mismatch(kind="stuck", object_id=row[declared.resource.id_field], text=_sentence(declared, row))
            for declared in book.registry
            for row in _stuck(tx, declared)
        ]


def mend(services: Services, book: Book) -> Report:
    """Give every stuck object its failure state, with the reason."""
    report = Report()
    for declared in book.registry:
        with services.database.read() as tx:
            rows = _stuck(tx, declared)
        report.examined += len(rows)
        for row in rows:
            # Looked at again under the write lock: an operation may have begun, or ended, since.
            with services.database.write() as tx:
                for still in _stuck(tx, declared, row[declared.resource.id_field]):
                    _mend(tx, services, declared, still, report)
    return report


def _transient(declared: Declared) -> Iterator[str]:
    return (each.state for each in declared.resource.operations.values() if each.state is not None)


def _stuck(tx: Transaction, declared: Declared, object_id: str | None = None) -> list[Record]:
    life, source = declared.resource.life, declared.resource.table
    if life is None:
        return []
    key = source.c[declared.resource.id_field]
    live = sa.exists().where(OPERATIONS.c.object_id == key, OPERATIONS.c.due_at.is_not(None))
    wanted = [source.c[life.field].in_(sorted(set(_transient(declared)) - set(life.stable))), ~live]
    if object_id is not None:
        wanted.append(key == object_id)
    return tx.all(sa.select(source).where(*wanted))


def _sentence(declared: Declared, row: Record) -> str:
    name = declared.resource.name.replace("_", " ")
    return f"{name} {row[declared.resource.id_field]} is {declared.state(row)} and no operation is at work on it"


def _mend(tx: Transaction, services: Services, declared: Declared, row: Record, report: Report) -> None:
    sentence, now = _sentence(declared, row), services.clock.now()
    object_id = row[declared.resource.id_field]
    target = _target(tx, declared, row, object_id)
    if target is None:
        report.failed.append(f"{sentence}; its declaration names no state to fail to")
        return
    reason = f"It was {declared.state(row)} and no operation was at work on it; delete it, or try again."
    declared.set_state(tx, object_id, target, reason, now)
    tx.insert(
        EVENTS,
        {
            "object_id": object_id, "at": now, "kind": "audit", "text": f"{sentence}; it is {target} now",
            "details": {}, "operation": None, "request_id": "", "user_id": None, "project_id": row.get("project_id"),
        },
    )
    report.repaired.append(f"{sentence}; it is {target} now")


def _target(tx: Transaction, declared: Declared, row: Record, object_id: str) -> str | None:
    """The failure state of the operation whose transient state it is, else the stable one it had before."""
    state = declared.state(row)
    for each in declared.resource.operations.values():
        if each.state == state and each.failing_to is not None:
            return each.failing_to
    last = tx.one(
        sa.select(OPERATIONS).where(OPERATIONS.c.object_id == object_id).order_by(OPERATIONS.c.number.desc()).limit(1)
    )
    life = declared.resource.life
    before: str | None = last.state_before if last else None
    return before if life is not None and before in life.stable else None
