"""One run of an operation's function: steps that are done answer from the record, the next one is performed.

`Run` goes forward. `Rewind` runs the function up to the first step without a record, only to learn which undos were
registered on the way.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

import msgspec
import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.journal import crash, ending
from stackyard.kernel.journal.tables import DONE, OPERATIONS, RUNNING, STEPS
from stackyard.kernel.nodes import CURRENT_CALL, CallId, Nodes
from stackyard.kernel.observe.calls import noting
from stackyard.kernel.steps import Cancelled, Refused
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.storage.statements import Statement, parameter
from stackyard.kernel.work import Services, Work

P = ParamSpec("P")
T = TypeVar("T")

DO, UNDO = "do", "undo"

_HELD = Statement(
    sa.select(OPERATIONS.c.epoch, OPERATIONS.c.state, OPERATIONS.c.cancelled_by).where(
        OPERATIONS.c.id == parameter("operation")
    )
)


class Lost(BaseException):
    """The claim was taken by another worker: this one stops without a word."""


class LetGo(BaseException):
    """The server is stopping: the claim is given back at this step boundary."""


class Parked(BaseException):
    """The operation waits for another one; its thread is free."""

    def __init__(self, step: str, child: str) -> None:
        super().__init__(child)
        self.step = step
        self.child = child


class Ended(BaseException):
    """The function has come to its end, by `steps.end`."""


class Rewound(BaseException):
    """The replay has reached the first step without a record."""


class DeadlinePassed(Refused):
    """The operation's time is over."""


@dataclass
class Claim:
    """An operation that this server works on: its row and recorded steps as of the claim, and what others tell it."""

    operation: Record
    steps: dict[tuple[str, str], Record]
    record: Record
    caller: Caller
    #: Until when the attempt may last, forward or back; past it the call in flight is told to end.
    limit: datetime
    #: Set from other threads; read at step boundaries.
    interrupted: bool = False
    letting_go: bool = False
    #: When the call in flight was told to end (monotonic seconds), and the thread it is in.
    told_at: float | None = None
    thread: threading.Thread | None = None
    #: The step in progress and its kind, for the reasons that people read.
    step: str = ""
    kind: str = "code"


class Writing:
    """A change of the database as a function: in `undo` it commits together with the undo's mark."""

    def __init__(self, ledger: "Ledger", change: Callable[[Work], Any]) -> None:
        self._ledger = ledger
        self._change = change

    def __call__(self) -> Any:
        """Make the change in a transaction of its own."""
        with self._ledger.services.database.write() as tx:
            self._ledger.hold(tx)
            return self.within(tx)

    def within(self, tx: Transaction) -> Any:
        """Make the change in this transaction."""
        return self._change(self._ledger.work(tx))


