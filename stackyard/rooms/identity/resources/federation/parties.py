"""The providers that this server speaks with, each with what it has published so far."""

import threading

from stackyard.kernel.work import Clock
from stackyard.rooms.identity.resources.federation.connections import Connection, Connections, ConnectionsFile, Oidc
from stackyard.rooms.identity.resources.federation.oidc import RelyingParty


class Parties:
    """Relying parties by connection: a changed connection is another party, which asks anew."""

    def __init__(self, file: ConnectionsFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._parties: dict[Oidc, RelyingParty] = {}

    @property
    def connections(self) -> Connections:
        """What the operator's file says now. Raises Unavailable when it cannot be used."""
        return self._file.current()

    def connection(self, provider_id: str, protocol_id: str) -> Connection | None:
        """How that protocol is connected, if it is. Raises Unavailable."""
        return self.connections.of(provider_id, protocol_id)

    def party(self, connection: Oidc) -> RelyingParty:
        """This cloud as the client of that provider."""
        with self._lock:
            if connection not in self._parties:
                self._parties[connection] = RelyingParty(connection, self._clock)
            return self._parties[connection]
