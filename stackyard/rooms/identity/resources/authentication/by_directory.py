"""The password of somebody whom the directory of their domain knows: it judges, by a bind."""

from stackyard.kernel.storage.database import Record
from stackyard.rooms.identity import mirror
from stackyard.rooms.identity.directories import Known
from stackyard.rooms.identity.driver import Directory, Person
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.authentication.named import Named
from stackyard.rooms.identity.resources.password.reporting import wrong_password
from stackyard.rooms.identity.resources.user import store as users


def verified(attempt: Attempt, known: Known, wanted: Named, user: Record | None, password: str) -> Record:
    """The user as they are now, with the groups that the directory says they are in. Raises Unauthorized, in one text
    and after as many questions whether there is such a user or not; Unavailable."""
    with known.asked() as directory:
        person = _person(directory, wanted, user)
        good = directory.prove(person, password)
        if not good or person is None or not person.enabled:
            raise wrong_password(attempt.services.settings.security_compliance, password)
        teams = directory.teams_of(person)
    user_id = mirror.came_in(attempt.services, known.domain_id, person, teams)
    with attempt.database.read() as tx:
        now = users.by_id(tx, user_id)
    if now is None:
        raise unauthenticated()
    return now


def _person(directory: Directory, wanted: Named, user: Record | None) -> Person | None:
    if wanted.id:
        return directory.find(local_id=user.local_id) if user and user.local_id else None
    return directory.find(name=wanted.name or "")
