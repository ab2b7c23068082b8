"""Scripted transitions: when what a cloud under test does goes on, and whether it succeeds.

    with cloud(tmp_path) as running:
        running.transitions.delay("container", "create", polls=3)               # an operation
        running.transitions.fail("container", "pause", "The engine is out of ice.")
        plugging = running.transitions.hold("port", "activate")                 # what a status waits for
        running.transitions.fail("network", "create", Conflict("No."), times=1)  # a request
        running.transitions.fail("container driver", "stop", "Lost.", after=True)  # a driver's call
        …
        plugging.wait()       # something has come to it
        plugging.release()    # it goes on

What is not scripted goes on at once. What waits is under way like any other: its object shows the transient state, a
delete overtakes it, its deadline ends it. It keeps the thread that does it.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from stackyard.kernel.errors import Unavailable
from stackyard.kernel.journal.crash import BEFORE
from stackyard.kernel.journal.run import LetGo
from stackyard.kernel.nodes import CURRENT_CALL, Nodes
from stackyard.kernel.request.chain import Exchange
from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.storage.database import Record
from stackyard.testing.places import CALL, OPERATION, REQUEST, Calls, Requests, place
from stackyard.testing.script import Held, Moment, Plan, Script, Stopping

_MOST_WAITING = 128


class Transitions:
    """The script of a cloud.

    What is named: a resource and an action of its (`"container", "create"`), with its room where several have one of
    that name (`"image.image"`); `"port"`, `"router"` or `"floating_ip"` and `"activate"`, what their status ACTIVE
    waits for; a driver and its method (`"network driver", "ensure_network"`); a path and a method as /openapi.json has
    them. An action that is an operation is scripted at its steps, any other is the request. Unknown names raise
    ValueError.

    threads: how many workers the cloud has, and so how many operations can wait at a time.
    """

    def __init__(self, threads: int = 8) -> None:
        self._threads = threads
        self._script = Script()
        #: Requests that wait keep none of the threads that others are handled in.
        self._waiters = ThreadPoolExecutor(_MOST_WAITING, "scripted request")

    # -- the test's side --

    def instant(self, name: str, action: str) -> None:
        """It goes on at once again, and so does what waits."""
        place(name, action)
        self._script.forget((name, action))

    def clear(self) -> None:
        """All goes on at once again, and so does what waits."""
        self._script.clear()

    def delay(
        self, name: str, action: str, *, seconds: float = 0.0, polls: int = 0, times: int | None = None
    ) -> None:
        """It goes on after so many seconds, and after its object was shown so many times meanwhile, by GET with its id
        or its name in the path. times: only the next so many; all, unless given."""
        self._plan(name, action, seconds=seconds, polls=polls, times=times)

    def hold(self, name: str, action: str, *, times: int | None = None) -> Held:
        """It waits until the test releases it; an operation before each of its steps. times: only the next so many."""
        return Held(self._script, self._plan(name, action, held=True, times=times))

    def fail(
        self, name: str, action: str, error: str | Exception, *,
        seconds: float = 0.0, times: int | None = None, after: bool = False,
    ) -> None:  # fmt: skip
        """It fails, at once or after so many seconds. With a text for its reason: an operation is undone, a driver's
        call is refused, a request is answered 503; or with an error, an ApiError for a request. times: only the next so
        many. after: a driver's call does all it does, and then fails, as when its answer is lost."""
        self._plan(name, action, seconds=seconds, error=error, times=times, after=after)

    def wait(self, number: int = 1, timeout: float = 30) -> None:
        """Wait until so many things wait for the test. Raises TimeoutError."""
        self._script.wait(number, timeout)

    def _plan(self, name: str, action: str, **what: Any) -> Plan:
        found = place(name, action)
        plan = Plan(place=found, **what)
        if not self._threads and (plan.held or plan.polls) and not isinstance(found, Requests):
            raise ValueError("without threads operations are performed by the test itself and cannot wait for it")
        if plan.polls and not found.can_be_polled:
            raise ValueError(f"no object is shown while {name} {action} is under way, so that it could wait for polls")
        if plan.after and not isinstance(found, Calls):
            raise ValueError("only a driver's call can fail after it has done all")
        return self._script.plan((name, action), plan)

    # -- the cloud's side --

    def __call__(self, operation: Record, step: str, moment: str) -> None:
        """An operation has come to a step: returns when it may go on, and raises when it may not."""
        if moment != BEFORE or self._script.is_empty:
            return
        names = {operation.object_id, (operation.record or {}).get("name")}
        come = Moment(
            kind=OPERATION, key=(operation.resource, operation.action), words=step, operation=operation.id,
            names=frozenset(each for each in names if each),
        )  # fmt: skip
        try:
            self._go(come, Refused)
        except Stopping:
            raise LetGo from None

    def call(self, room: str, method: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A driver's method is called: what it returns or raises, unless the script says otherwise."""
        if self._script.is_empty:
            return function(*args, **kwargs)
        made_by = CURRENT_CALL.get()
        come = Moment(
            kind=CALL, key=(room, method), words=method, operation=made_by.operation if made_by else None,
            subject=next(iter((*args, *kwargs.values())), room),
        )  # fmt: skip
        try:
            plans = self._go(come, Refused)
        except Stopping:
            raise Transient("the cloud is stopping") from None
        result = function(*args, **kwargs)
        _fail([plan for plan in plans if plan.after], Refused)
        return result

    async def request(self, exchange: Exchange) -> None:
        """A request has come, to an endpoint that there is: returns when it may be handled, and raises when not."""
        endpoint = exchange.endpoint
        if self._script.is_empty or endpoint is None:
            return
        words = f"{exchange.request.method} {exchange.request.path}"
        come = Moment(kind=REQUEST, key=(endpoint.method, endpoint.path), words=words)
        if not self._script.concerns(come):
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._waiters, self._go, come, Unavailable)
        except Stopping:
            raise Unavailable("The cloud is stopping.") from None

    def _go(self, come: Moment, refusal: type[Exception]) -> list[Plan]:
        plans = self._script.come_to(come)
        _fail([plan for plan in plans if not plan.after], refusal)
        return plans

    def nodes(self, nodes: Nodes) -> Nodes:
        """The hosts, the calls of their drivers scripted."""
        return _Nodes(nodes, self)

    def interrupt(self, operation_id: str) -> None:
        """A delete has overtaken the operation, or its deadline has passed."""
        self._script.interrupt(operation_id)

    def begin(self) -> None:
        """The cloud comes up."""
        self._script.begin()

    def stop(self) -> None:
        """The cloud goes down."""
        self._script.stop()

    def counting(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """The API (ASGI), its answers counted as polls."""

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            if scope["type"] == "http" and scope["method"] == "GET":
                self._script.shown(scope["path"])

        return counted


class _Nodes:
    """Hosts whose drivers are called by a script."""

    def __init__(self, nodes: Nodes, script: Transitions) -> None:
        self._nodes = nodes
        self._script = script

    def names(self) -> list[str]:
        return self._nodes.names()

    def states(self) -> Sequence[Any]:
        return self._nodes.states()

    def subscribe(self, topic: str, handler: Callable[[str, Any], None]) -> None:
        self._nodes.subscribe(topic, handler)

    def driver(self, host: str, room: str) -> Any:
        return _Driver(self._nodes.driver(host, room), room, self._script)


class _Driver:
    """A driver whose methods are called by a script."""

    def __init__(self, driver: Any, room: str, script: Transitions) -> None:
        self._driver = driver
        self._room = room
        self._script = script

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._driver, name)
        return partial(self._script.call, self._room, name, found) if callable(found) else found


def _fail(plans: Sequence[Plan], refusal: type[Exception]) -> None:
    for plan in plans:
        if isinstance(plan.error, Exception):
            raise plan.error
        if plan.error is not None:
            raise refusal(plan.error)
