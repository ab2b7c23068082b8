"""The transport between machines: frames over TLS 1.3, each with its length before it, and a pulse in between.

Both ends send something at least every `pulse` seconds and take the other for dead after `patience` seconds of silence:
a machine without power and a cut wire say nothing, and a system would wait for them for minutes.
"""

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from stackyard.node.transport import TransportClosed

#: Every server of a cloud has this name in its certificate, whatever its address: a node may know it by any.
SERVER_NAME = "server.stackyard"
#: What a connection is for, said in the handshake (ALPN).
LINK, JOIN, RENEW, AUTHORITY = "stackyard-link/1", "stackyard-join/1", "stackyard-renew/1", "stackyard-authority/1"

#: No message is longer: streams are cut into pieces of 256 KiB. Whoever says otherwise is cut off.
LONGEST_FRAME = 64 * 2**20
_PULSE = struct.pack("!I", 0)
_READ = 256 * 1024


class TlsTransport:
    """One end of a TLS connection whose handshake is still to come; see `handshake`.

    OpenSSL's objects are not made for two threads. So one thread reads the socket, one writes it, and what lies
    between, a TLS engine in memory, is touched under a lock by one at a time.
    """

    def __init__(
        self,
        connection: socket.socket,
        context: ssl.SSLContext,
        *,
        is_server: bool,
        pulse: float = 1.0,
        patience: float = 5.0,
    ) -> None:
        self._socket = connection
        self._pulse = pulse
        self._patience = patience
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if is_server or not context.check_hostname else SERVER_NAME
        self._tls = context.wrap_bio(self._received, self._to_send, server_side=is_server, server_hostname=name)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._plain = bytearray()
        self._ended: TransportClosed | None = None
        # The descriptor is closed by the last of the two threads: before that its number must not be given to another.
        self._users = 2
        self._when_closed: list[Callable[[], None]] = []
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()

    def handshake(self, within: float) -> None:
        """Make the connection; then frames can be sent and received. Raises TransportClosed, the socket closed, when
        this end refuses the other, or when it breaks or lasts longer than `within` seconds. Being refused by the other
        may show only at the first `receive`."""
        try:
            self._shake_hands(time.monotonic() + within)
            if not self._tls.server_side and self.purpose is None:
                raise TransportClosed("the far end is no server for nodes, or one of another version")
        except TransportClosed:
            self._closed.set()
            self._socket.close()
            raise
        threading.Thread(target=self._write, name="write a link", daemon=True).start()

    def _shake_hands(self, end: float) -> None:
        while True:
            try:
                self._tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError as refused:
                self._flush()
                raise TransportClosed(f"no connection: {_reason(refused)}") from refused
            self._flush()
            if done:
                return
            self._feed(end - time.monotonic())

    @property
    def purpose(self) -> str | None:
        """What the connecting end said that the connection is for."""
        return self._tls.selected_alpn_protocol()

    @property
    def certificate(self) -> bytes | None:
        """The far end's certificate (DER), which the context has verified; None when it has shown none."""
        return self._tls.getpeercert(binary_form=True)

    def send(self, frame: bytes) -> None:
        """See Transport."""
        if self._closed.is_set():
            raise TransportClosed("the connection is closed")
        self._queue.put(struct.pack("!I", len(frame)) + frame)

    def receive(self) -> bytes:
        """See Transport. TransportClosed also when nothing came for `patience` seconds."""
        try:
            while True:
                (length,) = struct.unpack("!I", self._exactly(4))
                if length > LONGEST_FRAME:
                    raise TransportClosed(f"the far end announced a frame of {length} bytes")
                if length:
                    return self._exactly(length)
        except TransportClosed:
            self.close()
            self._leave()
            raise

    def when_closed(self, told: Callable[[], None]) -> None:
        """Call `told` when the transport closes, or at once when it has."""
        self._when_closed.append(told)
        if self._closed.is_set():
            self._tell()

    def _tell(self) -> None:
        while self._when_closed:
            with contextlib.suppress(IndexError):  # another thread was faster
                self._when_closed.pop()()

    def close(self) -> None:
        """See Transport."""
        self._closed.set()
        self._tell()
        self._queue.put(None)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        """Close once all that was sent is handed to the system; does not wait."""
        self._queue.put(None)

    def _write(self) -> None:
        try:
            while not self._closed.is_set():
                try:
                    frame = self._queue.get(timeout=self._pulse)
                except Empty:
                    frame = _PULSE
                if frame is None:
                    break
                with self._lock:
                    self._tls.write(frame)
                    ready = self._to_send.read()
                self._socket.sendall(ready)
        except (OSError, ssl.SSLError):
            pass
        finally:
            self.close()
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._socket.close()

    def _exactly(self, length: int) -> bytes:
        while len(self._plain) < length:
            if self._closed.is_set():
                raise TransportClosed("the connection is closed")
            if self._ended is not None:
                raise self._ended
            with self._lock:
                self._decrypt()
            if len(self._plain) < length and self._ended is None:
                self._feed(self._patience)
        data = bytes(self._plain[:length])
        del self._plain[:length]
        return data

    def _decrypt(self) -> None:
        try:
            while piece := self._tls.read(_READ):
                self._plain += piece
            self._ended = TransportClosed("the far end has closed the connection")
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as broken:
            self._ended = TransportClosed(f"the far end refused the connection or broke it: {_reason(broken)}")

    def _feed(self, within: float) -> None:
        """Read what has come from the socket; wait for it at most `within` seconds."""
        try:
            if not self._comes(within):
                raise TransportClosed(f"the far end has been silent for {max(within, 0):.3g} seconds")
            data = self._socket.recv(_READ)
        except (OSError, ValueError) as broken:
            raise TransportClosed(str(broken)) from broken
        if not data:
            raise TransportClosed("the far end has closed the connection")
        with self._lock:
            self._received.write(data)

    def _comes(self, within: float) -> bool:
        # Not by a time-out of the socket, which would hold for its writer too. And a pulse at a time: when this process
        # got no processor for a while, that is not the far end's silence.
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while within > 0:
            if poll.poll(min(within, self._pulse) * 1000):
                return True
            within -= self._pulse
        return False

    def _flush(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(self._to_send.read())


def _reason(broken: ssl.SSLError) -> str:
    return (broken.reason or str(broken)).lower().replace("_", " ")
