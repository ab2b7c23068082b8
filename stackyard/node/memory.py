"""The transport inside one process: a queue of bytes each way."""

import threading
from queue import SimpleQueue

from stackyard.node.transport import TransportClosed


class MemoryTransport:
    """One end of an in-memory connection; see `pair`."""

    def __init__(
        self, incoming: "SimpleQueue[bytes | None]", outgoing: "SimpleQueue[bytes | None]", closed: threading.Event
    ) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = closed

    def send(self, frame: bytes) -> None:
        """Hand a frame to the other end. Raises TransportClosed."""
        if self._closed.is_set():
            raise TransportClosed("the connection is closed")
        self._outgoing.put(frame)

    def receive(self) -> bytes:
        """The next frame from the other end; blocks. Raises TransportClosed."""
        frame = None if self._closed.is_set() else self._incoming.get()
        if frame is None:
            raise TransportClosed("the connection is closed")
        return frame

    def close(self) -> None:
        """Close both ends; frames under way are lost, as when a wire is cut."""
        self._closed.set()
        self._incoming.put(None)
        self._outgoing.put(None)


def pair() -> tuple[MemoryTransport, MemoryTransport]:
    """The two ends of a new connection."""
    there: SimpleQueue[bytes | None] = SimpleQueue()
    back: SimpleQueue[bytes | None] = SimpleQueue()
    closed = threading.Event()
    return MemoryTransport(back, there, closed), MemoryTransport(there, back, closed)
