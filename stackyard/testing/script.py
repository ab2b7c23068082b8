"""Scripts: what a test wants of the things that a cloud does, and the wait of those that are not to go on yet.

The same for whatever can be scripted: `places.py` says what that is, `transitions.py` has the cloud's side.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

from stackyard.kernel.steps import Cancelled


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that a cloud is about to do: `kind` and `key` say what, `words` for people. names: ids and names of the
    objects that it is about. operation: the id of the one that does it. subject: what a driver's call is given first.
    """

    kind: str
    key: tuple[str, str]
    words: str
    names: frozenset[str] = frozenset()
    operation: str | None = None
    subject: object = None


class Place(Protocol):
    """Something that can be scripted."""

    @property
    def can_be_polled(self) -> bool:
        """Whether objects are shown meanwhile, so that it can wait for that."""

    def concerns(self, moment: Moment) -> frozenset[str] | None:
        """The ids and names of the objects that a moment at this place is about; None for a moment elsewhere."""


@dataclass(eq=False, kw_only=True)
class Plan:
    """What is scripted for a place. times: for how many more; None: for all that come. after: the error comes when all
    is done, as if the answer were lost."""

    place: Place
    seconds: float = 0.0
    polls: int = 0
    held: bool = False
    error: str | Exception | None = None
    after: bool = False
    times: int | None = None
    met: set[str] = field(default_factory=set)


@dataclass(eq=False, kw_only=True)
class Waiting:
    """Something that waits for the test."""

    plan: Plan
    moment: Moment
    names: frozenset[str]
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


class Stopping(Exception):
    """The cloud goes down while something waits in it."""


class Held:
    """What goes on one by one, as the test says."""

    def __init__(self, script: "Script", plan: Plan) -> None:
        self._script = script
        self._plan = plan

    def wait(self, timeout: float = 30) -> str:
        """Wait until one waits; returns what it is about to do: a step's name, a driver's method, a request. Raises
        TimeoutError."""
        return self._script.first(self._plan, timeout).moment.words

    def release(self, timeout: float = 30) -> str:
        """Let the one that waits longest do it, once one waits; returns what. Raises TimeoutError."""
        return self._script.let_one_go_on(self._plan, timeout)

    def let_go(self) -> None:
        """Hold none any more: those that wait, and those to come, go on by themselves."""
        self._script.let_all_go_on(self._plan)


class Script:
    """The plans of a cloud, and what waits by them. It may be changed at any time; what waits keeps to what it was
    told, unless that is taken back."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, str], Plan] = {}
        self._changed = threading.Condition()
        self._waiting: list[Waiting] = []
        self._stopping = False

    # -- plans --

    def plan(self, name: tuple[str, str], plan: Plan) -> Plan:
        """Make this the plan of that name, in place of any other."""
        with self._changed:
            self._plans[name] = plan
        return plan

    def forget(self, name: tuple[str, str]) -> None:
        """There is no plan of that name any more; what waits by it goes on."""
        with self._changed:
            plan = self._plans.pop(name, None)
        if plan is not None:
            self.let_all_go_on(plan)

    def clear(self) -> None:
        """There is no plan any more; what waits goes on."""
        for name in list(self._plans):
            self.forget(name)

    # -- the cloud's side --

    def come_to(self, moment: Moment) -> list[Plan]:
        """Return when the cloud may go on with a moment: the plans that concern it, for the errors that they have.
        Raises Cancelled when its operation is to end, Stopping when the cloud is."""
        with self._changed:
            taken = [(plan, self._taken(plan, moment)) for plan in self._plans.values()]
        concerned = [(plan, names) for plan, names in taken if names is not None]
        for plan, names in concerned:
            until = time.monotonic() + plan.seconds
            self._wait(Waiting(plan=plan, moment=moment, names=names, until=until, polls=plan.polls))
        return [plan for plan, _ in concerned]

    @property
    def is_empty(self) -> bool:
        """Whether there is no plan at all: a look that costs nothing, before a moment is made."""
        return not self._plans

    def concerns(self, moment: Moment) -> bool:
        """Whether there is a plan for a moment like this, used up or not."""
        with self._changed:
            return any(plan.place.concerns(moment) is not None for plan in self._plans.values())

    def _taken(self, plan: Plan, moment: Moment) -> frozenset[str] | None:
        """The objects' names when the plan is for this moment too. Every step of an operation is held; anything else
        happens once to it, at its first step."""
        names = plan.place.concerns(moment)
        if names is None or (moment.kind == "operation" and moment.operation in plan.met and not plan.held):
            return None
        is_new = moment.kind != "operation" or moment.operation not in plan.met
        if is_new and plan.times is not None:
            if plan.times <= 0:
                return None
            plan.times -= 1
        if moment.kind == "operation" and moment.operation is not None:
            plan.met.add(moment.operation)
        return names

    def _wait(self, waiting: Waiting) -> None:
        with self._changed:
            self._waiting.append(waiting)
            self._changed.notify_all()
            while not waiting.goes_on() and not self._stopping:
                self._changed.wait(waiting.patience())
            self._waiting.remove(waiting)
            if self._stopping and not waiting.free:
                self._untake(waiting)
        if waiting.interrupted:
            raise Cancelled("it was told to end while it waited")
        if self._stopping and not waiting.free:
            raise Stopping

    @staticmethod
    def _untake(waiting: Waiting) -> None:
        """An operation that comes again at the next start is as one that has not come yet."""
        plan, operation = waiting.plan, waiting.moment.operation
        if waiting.moment.kind == "operation" and operation in plan.met:
            plan.met.discard(operation)
            plan.times = None if plan.times is None else plan.times + 1

    def interrupt(self, operation_id: str) -> None:
        """A delete has overtaken the operation, or its deadline has passed."""
        with self._changed:
            for each in self._waiting:
                each.interrupted = each.interrupted or each.moment.operation == operation_id
            self._changed.notify_all()

    def shown(self, path: str) -> None:
        """A GET of this path was answered: a poll of the object whose id or name is at its end."""
        asked = path.rstrip("/").rpartition("/")[2]
        with self._changed:
            for each in self._waiting:
                each.polls -= asked in each.names
            self._changed.notify_all()

    def begin(self) -> None:
        """The cloud comes up."""
        self._stopping = False

    def stop(self) -> None:
        """The cloud goes down: operations that wait are taken up again, and wait anew, at its next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    # -- the test's side --

    def wait(self, number: int = 1, timeout: float = 30) -> None:
        """Wait until so many things wait. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._waiting) >= number, timeout):
                raise TimeoutError(f"no {number} things wait for the test within {timeout:g} s")

    def first(self, plan: Plan, timeout: float) -> Waiting:
        """What waits longest by this plan, once there is something. Raises TimeoutError."""
        with self._changed:
            return self._first(plan, timeout)

    def let_one_go_on(self, plan: Plan, timeout: float) -> str:
        """See Held.release."""
        with self._changed:
            found = self._first(plan, timeout)
            found.free = True
            self._changed.notify_all()
            return found.moment.words

    def let_all_go_on(self, plan: Plan) -> None:
        """See Held.let_go."""
        with self._changed:
            plan.held = False
            for each in self._waiting:
                each.free = each.free or each.plan is plan
            self._changed.notify_all()

    def _first(self, plan: Plan, timeout: float) -> Waiting:
        def of_plan() -> list[Waiting]:
            return [each for each in self._waiting if each.plan is plan and not each.free]

        if not self._changed.wait_for(of_plan, timeout):
            raise TimeoutError(f"nothing waits by this plan within {timeout:g} s")
        return of_plan()[0]
