"""One run of an operation's function: steps that are done answer from the record, the next one is performed.

`Run` goes forward. `Rewind` runs the function up to the first step without a record, only to learn which undos were
registered on the way.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.journal import crash
from stackyard.kernel.journal.tables import OPERATIONS, RUNNING, STEPS
from stackyard.kernel.nodes import CURRENT_CALL, CallId, Nodes
from stackyard.kernel.observe.calls import noting
from stackyard.kernel.steps import Cancelled, Refused
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services, Work

P = ParamSpec("P")
T = TypeVar("T")

DO, UNDO = "do", "undo"

# Built once: to build a statement costs more than to run it.
_HELD = sa.select(OPERATIONS.c.epoch, OPERATIONS.c.state, OPERATIONS.c.cancelled_by).where(
    OPERATIONS.c.id == sa.bindparam("operation")
)
_STEP = sa.insert(STEPS)


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
    """Records the steps of one claim, under its epoch."""

    def __init__(self, services: Services, claim: Claim, hook: crash.CrashHook | None) -> None:
        self.services = services
        self.claim = claim
        self._hook = hook
        #: Those of the step under way.
        self._calls: list[dict[str, Any]] = []

    def hold(self, tx: Transaction) -> None:
        """Make sure that the claim stands; in a write transaction it does so until that ends. Raises Lost,
        Cancelled."""
        mine = self.claim.operation
        found = tx.connection.execute(_HELD, {"operation": mine.id}).first()
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

    def write(self, phase: str, name: str, kind: str, change: Callable[[Transaction], Any]) -> Any:
        """Perform a write step: effect and mark in one transaction."""
        started = self._start(name, kind)
        with self.services.observer.stepping(self.claim.operation, name), self.services.database.write() as tx:
            self.hold(tx)
            row = self.mark(tx, phase, name, kind, change(tx), started)
            self._reach(name, crash.AFTER_EFFECT)
        return self._finish(row)

    def call(self, phase: str, name: str, kind: str, function: Callable[[], Any]) -> Any:
        """Perform a call step: no transaction is open during the call; the mark is committed afterwards."""
        started = self._start(name, kind)
        mine = self.claim.operation
        token = CURRENT_CALL.set(CallId(operation=mine.id, step=name, epoch=mine.epoch))
        try:
            with self.services.observer.stepping(mine, name), noting(self._calls):
                result = function()
        finally:
            CURRENT_CALL.reset(token)
        self._reach(name, crash.AFTER_EFFECT)
        with self.services.database.write() as tx:
            self.hold(tx)
            row = self.mark(tx, phase, name, kind, result, started)
        return self._finish(row)

    def mark(self, tx: Transaction, phase: str, name: str, kind: str, result: Any, started: datetime) -> Record:
        """Write a step's done mark with its result. Raises TypeError when the result is not JSON-able."""
        plain = msgspec.json.decode(msgspec.json.encode(result, enc_hook=_unknown))
        return self.put(tx, phase, name, kind, "done", started, result=plain)

    def put(
        self, tx: Transaction, phase: str, name: str, kind: str, state: str, started: datetime, *,
        result: Any = None, error: str | None = None,
    ) -> Record:
        """Write a step's row, new or over the one of an earlier try."""
        before = self.claim.steps.get((phase, name))
        values = Record(
            state=state, result=result, tries=(before.tries if before else 0) + 1, epoch=self.claim.operation.epoch,
            error=error or (before.error if before else None), started_at=started, ended_at=self.services.clock.now(),
            kind=kind, calls=self._calls or None,
        )
        key = {"operation": self.claim.operation.id, "phase": phase, "name": name}
        if before:
            tx.update(STEPS, values, **key)
        else:
            values["position"] = len(self.claim.steps)
            tx.connection.execute(_STEP, values | key)
        return Record((before or {}) | values | key)

    def keep(self, row: Record) -> None:
        """Remember a step's row that has been committed."""
        self.claim.steps[row.phase, row.name] = row

    def _start(self, name: str, kind: str) -> datetime:
        self.claim.step, self.claim.kind, self._calls = name, kind, []
        self._reach(name, crash.BEFORE)
        return self.services.clock.now()

    def _finish(self, row: Record) -> Any:
        self.keep(row)
        self.services.observer.stepped(self.claim.operation, row)
        self._reach(row.name, crash.AFTER_RECORD)
        self.claim.step, self.claim.kind, self._calls = "", "code", []
        return recalled(row.result)

    def _reach(self, step: str, moment: str) -> None:
        if self._hook is not None:
            self._hook(self.claim.operation.action, step, moment)


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
        return self._step(  # type: ignore[no-any-return]
            name, lambda: self._ledger.call(DO, name, "call", lambda: function(*args, **kwargs))
        )

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


def _unknown(value: Any) -> Any:
    raise TypeError(f"a step's result must be JSON-able; {type(value).__name__} is not")
