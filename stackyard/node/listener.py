"""Where a server takes the connections of nodes, checks who they are, and lets go of those no longer let in."""

import logging
import socket
import threading
from contextlib import suppress

import msgspec

from stackyard.kernel.errors import Unavailable
from stackyard.node import certificates
from stackyard.node.admission import Asked, Granted, Join, NotGranted, Renew, split
from stackyard.node.authority import Authority, Denied
from stackyard.node.server import ConnectedNodes
from stackyard.node.tls import AUTHORITY, JOIN, LINK, RENEW, TlsTransport
from stackyard.node.transport import TransportClosed

log = logging.getLogger(__name__)

#: Seconds for a handshake and for a request: whoever is slower is cut off.
_PATIENCE = 10.0
#: Connections that may be in their handshake at a time; more wait in the system's queue.
_NEWCOMERS = 64


class Listener:
    """Listens at ADDRESS:PORT. `every`: seconds between looks at the certificates of those connected, so that a
    revocation made at any server is heeded by all."""

    def __init__(self, address: str, authority: Authority, nodes: ConnectedNodes, *, every: float = 2.0) -> None:
        self.address = address
        self._authority = authority
        self._nodes = nodes
        self._every = every
        self._socket: socket.socket | None = None
        self._closed = threading.Event()
        self._newcomers = threading.Semaphore(_NEWCOMERS)
        self._lock = threading.Lock()
        self._connected: dict[TlsTransport, str] = {}

    def start(self) -> None:
        """Begin to listen. Raises OSError when the address cannot be had."""
        known_by = self._authority.signer.certificate
        self._context = certificates.server_context(known_by, self._authority.server_identity())
        host, port = split(self.address)
        listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(1024)
        except OSError:
            listening.close()
            raise
        self._socket = listening
        self._authority.listens(self.address)
        threading.Thread(target=self._accept, args=(listening,), name="nodes come", daemon=True).start()
        threading.Thread(target=self._watch, name="nodes are good", daemon=True).start()

    def close(self) -> None:
        """Listen no more and let go of all nodes."""
        self._closed.set()
        if self._socket is None:
            return
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for transport in self._all():
            transport.close()
        try:
            self._authority.left(self.address)
        except Unavailable as away:
            log.warning("the other servers learn later that nobody listens at %s: %s", self.address, away)

    def look(self) -> None:
        """Let go of whoever's certificate has been revoked or has ended."""
        with self._lock:
            connected = dict(self._connected)
        good = self._authority.good(set(connected.values())) if connected else set()
        for transport, serial in connected.items():
            if serial not in good:
                log.warning("a node's certificate is revoked or has ended: its connection is cut")
                transport.close()

    def _all(self) -> list[TlsTransport]:
        with self._lock:
            return list(self._connected)

    def _watch(self) -> None:
        while not self._closed.wait(self._every):
            try:
                self._authority.listens(self.address)
                self.look()
            except Exception:
                log.exception("the nodes' certificates cannot be looked at; it is tried again")

    def _accept(self, listening: socket.socket) -> None:
        while not self._closed.is_set():
            try:
                connection, peer = listening.accept()
            except OSError as error:
                if not self._closed.wait(0.2):
                    log.warning("cannot take a node's connection: %s", error)
                continue
            self._newcomers.acquire()
            threading.Thread(target=self._greet, args=(connection, peer[0]), name="a newcomer", daemon=True).start()

    def _greet(self, connection: socket.socket, peer: str) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = TlsTransport(connection, self._context, is_server=True)
            transport.handshake(_PATIENCE)
            self._serve(transport)
        except (OSError, Denied) as refused:
            log.info("a connection from %s came to nothing: %s", peer, refused)
        except Exception:
            log.exception("a connection from %s came to nothing", peer)
        finally:
            self._newcomers.release()

    def _serve(self, transport: TlsTransport) -> None:
        """What the newcomer has come for."""
        purpose, shown = transport.purpose, transport.certificate
        if purpose == LINK and shown is not None:
            self._link(transport, shown)
            return
        try:
            if purpose == AUTHORITY:
                transport.send(self._authority.signer.certificate.encode())
            elif purpose in (JOIN, RENEW):
                transport.send(msgspec.msgpack.encode(self._answer(transport, purpose, shown)))
            transport.finish()
            transport.receive()
        except TransportClosed:
            return
        finally:
            transport.close()

    def _link(self, transport: TlsTransport, shown: bytes) -> None:
        serial, name = certificates.whose(shown)
        if not self._authority.good([serial]):
            transport.close()
            raise Denied(f"the certificate of node {name} is revoked or has ended")
        with self._lock:
            self._connected[transport] = serial
        transport.when_closed(lambda: self._forget(transport))
        self._nodes.attach(transport, name)
        if self._closed.is_set():
            transport.close()

    def _forget(self, transport: TlsTransport) -> None:
        with self._lock:
            self._connected.pop(transport, None)

    def _answer(self, transport: TlsTransport, purpose: str, shown: bytes | None) -> Granted | NotGranted:
        try:
            asked = msgspec.msgpack.decode(transport.receive(), type=Asked)
            if purpose == JOIN and isinstance(asked, Join):
                issued = self._authority.join(asked.token, asked.request, asked.name)
            elif purpose == RENEW and isinstance(asked, Renew) and shown is not None:
                issued = self._authority.renew(certificates.whose(shown)[0], asked.request)
            else:
                return NotGranted("this cannot be asked so")
        except Denied as denied:
            log.warning("not let in: %s", denied)
            return NotGranted(str(denied))
        except msgspec.DecodeError as wrong:
            return NotGranted(f"this cannot be understood: {wrong}")
        log.info("node %s has a certificate until %s", issued.node, issued.expires_at)
        return Granted(issued.pem, self._authority.addresses())
