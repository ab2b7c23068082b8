"""The keys of tokens and credentials are rotated when the primary is a week old."""

from datetime import timedelta

from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.work import Services
from stackyard.rooms.identity.rotation import keys_of, primary_since, rotate

AGE = timedelta(days=7)


def rotate_when_old(services: Services) -> Report:
    """Rotate each ring whose primary key is older than it may be."""
    rings = keys_of(services).rings
    repaired = []
    for ring in rings:
        if primary_since(services, ring) >= AGE:
            rotate(services, ring)
            repaired.append(f"The {ring.use} keys were rotated.")
    return Report(examined=len(rings), repaired=repaired)


def nothing_to_mend(services: Services) -> list[Mismatch]:
    """An old key is no mismatch."""
    return []


ROTATION = Reconciler(
    name="identity-keys",
    run=rotate_when_old,
    check=nothing_to_mend,
    every=timedelta(hours=1),
    doc="Rotates the keys of tokens and credentials.",
)
