"""Why an object is as it is: its operations, what they wait for, and its timeline, as data and as text for people."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from stackyard.kernel.declare.resource import Lifecycle
from stackyard.kernel.errors import NotFound
from stackyard.kernel.journal import causes, telling
from stackyard.kernel.journal.book import Book
from stackyard.kernel.journal.causes import Child, Link, Touched
from stackyard.kernel.journal.tables import DEAD, EVENTS, OPERATIONS, QUEUED, RUNNING, STEPS, WAITING
from stackyard.kernel.journal.telling import moment
from stackyard.kernel.journal.timeline import Line, operations_of, timeline
from stackyard.kernel.storage.database import Record, Transaction


class Asked(msgspec.Struct, kw_only=True):
    """One operation of the story: who asked for it, how it stands, and why; what began it (the first cause first), what
    it began, and what overtook it."""

    id: str
    action: str
    state: str
    user: str | None
    project: str | None
    request_id: str
    begun_at: datetime
    deadline: datetime
    ended_at: datetime | None
    standing: str
    causes: list[Link]
    children: list[Child]
    overtaken_by: Link | None


class Story(msgspec.Struct, kw_only=True):
    """The causal story of one object. `status` and `reason`: the object's own, None when it is gone or has none.
    `beside`: what the same requests did to other objects. `held`: what a project holds, or a user did."""

    object_id: str
    resource: str
    name: str | None
    status: str | None
    reason: str | None
    exists: bool
    operations: list[Asked]
    lines: list[Line]
    beside: list[Touched]
    held: list[Touched]

    def text(self) -> str:
        """The story for `stackyard why`."""
        return "\n".join(telling.story(self))


def why(tx: Transaction, book: Book, asked: str) -> list[Story]:
    """The stories behind an id: of an object, of an operation's object, or of all objects that a request touched.
    Raises NotFound when the journal knows nothing by it."""
    stories = [_story(tx, book, each) for each in _objects(tx, asked)]
    for each in stories:
        # What a request touched has been asked for, and is told in the other stories.
        each.beside = [other for other in each.beside if other.request_id != asked]
    if not stories:
        raise NotFound(
            f"The journal knows nothing of {asked}.", remedy="Give the id of an object, an operation or a request."
        )
    return stories


def _objects(tx: Transaction, asked: str) -> list[str]:
    found: dict[str, None] = {}
    for source, columns in ((OPERATIONS, ("object_id", "id", "request_id")), (EVENTS, ("object_id", "request_id"))):
        for column in columns:
            rows = tx.all(sa.select(source.c.object_id).where(source.c[column] == asked).distinct())
            found.update((row.object_id, None) for row in rows)
    return list(found)


def _story(tx: Transaction, book: Book, object_id: str) -> Story:
    operations, lines = operations_of(tx, object_id), timeline(tx, object_id)
    resource, row, life = _found(tx, book, object_id, operations, lines)
    requests = [line.request_id for line in lines if line.request_id]
    return Story(
        object_id=object_id, resource=resource, name=row.get("name") if row else None, exists=row is not None,
        status=row.get(life.field) if row and life else None,
        reason=row.get(life.reason) if row and life and life.reason else None,
        operations=[_asked(tx, each) for each in operations], lines=lines,
        beside=causes.beside(tx, object_id, requests), held=causes.held(tx, object_id),
    )  # fmt: skip


def _found(
    tx: Transaction, book: Book, object_id: str, operations: list[Record], lines: list[Line]
) -> tuple[str, Record | None, Lifecycle | None]:
    """What the object is, its row and its life cycle: by its last operation, else wherever its id is."""
    if operations:
        last = operations[-1]
        name, row = _row(tx, book, last)
        return name, row, book.registry.named(last.room, name).resource.life if row is not None else None
    # One table may hold two resources, as Keystone's projects and domains: the timeline says which one was made.
    named = lines[0].text.partition(" ")[0] if lines else ""
    for each in sorted((declared for declared in book.registry), key=lambda one: one.resource.name != named):
        resource = each.resource
        if resource.id_field in resource.table.c and (row := each.find(tx, object_id)) is not None:
            return resource.name, row, resource.life
    return named or "object", None, None


def _row(tx: Transaction, book: Book, operation: Record) -> tuple[str, Record | None]:
    try:
        declared = book.registry.named(operation.room, operation.resource)
    except LookupError:
        return operation.resource, None
    return operation.resource, declared.find(tx, operation.object_id)


def _asked(tx: Transaction, operation: Record) -> Asked:
    who = operation.requester
    return Asked(
        id=operation.id, action=operation.action, state=operation.state,
        user=who.get("user_name") or who.get("user_id"), project=who.get("project_name") or operation.project_id,
        request_id=operation.request_id, begun_at=operation.begun_at, deadline=operation.deadline,
        ended_at=operation.ended_at, standing=_standing(tx, operation), causes=causes.causes(tx, operation),
        children=causes.children(tx, operation.id), overtaken_by=causes.overtaker(tx, operation),
    )


def _standing(tx: Transaction, operation: Record) -> str:
    if operation.state == WAITING:
        child = tx.get(OPERATIONS, id=operation.waits_for)
        what = f"{child.action} of {child.resource} {child.object_id}" if child else operation.waits_for
        return f"waits for {what}, until {moment(operation.deadline)}"
    if operation.state in (QUEUED, RUNNING):
        return _under_way(tx, operation)
    ended = f"{operation.state} at {moment(operation.ended_at)}"
    if operation.state == DEAD:
        return f"dead letter since {moment(operation.ended_at)}: {operation.reason}; delete the object to clean up"
    return f"{ended}: {operation.reason}" if operation.reason else ended


def _under_way(tx: Transaction, operation: Record) -> str:
    before = tx.one(
        sa.select(OPERATIONS)
        .where(
            OPERATIONS.c.object_id == operation.object_id, OPERATIONS.c.number < operation.number,
            OPERATIONS.c.due_at.is_not(None),
        )
        .order_by(OPERATIONS.c.number)
    )
    if before is not None:
        return f"queued behind {before.action}"
    if operation.giving_up:
        return f"given up ({operation.giving_up}); being undone"
    failed = tx.one(
        sa.select(STEPS).where(STEPS.c.operation == operation.id, STEPS.c.state == "retry").order_by(STEPS.c.position)
    )
    again = f"; '{failed.name}' failed {failed.tries} times, last: {failed.error}" if failed else ""
    return f"{operation.state}, until {moment(operation.deadline)}{again}"
