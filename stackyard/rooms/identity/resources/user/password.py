"""The self-service change of a password."""

from collections.abc import Callable

from stackyard.kernel.declare.kinds import Object, Text, invalid
from stackyard.kernel.errors import BadRequest
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.storage.database import Database, Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.passwords import MAX_LENGTH, hash_password, verify_password
from stackyard.rooms.identity.resources.user import store

_WANTED = Object(
    {"original_password": Text(max=MAX_LENGTH), "password": Text(min=1, max=MAX_LENGTH)},
    required=["original_password", "password"],
)


def change(work: Work, request: Request) -> Callable[[], Reply]:
    """Replace a password by a new one. Ends every token of the user. Raises Unauthorized when the old one is wrong."""
    if not isinstance(request.body, dict) or "user" not in request.body:
        raise BadRequest("Expecting to find user in request body.", field="user")
    wanted = _WANTED.parse(request.body["user"], "user", True)
    user = store.by_id(work.tx, request.params["user_id"])
    cost = work.services.settings.password_cost
    return lambda: _replace(work.database, user, wanted["original_password"], wanted["password"], cost)


def _replace(database: Database, user: Record | None, original: str, new: str, cost: int) -> Reply:
    good = verify_password(original, user.password_hash if user else None, cost)
    if user is None or not good or not user.enabled:
        raise unauthenticated()
    if (user.options or {}).get("lock_password"):
        raise BadRequest("Unable to change the password: it is locked for this user.", remedy="Ask an administrator.")
    if new == original:
        raise invalid("user.password", "the new password is the old one.")
    renewed = hash_password(new, cost)
    with database.write() as tx:
        if not store.renew_password(tx, user, renewed):
            raise unauthenticated()
    return Reply(status=204)
