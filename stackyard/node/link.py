"""One end of a link: calls made and answered, streams, events, over any transport. Both ends are of this one kind."""

import contextlib
import itertools
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from stackyard.kernel.nodes import CURRENT_CALL, CallId
from stackyard.kernel.observe.trace import traceparent
from stackyard.kernel.steps import Cancelled, Transient
from stackyard.node import messages
from stackyard.node.contract import Contract, DriverError, Method
from stackyard.node.messages import Ack, Call, Cancel, Chunk, Close, End, Error, Event, Hello, Message, Result
from stackyard.node.streams import Incoming, RemoteStream, Streams
from stackyard.node.transport import Transport, TransportClosed

log = logging.getLogger(__name__)

#: Seconds between looks at the `cancel` of a caller that brings its own.
_LOOK = 0.05


class Owner(Protocol):
    """Whose link it is: what to do with what comes. Called by the link's one reading thread, so nothing may block."""

    def called(self, link: "Link", call: Call, streams: dict[str, Incoming]) -> None:
        """The far end wants a method run; answer with `link.answer` or `link.fail`."""

    def cancelled(self, link: "Link", call: int) -> None:
        """The far end wants that call of its ended."""

    def told(self, link: "Link", message: Hello | Event) -> None:
        """The far end says something that needs no answer."""

    def gone(self, link: "Link") -> None:
        """The link is closed or broken; said once."""


@dataclass(eq=False)
class _Pending:
    """A call that waits for its answer."""

    made_by: CallId | None
    answer: "Future[tuple[Result | Error, Incoming | None]]" = field(default_factory=Future)
    interrupted: bool = False

    def succeed(self, message: Result | Error, incoming: Incoming | None) -> bool:
        """End the wait with the answer; whether anyone still waited."""
        try:
            self.answer.set_result((message, incoming))
        except InvalidStateError:
            return False
        return True

    def fail(self, error: Exception) -> None:
        """End the wait, unless the answer came first."""
        with contextlib.suppress(InvalidStateError):
            self.answer.set_exception(error)

    def fail_after(self, seconds: float, error: Exception) -> None:
        """End the wait then, unless the answer comes first."""
        timer = threading.Timer(seconds, self.fail, [error])
        timer.daemon = True
        timer.start()
        self.answer.add_done_callback(lambda _: timer.cancel())


