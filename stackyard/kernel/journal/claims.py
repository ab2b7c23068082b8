"""Claims: which server works on which operation, until when, and under which epoch.

Of all servers one writes at a time (Database.write), so what a claim has read stands when it is made.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.caller import Caller, service_caller
from stackyard.kernel.journal import ending
from stackyard.kernel.journal.book import Book, refusal
from stackyard.kernel.journal.pace import told
from stackyard.kernel.journal.registry import Declared
from stackyard.kernel.journal.run import Claim
from stackyard.kernel.journal.tables import CANCELLED, FAILED, LIVE, OPERATIONS, QUEUED, RUNNING, STEPS
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.storage.statements import Statement, parameter
from stackyard.kernel.work import Services


@dataclass(frozen=True)
class Claims:
    """Takes and keeps claims for one server, named by an id that is new with every start."""

    services: Services
    book: Book
    server: str
    lease: timedelta

    def take(self, most: int = 1) -> list[Claim]:
        """Claim the operations that have been due for longest and whose objects have no older live one, at most so
        many; none when none is due."""
        while self._is_any_due():
            found, claims = self._take(most)
            if claims or not found:
                return claims
        return []

    def _is_any_due(self) -> bool:
        """A look that finds nothing keeps nobody from writing."""
        due, now = _due(self.book.elsewhere), self.services.clock.now()
        with self.services.database.read(held=False) as tx:
            return tx.value(due, now=now, server=self.server, most=1) is not None

    def _take(self, most: int) -> tuple[bool, list[Claim]]:
        """Whether some were due, and the claims of those that did not end here because they cannot run."""
        now = self.services.clock.now()
        with self.services.database.write() as tx:
            found = tx.all(_next(self.book.elsewhere), now=now, server=self.server, most=most)
            opened = [self._opened(tx, self._claimed(each, now), now) for each in found]
        return bool(found), [claim for claim in opened if claim is not None]

    def _claimed(self, found: Record, now: datetime) -> Record:
        taken = Record(found)
        taken.update(
            state=RUNNING, server=self.server, epoch=found.epoch + 1, due_at=now + self.lease, waits_for=None,
            started_at=found.started_at or now, crashes=found.crashes + (found.state == RUNNING),
        )
        return taken

    def _opened(self, tx: Transaction, taken: Record, now: datetime) -> Claim | None:
        """The claim with all it needs to run; None when the operation ended here because it cannot."""
        if taken.cancelled_by is not None:
            ending.end(tx, taken, CANCELLED, "another operation overtook it", now)
            return None
        try:
            declared = self.book.registry.named(taken.room, taken.resource)
            if taken.record is None:
                self._enter(tx, declared, taken, now)
        except sa.exc.SQLAlchemyError:
            raise
        except Exception as error:
            # It ends here, whatever it is: the head of the queue must not be stuck for all.
            ending.end(tx, taken, FAILED, str(error) if type(error) is LookupError else told(error), now)
            return None
        tx.run(_TAKE, its_id=taken.id, **{name: taken[name] for name in _CLAIMING})
        steps = _steps(tx, taken) if taken.epoch > 1 else []
        return Claim(
            operation=taken, steps={(step.phase, step.name): step for step in steps},
            record=declared.thaw(taken.record), caller=_acting_for(taken), limit=taken.deadline,
        )

    def _enter(self, tx: Transaction, declared: Declared, taken: Record, now: datetime) -> None:
        """At the first claim: put the object's row away for replays. An operation that was queued behind another finds
        the state the other one left: it must allow the action still, and the transient state is set again."""
        planned = declared.operation(taken.action)
        row = declared.find(tx, taken.object_id)
        if row is None:
            raise LookupError(f"the {taken.resource} {taken.object_id} is gone")
        state, life = declared.state(row), declared.resource.life
        if life is not None and state is not None and planned.state not in (None, state):
            if not life.allowed(taken.action, state):
                raise refusal(declared.resource, taken.object_id, taken.action, state)
            row.update(declared.set_state(tx, taken.object_id, planned.state, None, now))
            taken["state_before"] = state
        taken["record"] = declared.freeze(row)

    def extend(self, claims: Collection[Claim]) -> set[str]:
        """Heartbeat: extend the leases of these claims; returns the ids of those lost or overtaken meanwhile."""
        now = self.services.clock.now()
        ids = [claim.operation.id for claim in claims]
        mine = (OPERATIONS.c.id.in_(ids), OPERATIONS.c.server == self.server, OPERATIONS.c.state == RUNNING)
        with self.services.database.write() as tx:
            tx.execute(sa.update(OPERATIONS).where(*mine).values(due_at=now + self.lease))
            kept = tx.all(sa.select(OPERATIONS.c.id).where(*mine, OPERATIONS.c.cancelled_by.is_(None)))
        return set(ids) - {each.id for each in kept}

    def reclaim(self, held: Collection[Claim]) -> int:
        """Queue what this server claimed but no thread of it holds, once the lease is over: its end could not be
        written (a full disk, a database that did not answer). Returns how many operations that were."""
        now = self.services.clock.now()
        ids = [claim.operation.id for claim in held]
        dropped = (OPERATIONS.c.server == self.server, OPERATIONS.c.state == RUNNING, OPERATIONS.c.due_at <= now)
        with self.services.database.write() as tx:
            return tx.execute(
                sa.update(OPERATIONS)
                .where(*dropped, OPERATIONS.c.id.not_in(ids))
                .values(due_at=now, state=QUEUED, server=None)
            ).rowcount

    def release(self, claim: Claim) -> None:
        """Give back a claim whose thread does not: another one takes the operation over under the next epoch."""
        mine = {"id": claim.operation.id, "epoch": claim.operation.epoch, "state": RUNNING}
        freed = {"state": QUEUED, "due_at": self.services.clock.now(), "server": None}
        with self.services.database.write() as tx:
            tx.update(OPERATIONS, freed | {"crashes": claim.operation.crashes + 1}, **mine)

    def free_predecessors(self, place: str | None) -> int:
        """Queue every operation that a server before this one was running: any server, when this one is alone (None),
        or those of this place."""
        now = self.services.clock.now()
        theirs = [LIVE, OPERATIONS.c.state == RUNNING, OPERATIONS.c.server != self.server]
        if place is not None:
            theirs.append(OPERATIONS.c.server.startswith(f"{place}-", autoescape=True))
        with self.services.database.write() as tx:
            return tx.execute(
                sa.update(OPERATIONS)
                .where(*theirs)
                .values(due_at=now, state=QUEUED, server=None, crashes=OPERATIONS.c.crashes + 1)
            ).rowcount

    def next_due(self) -> datetime | None:
        """When the next operation gets due. What is due already is woken by its begin, or by what is before it."""
        due = OPERATIONS.c.due_at
        with self.services.database.read() as tx:
            found: datetime | None = tx.value(
                sa.select(sa.func.min(due, type_=due.type)).where(due > self.services.clock.now())
            )
        return found


@cache
def _next(elsewhere: tuple[str, ...]) -> Statement:
    return _first(elsewhere, OPERATIONS)


@cache
def _due(elsewhere: tuple[str, ...]) -> Statement:
    return _first(elsewhere, OPERATIONS.c.number)


def _first(elsewhere: tuple[str, ...], *columns: Any) -> Statement:
    """What has been due for longest. elsewhere: rooms whose operations other servers perform."""
    older = OPERATIONS.alias("older")
    blocked = sa.exists().where(
        older.c.object_id == OPERATIONS.c.object_id,
        older.c.number < OPERATIONS.c.number,
        older.c.due_at.is_not(None),
    )
    # After a long pause of the machine our own leases may have run out although their threads live on.
    ours = sa.and_(OPERATIONS.c.state == RUNNING, OPERATIONS.c.server == parameter("server"))
    others = [OPERATIONS.c.room.not_in(elsewhere)] if elsewhere else []
    return Statement(
        sa.select(*columns)
        .where(OPERATIONS.c.due_at <= parameter("now"), ~blocked, ~ours, *others)
        .order_by(OPERATIONS.c.due_at, OPERATIONS.c.number)
        .limit(parameter("most", sa.Integer()))
    )


_CLAIMING = (
    "state", "server", "epoch", "due_at", "waits_for", "started_at", "crashes", "state_before", "record",
)
_TAKE = Statement(sa.update(OPERATIONS).where(OPERATIONS.c.id == parameter("its_id")), sets=_CLAIMING)


def _steps(tx: Transaction, taken: Record) -> list[Record]:
    return tx.all(sa.select(STEPS).where(STEPS.c.operation == taken.id).order_by(STEPS.c.position))


def _acting_for(operation: Record) -> Caller:
    asked = operation.requester
    service = service_caller(operation.room, project_id=operation.project_id, user_id=asked.get("user_id"))
    return replace(service, domain_id=None if operation.project_id else asked.get("domain_id"))