class Ledger:
    """Records the steps of one claim, under its epoch.

    What a call brought is recorded with the write that follows it, in one transaction, and before anything else that
    follows: the call may happen twice in any case, and what comes after it must not.
    """

    def __init__(self, services: Services, claim: Claim, hook: crash.CrashHook | None) -> None:
        self.services = services
        self.claim = claim
        #: Whether a step has ended the operation.
        self.ended = False
        self._hook = hook
        #: The drivers' calls of the step under way, as JSON-able data.
        self.calls: list[dict[str, Any]] = []
        self._brought: Record | None = None

    def hold(self, tx: Transaction) -> None:
        """Make sure that the claim stands; in a write transaction it does so until that ends. Raises Lost,
        Cancelled."""
        mine = self.claim.operation
        found = tx.one(_HELD, operation=mine.id)
        if found is None or found.state != RUNNING or found.epoch != mine.epoch:
            raise Lost(mine.id)
        if found.cancelled_by is not None:
            raise Cancelled(f"{mine.action} was overtaken")

    def work(self, tx: Transaction) -> Work:
        """The unit of work of a step, on behalf of the service that acts for the requester."""
        request_id = self.claim.operation.request_id
        return Work(tx=tx, caller=self.claim.caller, services=self.services, request_id=request_id)

    def done(self, phase: str, name: str) -> Record | None:
        """The record of a step that is done, or None."""
        found = self.claim.steps.get((phase, name))
        return found if found is not None and found.state == "done" else None

    def write(
        self, phase: str, name: str, kind: str, change: Callable[[Transaction], Any], *, ends: bool = False
    ) -> Any:
        """Perform a write step: effect and mark in one transaction. ends: the operation is done with it."""
        started = self._start(name, kind)
        with self.services.observer.stepping(self.claim.operation, name), self.services.database.write() as tx:
            self.hold(tx)
            brought = self._store_brought(tx)
            row = self.drawn(phase, name, kind, "done", started, result=_plain(change(tx)))
            self.store(tx, row)
            if ends:
                ending.end(tx, self.claim.operation, DONE, None, row.ended_at)
            self._reach(name, crash.AFTER_EFFECT)
        self.ended = ends
        self._finish(*brought, row)
        self._stop()
        return recalled(row.result)

    def call(self, phase: str, name: str, kind: str, function: Callable[[], Any]) -> Any:
        """Perform a call step: no transaction is open during the call. Raises TypeError when the result is not
        JSON-able."""
        self.record()
        started = self._start(name, kind)
        mine = self.claim.operation
        token = CURRENT_CALL.set(CallId(operation=mine.id, step=name, epoch=mine.epoch))
        try:
            with self.services.observer.stepping(mine, name), noting(self.calls):
                result = function()
        finally:
            CURRENT_CALL.reset(token)
        self._reach(name, crash.AFTER_EFFECT)
        self._brought = self.drawn(phase, name, kind, "done", started, result=_plain(result))
        self._stop()
        return recalled(self._brought.result)

    def record(self) -> None:
        """Record what a call has brought, unless that is done."""
        if self._brought is None:
            return
        with self.services.database.write() as tx:
            self.hold(tx)
            brought = self._store_brought(tx)
        self._finish(*brought)

    def drawn(
        self, phase: str, name: str, kind: str, state: str, started: datetime, *,
        result: Any = None, error: str | None = None,
    ) -> Record:
        """A step's row as of now, new or in place of the one of an earlier try."""
        before = self.claim.steps.get((phase, name))
        return Record(
            operation=self.claim.operation.id, phase=phase, name=name, kind=kind, state=state, result=result,
            position=before.position if before else len(self.claim.steps) + (self._brought is not None),
            tries=(before.tries if before else 0) + 1, error=error or (before.error if before else None),
            epoch=self.claim.operation.epoch, started_at=started, ended_at=self.services.clock.now(),
            calls=self.calls or None,
        )

    def store(self, tx: Transaction, row: Record) -> None:
        """Write a step's row, new or over the one of an earlier try."""
        if (row.phase, row.name) in self.claim.steps:
            tx.update(STEPS, row, operation=row.operation, phase=row.phase, name=row.name)
        else:
            tx.insert(STEPS, row)

    def keep(self, row: Record) -> None:
        """Remember a step's row that has been committed."""
        self.claim.steps[row.phase, row.name] = row

    def _start(self, name: str, kind: str) -> datetime:
        self.claim.step, self.claim.kind, self.calls = name, kind, []
        self._reach(name, crash.BEFORE)
        return self.services.clock.now()

    def _stop(self) -> None:
        self.claim.step, self.claim.kind, self.calls = "", "code", []

    def _store_brought(self, tx: Transaction) -> list[Record]:
        brought = [] if self._brought is None else [self._brought]
        for row in brought:
            self.store(tx, row)
        return brought

    def _finish(self, *rows: Record) -> None:
        self._brought = None
        for row in rows:
            self.keep(row)
            self.services.observer.stepped(self.claim.operation, row)
        with ExitStack() as instant:
            # What was recorded together is one moment for all of it, also when the server dies in it.
            for row in reversed(rows):
                instant.callback(self._reach, row.name, crash.AFTER_RECORD)

    def _reach(self, step: str, moment: str) -> None:
        if self._hook is not None:
            self._hook(self.claim.operation, step, moment)


