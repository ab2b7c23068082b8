"""Streams over a link, with back-pressure: a producer has at most WINDOW unread values under way.

Bytes longer than PIECE are cut, so that a stream of bytes holds at most 4 MiB, however slow its reader.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Self

import msgspec

from stackyard.node.contract import Contract
from stackyard.node.messages import Ack, Chunk, Close, End, Failure, Message, raw

Control = Chunk | Ack | End | Close

WINDOW = 16
PIECE = 256 * 1024


class Incoming:
    """The consumer's end: values as they come."""

    def __init__(self, stream: int, send: Callable[[Message], None]) -> None:
        self._stream = stream
        self._send = send
        self._values: deque[msgspec.Raw] = deque()
        self._ended: End | BaseException | None = None
        self._unacknowledged = 0
        self._changed = threading.Condition()

    def put(self, value: msgspec.Raw) -> None:
        """A chunk has come; one that was under way when the reader closed is dropped."""
        with self._changed:
            if self._ended is None:
                self._values.append(value)
                self._changed.notify()

    def end(self, why: "End | BaseException") -> None:
        """Nothing more comes: the producer's end, or what broke the link. What came before can still be read."""
        with self._changed:
            self._ended = self._ended or why
            self._changed.notify_all()

    def take(self) -> "msgspec.Raw | Failure | BaseException | None":
        """The next value; blocks. At the end None, or what ended the stream early."""
        with self._changed:
            while not self._values:
                if self._ended is not None:
                    return self._ended.failure if isinstance(self._ended, End) else self._ended
                self._changed.wait()
            value = self._values.popleft()
            self._unacknowledged += 1
            count = self._unacknowledged if self._unacknowledged >= WINDOW // 2 else 0
            self._unacknowledged -= count
        if count:
            self._send(Ack(self._stream, count))
        return value

    def close(self) -> None:
        """Want no more. Any thread; a blocked reader sees the end."""
        with self._changed:
            was_open = self._ended is None
            self._values.clear()
            self._ended = self._ended or End(self._stream)
            self._changed.notify_all()
        if was_open:
            self._send(Close(self._stream))


class RemoteStream(Iterator[Any]):
    """What the consumer iterates: values decoded, failures as the contract's own errors. Close it, or read it out."""

    def __init__(self, incoming: Incoming, decoder: "msgspec.msgpack.Decoder[Any]", contract: Contract) -> None:
        self._incoming = incoming
        self._decode = decoder.decode
        self._contract = contract

    def __next__(self) -> Any:
        value = self._incoming.take()
        if value is None:
            raise StopIteration
        if isinstance(value, BaseException):
            raise value
        if isinstance(value, Failure):
            raise self._contract.error(value)
        return self._decode(value)

    def close(self) -> None:
        """Want no more; the producer is told. Any thread, any number of times."""
        self._incoming.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Outgoing:
    """The producer's end: how much may still be sent, and whether anyone wants it."""

    def __init__(
        self,
        stream: int,
        send: Callable[[Message], None],
        source: Iterable[Any],
        contract: Contract,
        cancel: threading.Event | None,
    ) -> None:
        """`cancel`: set, and the source closed, when nobody reads any more. None: the source is not ours to close."""
        self._stream = stream
        self._send = send
        self._source = source
        self._contract = contract
        self._cancel = cancel
        self._credit = WINDOW
        self._closed = False
        self._changed = threading.Condition()

    def grant(self, count: int) -> None:
        """The consumer has read so many values."""
        with self._changed:
            self._credit += count
            self._changed.notify()

    def close(self) -> None:
        """Nobody reads any more. The source is told, so that a blocked producer wakes."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._cancel is None:
            return
        self._cancel.set()
        if not isinstance(self._source, Generator):  # only the thread that runs a generator can close it
            threading.Thread(target=_close, args=(self._source,), name="close stream", daemon=True).start()

    def pump(self) -> Exception | None:
        """Send all of the source as the consumer reads; returns what the source raised, after telling the consumer."""
        try:
            for value in self._source:
                if not all(self._push(piece) for piece in _pieces(value)):
                    break
            self._send(End(self._stream))
        except BaseException as broken:  # whatever it is, the consumer waits for an end
            self._send(End(self._stream, self._contract.failure(broken)))
            if not isinstance(broken, Exception):
                raise
            return broken
        finally:
            if self._cancel is not None:
                _close(self._source)
        return None

    def _push(self, value: object) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._credit or self._closed)
            if self._closed:
                return False
            self._credit -= 1
        self._send(Chunk(self._stream, raw(value)))
        return True


class Streams:
    """All streams of one end of a link, and the way to them. `send` never raises."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._broken: Exception | None = None
        self._incoming: dict[int, Incoming] = {}
        self._outgoing: dict[int, Outgoing] = {}

    def consume(self, stream: int) -> Incoming:
        """The consumer's end of a stream that the far end has named."""
        self._incoming[stream] = incoming = Incoming(stream, self._send)
        return incoming

    def produce(self, source: Iterable[Any], contract: Contract, cancel: threading.Event | None) -> int:
        """Open a stream of what the source gives; `pump` sends it. For `cancel` see Outgoing."""
        stream = next(self._ids)
        outgoing = Outgoing(stream, self._send, source, contract, cancel)
        with self._lock:
            self._outgoing[stream] = outgoing
            broken = self._broken
        if broken is not None:
            outgoing.close()
        return stream

    def pump(self, stream: int) -> Exception | None:
        """Send a whole stream; returns what its source raised, if it did."""
        try:
            return self._outgoing[stream].pump()
        finally:
            with self._lock:
                self._outgoing.pop(stream, None)

    def route(self, message: Control) -> None:
        """Hand a message to its stream. One that is over by now ignores it."""
        stream = message.stream
        if isinstance(message, Chunk | End):
            incoming = self._incoming.get(stream)
            if incoming is None:
                return
            if isinstance(message, Chunk):
                incoming.put(message.value)
            else:
                del self._incoming[stream]
                incoming.end(message)
        elif (outgoing := self._outgoing.get(stream)) is not None:
            if isinstance(message, Ack):
                outgoing.grant(message.count)
            else:
                outgoing.close()

    def end(self, why: Exception) -> None:
        """The link is gone: readers raise `why` after what has come, writers stop."""
        with self._lock:
            self._broken = why
            outgoing = list(self._outgoing.values())
        for each in self._incoming.values():
            each.end(why)
        for source in outgoing:
            source.close()


def _pieces(value: Any) -> Iterable[Any]:
    if not isinstance(value, bytes | bytearray | memoryview) or len(value) <= PIECE:
        return (value,)
    return (bytes(value[start : start + PIECE]) for start in range(0, len(value), PIECE))


def _close(source: object) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()
