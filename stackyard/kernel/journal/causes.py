"""What hangs together across objects: an operation and those it began, what overtook it, what the same request touched,
what a project holds and a user did."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
import sqlalchemy as sa

from stackyard.kernel.journal.tables import EVENTS, OPERATIONS
from stackyard.kernel.journal.timeline import Line, lines_of
from stackyard.kernel.storage.database import Record, Transaction

#: Others that are told of in one story; of more, how many there are.
MOST = 50
#: How far down operations are followed that began others.
_DEPTH = 8


class Link(msgspec.Struct, kw_only=True):
    """An operation of another object, or another one of this."""

    operation: str
    action: str
    resource: str
    object_id: str
    state: str
    request_id: str
    user: str | None


class Child(msgspec.Struct, kw_only=True):
    """An operation that was begun by another: how it ended, its timeline, and what it began itself."""

    operation: str
    action: str
    resource: str
    object_id: str
    state: str
    reason: str | None
    lines: list[Line]
    children: list["Child"]


class Touched(msgspec.Struct, kw_only=True):
    """Something that happened to another object: for the same request, in a project, or by a user."""

    object_id: str
    request_id: str
    at: datetime
    text: str


def causes(tx: Transaction, operation: Record) -> list[Link]:
    """What began an operation, and what began that, the first of them first."""
    found: list[Link] = []
    parent = operation.parent
    while parent is not None and len(found) < _DEPTH and (row := tx.get(OPERATIONS, id=parent)) is not None:
        found.insert(0, link(row))
        parent = row.parent
    return found


def children(tx: Transaction, operation_id: str, depth: int = 0) -> list[Child]:
    """The operations that an operation began, with theirs."""
    begun = sa.select(OPERATIONS).where(OPERATIONS.c.parent == operation_id).order_by(OPERATIONS.c.number)
    return [
        Child(
            operation=each.id, action=each.action, resource=each.resource, object_id=each.object_id, state=each.state,
            reason=each.reason or each.giving_up, lines=lines_of(tx, each),
            children=children(tx, each.id, depth + 1) if depth < _DEPTH else [],
        )
        for each in tx.all(begun.limit(MOST))
    ]  # fmt: skip


def overtaker(tx: Transaction, operation: Record) -> Link | None:
    """The operation that overtook this one."""
    row = tx.get(OPERATIONS, id=operation.cancelled_by) if operation.cancelled_by else None
    return link(row) if row is not None else None


def beside(tx: Transaction, object_id: str, requests: Iterable[str]) -> list[Touched]:
    """What else was touched for the requests that touched this object, a request after the other."""
    asked = [each for each in dict.fromkeys(requests) if each]
    others = (EVENTS.c.request_id.in_(asked), EVENTS.c.object_id != object_id)
    return sorted(_touched(tx, *others), key=lambda each: asked.index(each.request_id)) if asked else []


def held(tx: Transaction, holder: str) -> list[Touched]:
    """What happened last to each object of a project, or was done by a user, the latest first."""
    theirs = sa.or_(EVENTS.c.project_id == holder, EVENTS.c.user_id == holder)
    last = (
        sa.select(sa.func.max(EVENTS.c.number))
        .where(theirs, EVENTS.c.object_id != holder)
        .group_by(EVENTS.c.object_id)
    )
    return _touched(tx, EVENTS.c.number.in_(last), latest_first=True)


def link(operation: Record) -> Link:
    """An operation in a few words."""
    who = operation.requester
    return Link(
        operation=operation.id, action=operation.action, resource=operation.resource, object_id=operation.object_id,
        state=operation.state, request_id=operation.request_id, user=who.get("user_name") or who.get("user_id"),
    )


def _touched(tx: Transaction, *where: sa.ColumnElement[bool], latest_first: bool = False) -> list[Touched]:
    order = EVENTS.c.number.desc() if latest_first else EVENTS.c.number
    columns = (EVENTS.c.object_id, EVENTS.c.request_id, EVENTS.c.at, EVENTS.c.text)
    rows = tx.all(sa.select(*columns).where(*where).order_by(order).limit(MOST))
    return [Touched(object_id=row.object_id, request_id=row.request_id, at=row.at, text=row.text) for row in rows]