class Run:
    """Implements `steps.Steps`: the operation goes forward."""

    def __init__(self, ledger: Ledger) -> None:
        operation = ledger.claim.operation
        self.operation_id: str = operation.id
        self.action: str = operation.action
        self.inputs: dict[str, Any] = operation.inputs
        self.caller = ledger.claim.caller
        self.deadline: datetime = operation.deadline
        self.nodes: Nodes = ledger.services.nodes
        self.services = ledger.services
        self.undos: list[tuple[str, Callable[[], Any]]] = []
        self._ledger = ledger
        self._seen: set[str] = set()

    def write(self, name: str, change: Callable[Concatenate[Work, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See Steps.write."""
        ledger = self._ledger
        return self._step(  # type: ignore[no-any-return]
            name, lambda: ledger.write(DO, name, "write", lambda tx: change(ledger.work(tx), *args, **kwargs))
        )

    def call(self, name: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See Steps.call."""
        # Before the boundary: who overtakes meanwhile is heeded there.
        self._ledger.record()
        return self._step(  # type: ignore[no-any-return]
            name, lambda: self._ledger.call(DO, name, "call", lambda: function(*args, **kwargs))
        )

    def end(
        self, name: str, change: Callable[Concatenate[Work, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> NoReturn:
        """See Steps.end."""
        ledger = self._ledger

        def changed(tx: Transaction) -> T:
            return change(ledger.work(tx), *args, **kwargs)

        self._step(name, lambda: ledger.write(DO, name, "write", changed, ends=True))
        raise Ended

    def wait(self, name: str, operation_id: str) -> None:
        """See Steps.wait."""
        self._step(name, lambda: self._wait(name, operation_id))

    def undo(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """See Steps.undo."""
        if any(name == known for known, _ in self.undos):
            raise ValueError(f"two undos of {self.action} are called {name!r}")
        bound = function if isinstance(function, Writing) else lambda: function(*args, **kwargs)
        self.undos.append((name, bound))

    def writing(
        self, change: Callable[Concatenate[Work, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Callable[[], T]:
        """See Steps.writing."""
        return Writing(self._ledger, lambda work: change(work, *args, **kwargs))

    def read(self, query: Callable[Concatenate[Work, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See Steps.read."""
        with self._ledger.services.database.read() as tx:
            return query(self._ledger.work(tx), *args, **kwargs)

    def check(self) -> None:
        """See Steps.check."""
        self._boundary()
        with self._ledger.services.database.read() as tx:
            self._ledger.hold(tx)

    def _step(self, name: str, perform: Callable[[], Any]) -> Any:
        if name in self._seen:
            raise ValueError(f"two steps of {self.action} are called {name!r}")
        self._seen.add(name)
        known = self._ledger.done(DO, name)
        if known is not None:
            return recalled(known.result)
        return self._perform(name, perform)

    def _perform(self, name: str, perform: Callable[[], Any]) -> Any:
        self._ledger.claim.step = name
        self._boundary()
        return perform()

    def _boundary(self) -> None:
        claim = self._ledger.claim
        if claim.letting_go:
            raise LetGo
        if self._ledger.services.clock.now() >= self.deadline:
            raise DeadlinePassed(late(claim))
        if claim.interrupted:
            raise Cancelled(f"{self.action} was overtaken")

    def _wait(self, name: str, child_id: str) -> None:
        with self._ledger.services.database.read() as tx:
            child = tx.get(OPERATIONS, id=child_id)
        if child is None:
            raise Refused(f"the operation {child_id} it waited for is not in the journal")
        if child.due_at is not None:
            raise Parked(name, child_id)
        if child.state != "done":
            raise Refused(f"{child.action} of {child.resource} {child.object_id} {child.state}: {child.reason}")
        self._ledger.write(DO, name, "wait", lambda tx: None)


class Rewind(Run):
    """Runs the function over its recorded steps, to learn the undos; performs nothing."""

    def check(self) -> None:
        """Nothing: the operation has ended as far as going forward is concerned."""

    def unseen(self) -> list[str]:
        """The recorded steps that the function has not come to."""
        steps = self._ledger.claim.steps
        return [name for phase, name in steps if phase == DO and self._ledger.done(DO, name) and name not in self._seen]

    def _perform(self, name: str, perform: Callable[[], Any]) -> Any:
        raise Rewound


def late(claim: Claim) -> str:
    """The reason of an operation whose deadline has passed: by how much it was allowed, and where it was."""
    operation = claim.operation
    allowed: timedelta = operation.deadline - operation.begun_at
    where = f" in the step '{claim.step}'" if claim.step else ""
    failures = [step for step in claim.steps.values() if step.state != "done" and step.error]
    last = f"; the last failure: {failures[-1].error}" if failures else ""
    return f"{operation.action} did not end within {allowed.total_seconds():g} s; its deadline passed{where}{last}"


def recalled(value: Any) -> Any:
    """A recorded result: the first run and every replay get the same value, JSON with attribute access."""
    if isinstance(value, dict):
        return Record({name: recalled(each) for name, each in value.items()})
    if isinstance(value, list):
        return [recalled(each) for each in value]
    return value


def _plain(result: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(result, enc_hook=_unknown))


def _unknown(value: Any) -> Any:
    raise TypeError(f"a step's result must be JSON-able; {type(value).__name__} is not")
