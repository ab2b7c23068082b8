"""Method `password`: the user and their password."""

from dataclasses import dataclass
from typing import Any

from stackyard.kernel.declare.kinds import Object, Text, invalid
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.passwords import MAX_LENGTH
from stackyard.rooms.identity.resources.authentication import named
from stackyard.rooms.identity.resources.authentication.attempt import Attempt, Proving
from stackyard.rooms.identity.resources.authentication.named import Named, Naming
from stackyard.rooms.identity.resources.password.verify import refuse_expired, verify
from stackyard.rooms.identity.resources.token.proof import Proof
from stackyard.rooms.identity.throttle import Throttle

_SHAPE = Object({"user": Naming(password=Text(max=MAX_LENGTH))}, required=["user"])


@dataclass(frozen=True)
class Login:
    """Who says so, and what only they know."""

    user: Named
    password: str


def read(given: Any, path: str) -> Login:
    """The user and the password. Raises BadRequest."""
    user = _SHAPE.parse(given, path, True)["user"]
    if "password" not in user:
        raise invalid(f"{path}.user.password", "is required.")
    return Login(named.named(user, f"{path}.user"), user["password"])


def prove(tx: Transaction, attempt: Attempt, login: Login) -> Proving:
    """Later: hashing takes too long for an open transaction."""
    user, name = named.user(tx, login.user), named.spoken(tx, login.user)
    return lambda: _verified(attempt, name, user, login.password)


def _verified(attempt: Attempt, name: object, user: Record | None, password: str) -> Proof:
    throttle: Throttle = attempt.services.bound["identity_throttle"]
    with throttle.attempt(name, attempt.request.remote_address):
        verified = verify(attempt.services, user, password)
    known = refuse_expired(verified)
    return Proof(user_id=known.id, generation=known.generation)
