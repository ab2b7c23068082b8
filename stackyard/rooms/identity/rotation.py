"""Rotating the keys while every server goes on: nothing that an older key made stops being good before its time."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from stackyard.kernel.storage.database import Transaction
from stackyard.kernel.work import Services
from stackyard.rooms.identity import store
from stackyard.rooms.identity.keys import Key, Keys, Ring, Sealer, forget_old
from stackyard.rooms.identity.resources.token.store import GRACE

#: (tx, sealer, at most): seals rows anew that another key than the primary has sealed; returns how many there were.
Reseal = Callable[[Transaction, Sealer, int], int]
#: Beyond what a token needs: clocks, and requests under way.
_MARGIN = timedelta(hours=1)
_AT_ONCE = 200


def keys_of(services: Services) -> Keys:
    """The cloud's keys, bound when the room started."""
    bound: Keys = services.bound["identity_keys"]
    return bound


def ready(services: Services, ring: Ring) -> Sequence[Key]:
    """The keys of a ring, which are made now if there never were any. Opens transactions of its own."""
    with services.database.read() as tx:
        found = ring.keys(tx)
    if not found:
        with services.database.write() as tx:
            ring.ensure(tx, services.clock.now())
            found = ring.keys(tx)
    return found


def rotate(services: Services, ring: Ring, *, compromised: bool = False) -> None:
    """Make the staged key of a ring the primary and re-encrypt what older ones have sealed; then drop keys that nothing
    can need any more. `compromised`: a key got out: replace all, and let nothing be good that they have made."""
    now = services.clock.now()
    with services.database.write() as tx:
        (ring.replace if compromised else ring.rotate)(tx, now)
    _reseal(services, ring)
    kept = timedelta(seconds=services.settings.token_lifetime + GRACE) + _MARGIN
    with services.database.write() as tx:
        forget_old(tx, ring, now, timedelta() if compromised else kept)


def _reseal(services: Services, ring: Ring) -> None:
    """In small transactions, so that others write in between."""
    sealer = Sealer(ring)
    reseal: Reseal
    for reseal in services.bound["identity_reseals"].get(ring.use, ()):
        while True:
            with services.database.write() as tx:
                if not reseal(tx, sealer, _AT_ONCE):
                    break


def told(services: Services) -> list[dict[str, Any]]:
    """Every key without its secret."""
    with services.database.read() as tx:
        return [
            {"id": row.id, "use": row.use, "state": row.state, "since": row.since.isoformat(timespec="seconds")}
            for row in store.all_keys(tx)
        ]


def primary_since(services: Services, ring: Ring) -> timedelta:
    """For how long the primary key of a ring has been that."""
    with services.database.read() as tx:
        return services.clock.now() - ring.keys(tx)[0].since
