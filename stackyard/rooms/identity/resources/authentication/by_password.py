"""Method `password`: the user and their password."""

from dataclasses import dataclass
from typing import Any

from stackyard.kernel.declare.kinds import Object, Text, invalid
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.directories import Known, directories_of
from stackyard.rooms.identity.passwords import MAX_LENGTH
from stackyard.rooms.identity.resources.authentication import by_directory, named
from stackyard.rooms.identity.resources.authentication.attempt import Attempt, Proving
from stackyard.rooms.identity.resources.authentication.named import Named, Naming
from stackyard.rooms.identity.resources.password.verify import refuse_expired, verify
from stackyard.rooms.identity.resources.token.proof import Proof
from stackyard.rooms.identity.throttle import throttle_of

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
    """Later: hashing, or asking the domain's directory, takes too long for an open transaction."""
    user = named.user(tx, login.user)
    name = named.counted(tx, login.user, user)
    known = directories_of(attempt.services).of_id(tx, named.domain_id(tx, login.user, user))
    return lambda: _verified(attempt, name, known, user, login)


def _verified(attempt: Attempt, name: object, known: Known | None, user: Record | None, login: Login) -> Proof:
    with throttle_of(attempt.services).attempt(name, attempt.request.remote_address):
        if known is not None:
            found = by_directory.verified(attempt, known, login.user, user, login.password)
            return Proof(user_id=found.id, generation=found.generation)
        verified = verify(attempt.services, user, login.password)
    found = refuse_expired(verified)
    return Proof(user_id=found.id, generation=found.generation)
