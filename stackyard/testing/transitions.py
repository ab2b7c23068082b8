"""Scripted transitions: when operations of a cloud under test go on, and whether they succeed.

    with cloud(tmp_path) as running:
        running.transitions.delay("container", "create", seconds=2)
        running.transitions.delay("container", "start", polls=3)
        running.transitions.fail("container", "pause", "The engine is out of ice.")
        stopping = running.transitions.hold("container", "stop")
        …
        stopping.wait()       # an operation has come to a step
        stopping.release()    # it performs the step, and comes to the next

What is not scripted goes on at once. An operation that waits is under way like any other: its object shows the
transient state, a delete overtakes it, its deadline ends it. It keeps one of the cloud's worker threads.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stackyard.assemble import ROOMS
from stackyard.kernel.journal.crash import BEFORE
from stackyard.kernel.journal.run import LetGo
from stackyard.kernel.steps import Cancelled, Refused
from stackyard.kernel.storage.database import Record


@dataclass(eq=False)
class _Plan:
    """What is scripted for an action of a resource."""

    seconds: float = 0.0
    polls: int = 0
    held: bool = False
    reason: str | None = None


@dataclass(eq=False)
class _Waiting:
    """An operation that waits at a step."""

    plan: _Plan
    operation: Record
    step: str
    until: float
    polls: int
    free: bool = False
    interrupted: bool = False

    def goes_on(self) -> bool:
        """Whether it has waited long enough."""
        if self.free or self.interrupted:
            return True
        return not self.plan.held and time.monotonic() >= self.until and self.polls <= 0

    def patience(self) -> float | None:
        """How long it waits for itself, in seconds; None: until it is told."""
        left = self.until - time.monotonic()
        return left if left > 0 and not self.plan.held else None

    def is_shown_by(self, path: str) -> bool:
        """Whether a request for this path shows its object, by id or by name."""
        asked = path.rstrip("/").rpartition("/")[2]
        return asked in (self.operation.object_id, (self.operation.record or {}).get("name"))


class Held:
    """The operations of one action that go on step by step, as the test says."""

    def __init__(self, script: "Transitions", plan: _Plan) -> None:
        self._script = script
        self._plan = plan

    def wait(self, timeout: float = 30) -> str:
        """Wait until one of them has come to a step; returns the step's name. Raises TimeoutError."""
        return self._script.first(self._plan, timeout).step

    def release(self, timeout: float = 30) -> str:
        """Let the one that waits longest perform its step, once one waits; returns the step's name. Raises
        TimeoutError."""
        return self._script.let_one_go_on(self._plan, timeout)

    def let_go(self) -> None:
        """Hold none any more: those that wait, and those to come, go on by themselves."""
        self._script.let_all_go_on(self._plan)


