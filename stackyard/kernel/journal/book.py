"""The journal as rules see it: operations are accepted and timelines are written in the rule's own transaction."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.bulletin import Bulletin
from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.declare.room import Room
from stackyard.kernel.errors import Conflict
from stackyard.kernel.journal import ending
from stackyard.kernel.journal.registry import Declared, Registry
from stackyard.kernel.journal.tables import CANCELLED, DEAD, EVENTS, LIVE, OPERATIONS, QUEUED, RUNNING
from stackyard.kernel.observe.trace import traceparent
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.storage.statements import Statement, parameter
from stackyard.kernel.work import Work

_RUNNING = Statement(
    sa.select(OPERATIONS)
    .where(OPERATIONS.c.object_id == parameter("object_id"), OPERATIONS.c.due_at.is_not(None))
    .order_by(OPERATIONS.c.number)
)
_AT_WORK = sa.select(OPERATIONS.c.object_id).where(LIVE)

Hook = Callable[[str], None]

#: What servers tell each other: there is an operation to perform; this one's call in flight should end.
_READY, _INTERRUPT = "journal.ready", "journal.interrupt"


class Book:
    """Implements `work.Journal`. `registry` knows the declarations of the rooms it was given. elsewhere: the names of
    other rooms, whose operations are left alone here."""

    def __init__(
        self, rooms: Iterable[Room], bulletin: Bulletin | None = None, elsewhere: tuple[str, ...] = ()
    ) -> None:
        self.registry = Registry(rooms)
        self.elsewhere = elsewhere
        self._bulletin = bulletin
        self._wakers: list[Callable[[], None]] = []
        self._interrupters: list[Hook] = []
        if bulletin is not None:
            bulletin.on(_READY, lambda _: self.wake())
            bulletin.on(_INTERRUPT, self.interrupt)

    def on_ready(self, hook: Callable[[], None]) -> None:
        """Call `hook()` whenever an operation may have become ready to run: the workers' alarm clock."""
        self._wakers.append(hook)

    def on_interrupt(self, hook: Hook) -> None:
        """Call `hook(operation_id)` when the call in flight of that operation should end at once, because a delete has
        overtaken it or its deadline has passed. The node link subscribes and makes the call raise Cancelled."""
        self._interrupters.append(hook)

    def wake(self) -> None:
        """Tell the workers to look for work."""
        for hook in self._wakers:
            hook()

    def interrupt(self, operation_id: str) -> None:
        """Tell all subscribers to end the operation's call in flight."""
        for hook in self._interrupters:
            hook(operation_id)

    def begin(
        self, work: Work, resource: Resource, record: Record, action: str, inputs: Mapping[str, Any], parent: str | None
    ) -> str:
        """Accept an operation in the caller's transaction: see Work.begin. Raises Conflict."""
        declared = self.registry.of(resource)
        planned = declared.operation(action)
        object_id, now = record[resource.id_field], work.now
        state = self._checked_state(work.tx, declared, object_id, action)
        live = self.running(work, object_id)
        operation = Record(
            id=new_id(work), room=declared.room, resource=resource.name, object_id=object_id, action=action,
            state=QUEUED, parent=parent, inputs=dict(inputs), state_before=_state_to_return_to(declared, state, live),
            requester=_requester(work.caller), project_id=record.get("project_id") or work.caller.project_id,
            request_id=work.request_id, trace=traceparent(), begun_at=now, due_at=now, epoch=0, crashes=0,
            deadline=_deadline(work, planned.within + now, parent),
        )
        if planned.state is not None:
            record.update(declared.set_state(work.tx, object_id, planned.state, None, now))
        if planned.overtakes:
            self._overtake(work, live, operation)
        work.tx.insert(OPERATIONS, operation)
        work.on_commit(self.wake)
        self._post(work.tx, _READY)
        return str(operation.id)

    def _post(self, tx: Transaction, topic: str, word: str = "") -> None:
        if self._bulletin is not None:
            self._bulletin.post(tx, topic, word)

    def _checked_state(self, tx: Transaction, declared: Declared, object_id: str, action: str) -> str | None:
        life = declared.resource.life
        if life is None:
            return None
        row = declared.find(tx, object_id)
        if row is None:
            raise LookupError(f"the {declared.resource.name} {object_id} has no row: insert it first")
        state: str = row[life.field]
        if not life.allowed(action, state):
            raise refusal(declared.resource, object_id, action, state)
        return state

    def _overtake(self, work: Work, live: list[Record], by: Record) -> None:
        for each in live:
            if each.state == RUNNING:
                work.tx.update(OPERATIONS, {"cancelled_by": by.id}, id=each.id)
                work.on_commit(lambda cancelled=each.id: self.interrupt(cancelled))  # type: ignore[misc]
                self._post(work.tx, _INTERRUPT, each.id)
            else:
                work.tx.update(OPERATIONS, {"cancelled_by": by.id}, id=each.id)
                ending.end(work.tx, each, CANCELLED, f"{by.action} overtook it", work.now)

    def event(self, work: Work, object_id: str, kind: str, text: str, **details: Any) -> None:
        """Add a line to an object's timeline: see Work.event."""
        work.tx.insert(
            EVENTS,
            {
                "object_id": object_id, "at": work.now, "kind": kind, "text": text, "details": details,
                "operation": None, "request_id": work.request_id, "user_id": work.caller.user_id,
                "project_id": work.caller.project_id,
            },
        )

    def running(self, work: Work, object_id: str) -> list[Record]:
        """The operations of an object that have not ended, oldest first."""
        return work.tx.all(_RUNNING, object_id=object_id)

    def at_work(self, work: Work) -> set[str]:
        """The ids of all objects with an operation that has not ended."""
        return {row.object_id for row in work.tx.all(_AT_WORK)}

    def counts(self, tx: Transaction) -> dict[str, int]:
        """How many operations have not ended, by state; and how many are dead letters."""
        state = OPERATIONS.c.state
        counted = sa.select(state, sa.func.count().label("number")).group_by(state)
        dead = sa.and_(OPERATIONS.c.giving_up.is_not(None), state == DEAD)
        return {each.state: each.number for which in (LIVE, dead) for each in tx.all(counted.where(which))}

    def oldest_due(self, tx: Transaction) -> datetime | None:
        """Since when the operation has been due that waits longest for a worker."""
        due = OPERATIONS.c.due_at
        oldest = sa.select(sa.func.min(due, type_=due.type)).where(LIVE, OPERATIONS.c.state == QUEUED)
        found: datetime | None = tx.value(oldest)
        return found


