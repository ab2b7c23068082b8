"""Runs the calls that come over links: on threads, each journalled call once at a time, never for an outdated claim."""

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from stackyard.kernel.nodes import CallId
from stackyard.kernel.steps import Transient
from stackyard.node import messages
from stackyard.node.contract import BadCall, Contract, Method, Superseded
from stackyard.node.link import Link
from stackyard.node.messages import Call, Error, Failure
from stackyard.node.pool import Pool
from stackyard.node.streams import Incoming, RemoteStream

log = logging.getLogger(__name__)

#: Operations whose highest epoch is remembered; an older one is long over.
_REMEMBERED = 10_000

_Caller = tuple[Link, int]
Serving = Callable[[str | None, str, str], AbstractContextManager[None]]
_Outcome = msgspec.Raw | Failure | Iterable[Any]


@dataclass(frozen=True)
class Target:
    """Something that can be called: an object and the contract it keeps."""

    contract: Contract
    implementation: Any


@dataclass(eq=False)
class _Running:
    """A call in flight and everyone who waits for its answer."""

    key: object
    target: Target
    method: Method
    durable: bool
    callers: list[_Caller]
    cancel: threading.Event = field(default_factory=threading.Event)


class Dispatcher:
    """Runs calls on the targets, at most `workers` at a time.

    Shared by all links of a node: a call repeated over a new link (the server came back) joins the one still in flight.
    """

    def __init__(self, targets: Mapping[str, Target], workers: int, serving: Serving | None = None) -> None:
        """`serving`: gives, for a `traceparent`, a target and a method, the block in which the call runs."""
        self._targets = targets
        self._serving = serving
        self._pool = Pool(workers, "call")
        self._lock = threading.Lock()
        self._epochs: OrderedDict[str, int] = OrderedDict()
        self._running: dict[object, _Running] = {}
        self._callers: dict[_Caller, _Running] = {}

    def called(self, link: Link, call: Call, streams: dict[str, Incoming]) -> None:
        """Run the call, or let it wait for the same call in flight; the answer goes to every link that asked."""
        try:
            running, is_new = self._admit((link, call.id), call)
        except (BadCall, Superseded) as refused:
            _close(streams)
            link.tell(Error(call.id, Failure(type(refused).__name__, [str(refused)])))
            return
        if call.cancelled:
            running.cancel.set()
        if is_new:
            self._submit(running, call, streams)
        else:
            _close(streams)

    def cancelled(self, link: Link, call: int) -> None:
        """Ask a call to end, if its method can."""
        with self._lock:
            running = self._callers.get((link, call))
        if running is not None:
            running.cancel.set()

    def gone(self, link: Link) -> None:
        """A link is closed. What an operation began runs on: the server will ask again. The rest is asked to end."""
        with self._lock:
            lost = [running for (asked, _), running in self._callers.items() if asked is link and not running.durable]
        for running in lost:
            running.cancel.set()

    def close(self) -> None:
        """Take no more calls and ask those in flight to end; does not wait for them."""
        self._pool.close()
        with self._lock:
            running = list(self._running.values())
        for each in running:
            each.cancel.set()

    def _admit(self, caller: _Caller, call: Call) -> tuple[_Running, bool]:
        target = self._targets.get(call.target)
        if target is None:
            raise BadCall(f"there is no {call.target!r} here")
        method = target.contract.methods.get(call.method)
        if method is None:
            raise BadCall(f"{call.target} has no method {call.method!r}")
        # A returned stream has one reader, so such calls are never joined.
        key = _key(call, call.made_by) if call.made_by is not None and method.items is None else caller
        with self._lock:
            if call.made_by is not None:
                self._note_epoch(call.made_by)
            running = self._running.get(key)
            is_new = running is None
            if running is None:
                running = self._running[key] = _Running(key, target, method, call.made_by is not None, [])
            running.callers.append(caller)
            self._callers[caller] = running
        return running, is_new

    def _note_epoch(self, made_by: CallId) -> None:
        highest = self._epochs.get(made_by.operation, made_by.epoch)
        if made_by.epoch < highest:
            raise Superseded(f"operation {made_by.operation} is at claim {highest}, this call of claim {made_by.epoch}")
        self._epochs[made_by.operation] = made_by.epoch
        self._epochs.move_to_end(made_by.operation)
        if len(self._epochs) > _REMEMBERED:
            self._epochs.popitem(last=False)

    def _submit(self, running: _Running, call: Call, streams: dict[str, Incoming]) -> None:
        if not self._pool.submit(partial(self._run, running, call, streams)):
            _close(streams)
            self._finish(running, running.target.contract.failure(Transient("the node is shutting down")))

    def _run(self, running: _Running, call: Call, streams: dict[str, Incoming]) -> None:
        try:
            with self._serving(call.trace, call.target, call.method) if self._serving else nullcontext():
                outcome = self._outcome(running, call, streams)
        except BaseException as error:  # whatever it is, its caller waits for an answer
            failure = running.target.contract.failure(error)
            if not failure.name:
                log.exception("%s.%s failed", call.target, call.method)
            outcome = failure
        finally:
            _close(streams)
        self._finish(running, outcome)

    def _outcome(self, running: _Running, call: Call, streams: dict[str, Incoming]) -> _Outcome:
        method, contract = running.method, running.target.contract
        arguments = method.decode(call.arguments)
        for name, incoming in streams.items():
            arguments[name] = RemoteStream(incoming, method.streams[name], contract)
        if method.cancellable:
            arguments["cancel"] = running.cancel
        value = getattr(running.target.implementation, method.name)(**arguments)
        return messages.raw(value) if method.items is None else value

    def _finish(self, running: _Running, outcome: _Outcome) -> None:
        with self._lock:
            del self._running[running.key]
            for caller in running.callers:
                del self._callers[caller]
        for link, call in running.callers:
            if isinstance(outcome, Failure):
                link.tell(Error(call, outcome))
            elif isinstance(outcome, msgspec.Raw):
                link.answer(call, outcome)
            else:
                link.answer_stream(call, outcome, running.target.contract, running.cancel)


def _key(call: Call, made_by: CallId) -> object:
    # One step may call several methods, or one method for each of several objects: those are different calls.
    digest = hashlib.blake2b(messages.encode(call.arguments), digest_size=16).digest()
    return made_by.operation, made_by.step, call.target, call.method, digest


def _close(streams: Mapping[str, Incoming]) -> None:
    for each in streams.values():
        each.close()
