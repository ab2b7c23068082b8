"""Method `password`: the user and their password."""

from dataclasses import dataclass
from typing import Any

from stackyard.kernel.declare.kinds import Object, Text, invalid
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.passwords import MAX_LENGTH, verify_password
from stackyard.rooms.identity.resources.authentication import named
from stackyard.rooms.identity.resources.authentication.attempt import Attempt, Proving
from stackyard.rooms.identity.resources.authentication.named import Named, Naming
from stackyard.rooms.identity.resources.token.proof import Proof
from stackyard.rooms.identity.resources.user import store as users

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
    user = named.user(tx, login.user)
    return lambda: _verified(attempt, user, login.password)


def _verified(attempt: Attempt, user: Record | None, password: str) -> Proof:
    stored = user.password_hash if user else None
    good = verify_password(password, stored, attempt.services.settings.password_cost)
    if user is None or not good:
        raise unauthenticated()
    with attempt.database.read() as tx:
        now = users.by_id(tx, user.id)
    if now is None or now.password_hash != stored:
        raise unauthenticated()
    return Proof(user_id=user.id, generation=now.generation)