def new_id(work: Work) -> str:
    """The id of a new operation: a UUID that begins with the moment (version 7 of RFC 9562), so that what is new lies
    together in the indexes, and what it costs to add it does not grow with the past."""
    moment, chance = f"{round(work.now.timestamp() * 1000):012x}", work.new_id()
    return f"{moment[:8]}-{moment[8:]}-7{chance[15:]}"


def refusal(resource: Resource, object_id: str, action: str, state: str) -> Conflict:
    """The Conflict that names the object's state, the action, and the states that allow it."""
    allowed = ", ".join(resource.life.allows[action]) if resource.life else ""
    return Conflict(
        f"Cannot {action.replace('_', ' ')} {resource.name.replace('_', ' ')} {object_id} in {state} state.",
        remedy=f"It must be in state {allowed}." if allowed else "No state allows it.",
    )


def _state_to_return_to(declared: Declared, state: str | None, live: list[Record]) -> str | None:
    life = declared.resource.life
    if life is None or state in life.stable or not live:
        return state
    return live[0].state_before  # type: ignore[no-any-return]


def _deadline(work: Work, own: datetime, parent: str | None) -> datetime:
    if parent is None:
        return own
    outer = work.tx.value(sa.select(OPERATIONS.c.deadline).where(OPERATIONS.c.id == parent))
    return min(own, outer) if outer else own


def _requester(caller: Caller) -> dict[str, Any]:
    # The token stays out: an operation outlives it, and a database must not hold what opens the cloud.
    return {
        "user_id": caller.user_id, "user_name": caller.user_name, "project_id": caller.project_id,
        "project_name": caller.project_name, "domain_id": caller.domain_id, "system": caller.system,
    }