class Transitions:
    """The script of a cloud. It may be changed at any time; what waits keeps to what it was told, unless that is taken
    back.

    threads: how many workers the cloud has, and so how many operations can wait at a time.
    """

    def __init__(self, threads: int = 8) -> None:
        self._threads = threads
        self._plans: dict[tuple[str, str], _Plan] = {}
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._met: set[str] = set()
        self._stopping = False

    # -- the test's side --

    def instant(self, resource: str, action: str) -> None:
        """The action goes on at once again, and so do the operations that wait."""
        plan = self._plans.pop((resource, _known(resource, action)), None)
        if plan is not None:
            self.let_all_go_on(plan)

    def delay(self, resource: str, action: str, *, seconds: float = 0.0, polls: int = 0) -> None:
        """The action goes on after so many seconds, and after its object was shown so many times in its transient
        state, by GET with its id or its name in the path."""
        self._script(resource, action, _Plan(seconds=seconds, polls=polls))

    def hold(self, resource: str, action: str) -> Held:
        """The action waits before each of its steps until the test releases it."""
        return Held(self, self._script(resource, action, _Plan(held=True)))

    def fail(self, resource: str, action: str, reason: str, *, seconds: float = 0.0) -> None:
        """The action fails with this reason, at once or after so many seconds, and is undone."""
        self._script(resource, action, _Plan(seconds=seconds, reason=reason))

    def _script(self, resource: str, action: str, plan: _Plan) -> _Plan:
        if not self._threads and (plan.held or plan.polls):
            raise ValueError("without threads operations are performed by the test itself and cannot wait for it")
        self._plans[resource, _known(resource, action)] = plan
        return plan

    def wait(self, operations: int = 1, timeout: float = 30) -> None:
        """Wait until so many operations wait at a step. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._waiting) >= operations, timeout):
                raise TimeoutError(f"no {operations} operations have come to a step within {timeout:g} s")

    # -- the cloud's side --

    def __call__(self, operation: Record, step: str, moment: str) -> None:
        """An operation has come to a step: it returns when the operation may go on, and raises when it may not."""
        plan = self._plans.get((operation.resource, operation.action))
        if moment != BEFORE or plan is None or not self._applies(plan, operation):
            return
        self._wait(_Waiting(plan, operation, step, until=time.monotonic() + plan.seconds, polls=plan.polls))
        if plan.reason is not None:
            raise Refused(plan.reason)

    def _applies(self, plan: _Plan, operation: Record) -> bool:
        """Every step is held; anything else happens once to an operation, at its first step."""
        if plan.held:
            return True
        with self._changed:
            if operation.id in self._met:
                return False
            self._met.add(operation.id)
        return True

    def _wait(self, waiting: _Waiting) -> None:
        with self._changed:
            self._waiting.append(waiting)
            self._changed.notify_all()
            while not waiting.goes_on() and not self._stopping:
                self._changed.wait(waiting.patience())
            self._waiting.remove(waiting)
        if waiting.interrupted:
            raise Cancelled("it was told to end while it waited")
        if self._stopping and not waiting.free:
            self._met.discard(waiting.operation.id)
            raise LetGo

    def first(self, plan: _Plan, timeout: float) -> _Waiting:
        """The operation that waits longest by this plan, once there is one. Raises TimeoutError."""
        with self._changed:
            return self._first(plan, timeout)

    def let_one_go_on(self, plan: _Plan, timeout: float) -> str:
        """See Held.release."""
        with self._changed:
            found = self._first(plan, timeout)
            found.free = True
            self._changed.notify_all()
            return found.step

    def let_all_go_on(self, plan: _Plan) -> None:
        """See Held.let_go."""
        with self._changed:
            plan.held = False
            for each in self._waiting:
                each.free = each.free or each.plan is plan
            self._changed.notify_all()

    def _first(self, plan: _Plan, timeout: float) -> _Waiting:
        def of_plan() -> list[_Waiting]:
            return [each for each in self._waiting if each.plan is plan and not each.free]

        if not self._changed.wait_for(of_plan, timeout):
            raise TimeoutError(f"no operation has come to a step within {timeout:g} s")
        return of_plan()[0]

    def interrupt(self, operation_id: str) -> None:
        """A delete has overtaken the operation, or its deadline has passed."""
        with self._changed:
            for each in self._waiting:
                each.interrupted = each.interrupted or each.operation.id == operation_id
            self._changed.notify_all()

    def shown(self, path: str) -> None:
        """A GET of this path was answered."""
        with self._changed:
            for each in self._waiting:
                each.polls -= each.is_shown_by(path)
            self._changed.notify_all()

    def begin(self) -> None:
        """The cloud comes up."""
        self._stopping = False

    def stop(self) -> None:
        """The cloud goes down: what waits is taken up again, and waits anew, at its next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def counting(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """The API (ASGI), its answers counted as polls."""

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            if scope["type"] == "http" and scope["method"] == "GET":
                self.shown(scope["path"])

        return counted


def _known(resource: str, action: str) -> str:
    """The action, when some room declares it. Raises ValueError."""
    declared = [(each.name, name) for room in ROOMS for each in room.resources for name in each.operations]
    if (resource, action) not in declared:
        known = ", ".join(f"{name} {verb}" for name, verb in sorted(set(declared)))
        raise ValueError(f"no {resource!r} has an operation {action!r}; there are: {known}")
    return action
