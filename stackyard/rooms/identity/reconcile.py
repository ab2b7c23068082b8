"""The keys of tokens are rotated when the primary is a week old."""

from datetime import timedelta

from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.work import Services
from stackyard.rooms.identity.resources.token.tokens import Tokens

#: Much longer than a token lives, so that no key is dropped that still reads one.
AGE = timedelta(days=7)


def rotate_when_old(services: Services) -> Report:
    """Rotate if the primary key is older than it may be."""
    tokens: Tokens = services.bound["identity"]
    if tokens.keys.primary_age() < AGE.total_seconds():
        return Report(examined=1)
    tokens.keys.rotate()
    return Report(examined=1, repaired=["The token keys were rotated."])


def nothing_to_mend(services: Services) -> list[Mismatch]:
    """An old key is no mismatch."""
    return []


ROTATION = Reconciler(
    name="identity-keys",
    run=rotate_when_old,
    check=nothing_to_mend,
    every=timedelta(hours=1),
    doc="Rotates the keys of tokens.",
)