class Link:
    """One end of a connection.

    name: who is at the far end, in words for people. grace: seconds that an interrupted call has to end by itself,
    before its caller is let go without an answer.
    """

    def __init__(self, transport: Transport, owner: Owner, name: str, grace: float = 10.0) -> None:
        self.name = name
        self._transport = transport
        self._owner = owner
        self._grace = grace
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._closed = False
        self._ended = threading.Event()
        self._why_ended = ""
        self._pending: dict[int, _Pending] = {}
        self._streams = Streams(self.tell)

    def start(self) -> None:
        """Begin to read, in a thread of its own."""
        threading.Thread(target=self._read, name=f"link to {self.name}", daemon=True).start()

    def close(self) -> None:
        """Cut the connection: calls under way raise Transient and streams break, at both ends."""
        self._transport.close()

    def wait_for_end(self, seconds: float | None) -> bool:
        """Wait until the connection is closed or broken, at most so long; whether it is."""
        return self._ended.wait(seconds)

    def why_ended(self) -> str:
        """What ended the connection, once it has ended."""
        return self._why_ended

    def call(
        self, target: str, contract: Contract, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a method at the far end: what it returns or raises. Transient: link broken. Cancelled: interrupted."""
        given = method.given(args, kwargs)
        is_cancelled = given.cancel is not None and given.cancel.is_set()
        number, pending = self._expect(CURRENT_CALL.get())
        try:
            streams = {name: self._streams.produce(source, contract, None) for name, source in given.streams.items()}
            told = (pending.made_by, is_cancelled, traceparent())
            self.tell(Call(number, target, method.name, given.plain, streams, *told))
            for stream in streams.values():
                self._pump_argument(number, stream, pending)
            if given.cancel is not None:
                self._cancel_when_set(number, pending, given.cancel)
            return self._value(pending, contract, method)
        finally:
            self._pending.pop(number, None)

    def interrupt(self, operation: str) -> None:
        """End the calls that an operation has under way; does not wait.

        Their callers get Cancelled when the far end has let go, or when the grace is over. A call that succeeds all the
        same returns as ever.
        """
        late = Cancelled(f"{self.name} did not end a call of a cancelled operation in time")
        for number, pending in list(self._pending.items()):
            if pending.made_by is not None and pending.made_by.operation == operation and not pending.interrupted:
                pending.interrupted = True
                self.tell(Cancel(number))
                pending.fail_after(self._grace, late)

    def answer(self, call: int, value: msgspec.Raw) -> None:
        """What a call of the far end returned."""
        self.tell(Result(call, value))

    def answer_stream(self, call: int, source: Iterable[Any], contract: Contract, cancel: threading.Event) -> None:
        """A call of the far end returned these values; a thread of their own sends them. For `cancel` see Outgoing."""
        stream = self._streams.produce(source, contract, cancel)
        self.tell(Result(call, messages.raw(None), stream))
        threading.Thread(
            target=self._streams.pump, args=(stream,), name=f"stream to {self.name}", daemon=True
        ).start()

    def tell(self, message: Message) -> None:
        """Send a message. One that cannot be sent any more is dropped: whoever waits learns it from the link's end."""
        try:
            self._transport.send(messages.encode(message))
        except TransportClosed:
            log.debug("%s is gone; dropped a %s", self.name, type(message).__name__)

    def _expect(self, made_by: CallId | None) -> tuple[int, _Pending]:
        number, pending = next(self._ids), _Pending(made_by)
        with self._lock:
            if self._closed:
                raise self._out_of_reach()
            self._pending[number] = pending
        return number, pending

    def _out_of_reach(self) -> Transient:
        return Transient(f"{self.name} is out of reach: its connection is closed")

    def _pump_argument(self, number: int, stream: int, pending: _Pending) -> None:
        # A source that fails (an upload breaks off) fails the call with its own error, once the far end has let go.
        broken = self._streams.pump(stream)
        if broken is not None:
            self.tell(Cancel(number))
            with contextlib.suppress(Exception):
                pending.answer.result()
            raise broken

    def _cancel_when_set(self, number: int, pending: _Pending, cancel: threading.Event) -> None:
        while not wait([pending.answer], timeout=_LOOK).done:
            if cancel.is_set():
                self.tell(Cancel(number))
                return

    def _value(self, pending: _Pending, contract: Contract, method: Method) -> Any:
        message, incoming = pending.answer.result()
        if isinstance(message, Error):
            error = contract.error(message.failure)
            if pending.interrupted and not isinstance(error, Cancelled):
                raise Cancelled(str(error)) from error
            raise error
        if incoming is not None and method.items is not None:
            return RemoteStream(incoming, method.items, contract)
        try:
            return method.result.decode(message.value)
        except messages.MALFORMED as wrong:
            raise DriverError(f"{self.name} answered {method.name} with something else: {wrong}") from wrong

    def _read(self) -> None:
        try:
            while True:
                self._handle(messages.decode(self._transport.receive()))
        except TransportClosed as closed:
            self._why_ended = str(closed)
            log.debug("%s has closed its link: %s", self.name, closed)
        except Exception as wrong:
            self._why_ended = f"{self.name} sent what cannot be understood: {wrong}"
            log.exception("%s sent what cannot be understood; closing its link", self.name)
        finally:
            self._transport.close()
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._closed = True
            pending, self._pending = list(self._pending.values()), {}
        for each in pending:
            each.fail(self._out_of_reach())
        self._streams.end(self._out_of_reach())
        self._owner.gone(self)
        self._ended.set()

    def _handle(self, message: Message) -> None:
        match message:
            case Result() | Error():
                self._settle(message)
            case Chunk() | Ack() | End() | Close():
                self._streams.route(message)
            case Call():
                streams = {name: self._streams.consume(stream) for name, stream in message.streams.items()}
                self._owner.called(self, message, streams)
            case Cancel(call):
                self._owner.cancelled(self, call)
            case Hello() | Event():
                self._owner.told(self, message)

    def _settle(self, message: Result | Error) -> None:
        stream = message.stream if isinstance(message, Result) else None
        incoming = self._streams.consume(stream) if stream is not None else None
        pending = self._pending.get(message.id)
        if pending is not None and pending.succeed(message, incoming):
            return
        log.info("%s answered a call that was given up", self.name)
        if incoming is not None:
            incoming.close()
