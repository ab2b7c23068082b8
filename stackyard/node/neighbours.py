"""The other servers of the cloud: each server's own node dials them too, so that every server reaches every host."""

import threading
from datetime import UTC, datetime

from stackyard.node import certificates
from stackyard.node.admission import dial
from stackyard.node.authority import Authority
from stackyard.node.dialler import Dialler
from stackyard.node.runtime import Node
from stackyard.node.tls import LINK, TlsTransport

_HANDSHAKE = 10.0


class Neighbours:
    """Keeps a server's own node connected to the other servers. own: where this server listens."""

    def __init__(self, node: Node, authority: Authority, own: str, *, every: float = 5.0) -> None:
        self._authority = authority
        self._node = node
        self._identity = ""
        self._lock = threading.Lock()
        self._dialler = Dialler(node, self._connect, [own], lambda states: None, every=every, skip=[own])

    def start(self) -> None:
        """Begin to dial those there are and those that come."""
        self._dialler.start()
        self._dialler.ask_now()

    def hurry(self) -> None:
        """Another server has come: dial it without a further pause."""
        self._dialler.hurry()

    def close(self) -> None:
        """Dial no more."""
        self._dialler.close()

    def _connect(self, address: str) -> TlsTransport:
        context = certificates.client_context(LINK, self._authority.signer.certificate, self._own_identity())
        transport = TlsTransport(dial(address, _HANDSHAKE), context, is_server=False)
        transport.handshake(_HANDSHAKE)
        return transport

    def _own_identity(self) -> str:
        """Key and certificate of this process, in memory only; made anew before they end."""
        with self._lock:
            if self._identity:
                begin, end = certificates.validity(self._identity)
                if datetime.now(UTC) < begin + (end - begin) * 2 / 3:
                    return self._identity
            key = certificates.new_key()
            request = certificates.request_for(key)
            self._identity = key + self._authority.for_own_node(request, self._node.name).pem
            return self._identity
