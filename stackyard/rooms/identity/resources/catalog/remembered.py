"""Catalogs as tokens' answers carry them, encoded once for each project."""

import msgspec

from stackyard.kernel.recent import Recent
from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.resources.catalog.store import catalog
from stackyard.rooms.identity.resources.token import store as counters

#: Of how many projects at most. Each takes as many bytes as it has: 5 kB.
REMEMBERED = 1000


class Catalogs:
    """The catalogs of this cloud, each as it was when the change counter stood where it stands."""

    def __init__(self) -> None:
        self._known: Recent[str | None, tuple[int, bytes]] = Recent(REMEMBERED)

    def encoded(self, tx: Transaction, project_id: str | None) -> bytes:
        """The catalog for a token's project, as JSON."""
        version = counters.version(tx)
        known = self._known.get(project_id)
        if known is not None and known[0] == version:
            return known[1]
        made = msgspec.json.encode(catalog(tx, project_id))
        # What a write transaction sees may be rolled back.
        if not tx.writable:
            self._known.put(project_id, (version, made))
        return made
