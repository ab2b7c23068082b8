"""The self-service change of a password."""

from collections.abc import Callable
from typing import Any

from stackyard.kernel.declare.kinds import Object, Text, invalid
from stackyard.kernel.errors import BadRequest
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.settings import SecurityCompliance
from stackyard.kernel.work import Services, Work
from stackyard.rooms.identity import compliance
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.passwords import MAX_LENGTH, hash_password, verify_password
from stackyard.rooms.identity.resources.password import store
from stackyard.rooms.identity.resources.password.verify import Verified, verify
from stackyard.rooms.identity.resources.user import store as users
from stackyard.rooms.identity.throttle import throttle_of

_WANTED = Object(
    {"original_password": Text(max=MAX_LENGTH), "password": Text(min=1, max=MAX_LENGTH)},
    required=["original_password", "password"],
)


def change(work: Work, request: Request) -> Callable[[], Reply]:
    """Replace a password by a new one. Ends every token of the user. Raises Unauthorized when the old one is wrong."""
    if not isinstance(request.body, dict) or "user" not in request.body:
        raise BadRequest("Expecting to find user in request body.", field="user")
    wanted = _WANTED.parse(request.body["user"], "user", True)
    user_id = request.params["user_id"]
    user = users.by_id(work.tx, user_id)

    def replace() -> Reply:
        with throttle_of(work.services).attempt(("id", user_id), request.remote_address):
            verified = verify(work.services, user, wanted["original_password"])
        return _replace(work.services, verified, wanted)

    return replace


def _replace(services: Services, verified: Verified, wanted: dict[str, Any]) -> Reply:
    user, new, rules = verified.user, wanted["password"], services.settings.security_compliance
    if (user.options or {}).get("lock_password"):
        raise BadRequest("Unable to change the password: it is locked for this user.", remedy="Ask an administrator.")
    if new == wanted["original_password"]:
        raise invalid("user.password", "the new password is the old one.")
    compliance.check_strength(rules, new)
    _check_history(services, verified, new)
    renewed = hash_password(new, services.settings.password_cost)
    now = services.clock.now()
    expires = compliance.expires_at(rules, user.options or {}, now, own=True)
    with services.database.write() as tx:
        if not users.renew_password(tx, user, renewed, now, expires):
            raise unauthenticated()
        store.remember(tx, user.id, renewed, now, rules.unique_last_password_count)
    return Reply(status=204)


def _check_history(services: Services, verified: Verified, new: str) -> None:
    rules: SecurityCompliance = services.settings.security_compliance
    user, now = verified.user, services.clock.now()
    with services.database.read() as tx:
        kept = store.history(tx, user.id, rules.unique_last_password_count)
    if user.password_from == "user" and not verified.expired and user.password_set_at is not None:
        compliance.check_age(rules, user.password_set_at, now)
    if any(verify_password(new, each.hash, services.settings.password_cost) for each in kept):
        raise BadRequest(
            "The new password cannot be identical to a previous password: it must differ from the last "
            f"{rules.unique_last_password_count}.",
            field="user.password",
        )
