"""Keys are rotated when the primary is a week old; memberships end when the word of the identity provider behind them
does; rows follow what the domains' directories say."""

from datetime import timedelta

from stackyard.kernel.errors import Unavailable
from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.work import Services
from stackyard.rooms.identity.directories import directories_of
from stackyard.rooms.identity.resources.group import store as memberships
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
    """Neither an old key nor a directory that has changed is one."""
    return []


ROTATION = Reconciler(
    name="identity-keys",
    run=rotate_when_old,
    check=nothing_to_mend,
    every=timedelta(hours=1),
    doc="Rotates the keys of tokens and credentials.",
)


def end_memberships(services: Services) -> Report:
    """End what has outlived its provider's word; the tokens of those users are judged anew by that."""
    now = int(services.clock.now().timestamp())
    with services.database.read() as tx:
        if not memberships.expired(tx, now):
            return Report()
    with services.database.write() as tx:
        ended = memberships.leave_expired(tx, now)
    return Report(examined=ended, repaired=[f"{ended} memberships of federated users ended."])


MEMBERSHIPS = Reconciler(
    name="identity-memberships",
    run=end_memberships,
    check=nothing_to_mend,
    every=timedelta(seconds=20),
    doc="Ends memberships that an identity provider vouched for, in time.",
)


def follow_directories(services: Services) -> Report:
    """Look into every directory: who left it leaves the cloud, with all roles and tokens."""
    directories = directories_of(services)
    with services.database.read() as tx:
        several = directories.all(tx)
    report = Report(examined=len(several))
    for known in several:
        try:
            if differed := directories.look(known):
                report.repaired.append(f"{differed} rows of domain {known.domain_name} follow its directory again.")
        except Unavailable as error:
            report.failed.append(f"{error.message} {known.problem}")
    return report


DIRECTORIES = Reconciler(
    name="identity-directories",
    run=follow_directories,
    check=nothing_to_mend,
    every=timedelta(minutes=5),
    doc="Brings users, groups and memberships to what the domains' LDAP directories say.",
)
