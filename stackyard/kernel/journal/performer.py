"""Carries one claimed operation forward or back, and writes down how the attempt ended.

First run, retry and recovery are this one path: the function is run from its start and the record answers for what is
done. An attempt ends done, failed, cancelled, dead, parked (waits for a child), or queued again after a pause.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import sqlalchemy as sa

from stackyard.kernel.journal import ending
from stackyard.kernel.journal.book import Book
from stackyard.kernel.journal.crash import CrashHook
from stackyard.kernel.journal.pace import Pace, is_transient, told
from stackyard.kernel.journal.registry import Declared
from stackyard.kernel.journal.run import (
    DO,
    UNDO,
    Claim,
    DeadlinePassed,
    Ended,
    Ledger,
    LetGo,
    Lost,
    Parked,
    Rewind,
    Rewound,
    Run,
    Writing,
    late,
)
from stackyard.kernel.journal.tables import CANCELLED, DEAD, DONE, FAILED, OPERATIONS, QUEUED, WAITING
from stackyard.kernel.logs import about
from stackyard.kernel.steps import Cancelled, Refused
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services

log = logging.getLogger("stackyard.journal")

#: Where a failure is booked that happens in the operation's own code, between two steps.
BETWEEN = "between the steps"


class Performer:
    """Performs one claim. `later(moment)` is told when the operation is due again."""

    def __init__(
        self,
        services: Services,
        book: Book,
        pace: Pace,
        claim: Claim,
        hook: CrashHook | None,
        later: Callable[[datetime], None],
    ) -> None:
        self._services = services
        self._book = book
        self._pace = pace
        self._claim = claim
        self._operation = claim.operation
        self._ledger = Ledger(services, claim, hook)
        self._later = later
        self._declared: Declared = book.registry.named(claim.operation.room, claim.operation.resource)

    def perform(self) -> None:
        """Run until the attempt ends, and commit its end. Raises nothing but a simulated death."""
        operation = self._operation
        with about(
            operation_id=operation.id, request_id=operation.request_id, project_id=operation.project_id,
            user_id=operation.requester.get("user_id"),
        ):  # fmt: skip
            self._perform()

    def _perform(self) -> None:
        try:
            self._attempt()
        except Lost:
            log.info("operation %s was taken over by another claim", self._operation.id)
        except LetGo:
            self._commit(self._requeue)
        except Parked as parked:
            self._park(parked)

    def _attempt(self) -> None:
        try:
            if self._operation.giving_up is None:
                self._forward()
            else:
                self._back()
        except Cancelled as error:
            self._cancelled(error)
        except Exception as error:
            self._failed(error)

    # ---------------------------------------------------------------------------------------------------- forward

    def _forward(self) -> None:
        self._refuse_the_worn_out()
        with self._recording(), suppress(Ended):
            self._declared.operation(self._operation.action).run(Run(self._ledger), Record(self._claim.record))
        if not self._ledger.ended:
            self._commit(lambda tx, now: ending.end(tx, self._operation, DONE, None, now))

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """What the last call brought is recorded however the block ends; only who dies records nothing."""
        try:
            yield
        except (Exception, LetGo, Parked):
            self._ledger.record()
            raise
        self._ledger.record()

    def _refuse_the_worn_out(self) -> None:
        finished = sum(step.state == "done" for step in self._claim.steps.values())
        if self._operation.crashes > self._pace.crashes + finished:
            raise Refused(f"{self._operation.crashes} attempts ended with the death of the server or without an answer")

    def _failed(self, error: Exception) -> None:
        if self._operation.giving_up is not None:
            self._undo_failed(error)
            return
        _log_failure(self._operation, self._claim.step, error)
        if isinstance(error, DeadlinePassed) or self._is_late():
            self._give_up(late(self._claim), told(error))
        elif self._worth_a_retry(DO, error):
            self._try_again(DO, error)
        else:
            self._give_up(told(error), told(error))

    def _worth_a_retry(self, phase: str, error: Exception) -> bool:
        known = is_transient(error)
        return self._tries(phase) + 1 < self._pace.unexpected_tries if known is None else known

    def _tries(self, phase: str) -> int:
        before = self._claim.steps.get((phase, self._claim.step or BETWEEN))
        return before.tries if before else 0

    def _try_again(self, phase: str, error: Exception) -> None:
        due = self._services.clock.now() + self._pace.delay(self._tries(phase) + 1)
        if phase == DO:
            due = min(due, self._operation.deadline)

        def retry(tx: Transaction, now: datetime) -> None:
            self._book_failure(tx, phase, error, "retry", now, retry_in=(due - now).total_seconds())
            self._requeue(tx, due)

        self._commit(retry)
        self._later(due)

    def _book_failure(
        self, tx: Transaction, phase: str, error: Exception, state: str, now: datetime, **more: float
    ) -> None:
        step = self._claim.step or BETWEEN
        row = self._ledger.drawn(phase, step, self._claim.kind, state, now, error=told(error))
        self._ledger.store(tx, row)
        self._ledger.keep(row)
        text = f"step '{step}': {told(error)}"
        tx.after_commit(lambda: tx.observer.stumbled(self._operation, step, state))
        details = {"step": step, "phase": phase, "calls": self._ledger.calls, **more}
        ending.note(tx, self._operation, "failure", text, now, **details)

    # ------------------------------------------------------------------------------------------------------- back

    def _give_up(self, reason: str, last: str) -> None:
        def book(tx: Transaction, now: datetime) -> None:
            step = self._claim.step or BETWEEN
            tx.update(OPERATIONS, {"giving_up": reason, "crashes": 0}, id=self._operation.id)
            tx.after_commit(lambda: tx.observer.stumbled(self._operation, step, "given up"))
            details = {"step": step, "phase": DO, "calls": self._ledger.calls}
            ending.note(tx, self._operation, "failure", f"given up in step '{step}': {last}", now, **details)

        if self._commit(book):
            self._operation.update(giving_up=reason, crashes=0)
            self._attempt()

    def _back(self) -> None:
        planned = self._declared.operation(self._operation.action)
        self._claim.step, self._claim.interrupted, self._claim.told_at = "", False, None
        self._claim.limit = self._services.clock.now() + planned.within
        rewind = Rewind(self._ledger)
        try:
            planned.run(rewind, Record(self._claim.record))
        except (Rewound, Ended):
            pass
        except Exception:
            # After the last recorded step it is the function's own failure, for which it was given up. Before it, undos
            # would be missed.
            if rewind.unseen():
                self._claim.step = "learn what to undo"
                raise
        with self._recording():
            for name, function in reversed(rewind.undos):
                if self._ledger.done(UNDO, name) is None:
                    self._take_back(name, function)
        self._commit(lambda tx, now: self._end_failed(tx, FAILED, self._operation.giving_up, now))

    def _take_back(self, name: str, function: Callable[[], object]) -> None:
        self._ledger.record()
        self._claim.step = name
        if self._claim.letting_go:
            raise LetGo
        if self._claim.interrupted:
            raise Cancelled
        self._refuse_the_worn_out()
        # The mark of an undo needs no result, which so may be anything.
        if isinstance(function, Writing):
            self._ledger.write(UNDO, name, "write", lambda tx: _no_result(function.within(tx)))
        else:
            self._ledger.call(UNDO, name, "call", lambda: _no_result(function()))

    def _undo_failed(self, error: Exception) -> None:
        _log_failure(self._operation, f"undo: {self._claim.step}", error)
        if self._worth_a_retry(UNDO, error) and self._tries(UNDO) + 1 < self._pace.undo_tries:
            self._try_again(UNDO, error)
            return
        reason = f"{self._operation.giving_up}; and '{self._claim.step}' could not be undone: {told(error)}"

        def bury(tx: Transaction, now: datetime) -> None:
            self._book_failure(tx, UNDO, error, "failed", now)
            self._end_failed(tx, DEAD, reason, now)

        self._commit(bury)

    def _end_failed(self, tx: Transaction, state: str, reason: str, now: datetime) -> None:
        planned = self._declared.operation(self._operation.action)
        target = planned.failing_to or (self._operation.state_before if planned.state else None)
        self._declared.set_state(tx, self._operation.object_id, target, reason, now)
        ending.end(tx, self._operation, state, reason, now)

    # -------------------------------------------------------------------------------------------- other endings

    def _cancelled(self, error: Cancelled) -> None:
        """Overtaken, or told to end because the deadline passed, or (a driver's own doing) neither."""
        with self._services.database.read() as tx:
            by = tx.value(sa.select(OPERATIONS.c.cancelled_by).where(OPERATIONS.c.id == self._operation.id))
        if by is None:
            self._claim.interrupted = False
            self._failed(DeadlinePassed(late(self._claim)) if self._is_late() else _Interrupted(told(error)))
            return
        where = f" in the step '{self._claim.step}'" if self._claim.step else ""
        self._commit(
            lambda tx, now: ending.end(tx, self._operation, CANCELLED, f"another operation overtook it{where}", now),
            cancelled=True,
        )

    def _park(self, parked: Parked) -> None:
        def park(tx: Transaction, now: datetime) -> None:
            # Read again as the one writer: the child may have ended since, and would wake nobody.
            child = tx.one(sa.select(OPERATIONS.c.due_at).where(OPERATIONS.c.id == parked.child))
            if child is None or child.due_at is None:
                self._requeue(tx, now)
                return
            values = {"state": WAITING, "waits_for": parked.child, "due_at": self._operation.deadline, "server": None}
            tx.update(OPERATIONS, values, id=self._operation.id)

        if self._commit(park):
            self._later(self._operation.deadline)

    def _requeue(self, tx: Transaction, due: datetime) -> None:
        tx.update(OPERATIONS, {"state": QUEUED, "due_at": due, "server": None}, id=self._operation.id)

    def _is_late(self) -> bool:
        return bool(self._services.clock.now() >= self._operation.deadline)

    def _commit(self, change: Callable[[Transaction, datetime], None], *, cancelled: bool = False) -> bool:
        """Commit a change of the operation under its claim; False when it is ours no longer, or was overtaken meanwhile
        (and so has been ended as cancelled)."""
        now = self._services.clock.now()
        try:
            with self._services.database.write() as tx:
                try:
                    self._ledger.hold(tx)
                except Cancelled:
                    if not cancelled:
                        ending.end(tx, self._operation, CANCELLED, "another operation overtook it", now)
                        return False
                change(tx, now)
                return True
        except Lost:
            log.info("operation %s was taken over by another claim", self._operation.id)
            return False


class _Interrupted(Exception):
    """A call ended as cancelled although nobody overtook the operation."""

    transient = True


def _no_result(_: object) -> None:
    return None


def _log_failure(operation: Record, step: str, error: Exception) -> None:
    # An error that nobody foresaw is logged with where it came from.
    surprise = error if is_transient(error) is None else None
    what = (operation.action, operation.resource, operation.object_id, step or BETWEEN, told(error))
    log.warning("%s of %s %s: step '%s': %s", *what, exc_info=surprise)


