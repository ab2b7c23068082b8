"""Method `application_credential`: its id, or its name with its user's, and its secret."""

from dataclasses import dataclass
from typing import Any

from stackyard.kernel.declare.kinds import Object, Text, invalid
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.passwords import MAX_LENGTH, verify_password
from stackyard.rooms.identity.resources.application_credential import store
from stackyard.rooms.identity.resources.authentication import named
from stackyard.rooms.identity.resources.authentication.attempt import Attempt, Proving
from stackyard.rooms.identity.resources.authentication.named import TEXT, Named, Naming
from stackyard.rooms.identity.resources.token.claims import Origin
from stackyard.rooms.identity.resources.token.proof import Proof, Scope
from stackyard.rooms.identity.resources.user import store as users
from stackyard.rooms.identity.throttle import throttle_of

_SHAPE = Object({"id": TEXT, "name": TEXT, "secret": Text(max=MAX_LENGTH), "user": Naming()}, required=["secret"])


@dataclass(frozen=True)
class Login:
    """Which application credential, and what only its holder knows."""

    secret: str
    id: str | None = None
    name: str | None = None
    user: Named | None = None


def read(given: Any, path: str) -> Login:
    """The credential and the secret. Raises BadRequest."""
    parsed = _SHAPE.parse(given, path, True)
    if "id" in parsed:
        return Login(parsed["secret"], id=parsed["id"])
    if "name" not in parsed:
        raise invalid(path, "id or name must be present.")
    if "user" not in parsed:
        raise invalid(f"{path}.user", "must be present with a name.")
    return Login(parsed["secret"], name=parsed["name"], user=named.named(parsed["user"], f"{path}.user"))


def prove(tx: Transaction, attempt: Attempt, login: Login) -> Proving:
    """Later: hashing takes too long for an open transaction."""
    credential = find(tx, login)
    name = ("application_credential", credential.id if credential else _said(tx, login))
    return lambda: verified(attempt, name, credential, login.secret)


def _said(tx: Transaction, login: Login) -> object:
    """What attempts at a credential that is not there are counted by."""
    if login.id is not None or login.user is None:
        return login.id
    return login.name, named.counted(tx, login.user, named.user(tx, login.user))


def find(tx: Transaction, login: Login) -> Record | None:
    """The credential that is meant."""
    if login.id is not None:
        return store.by_id(tx, login.id)
    user = named.user(tx, login.user) if login.user else None
    return store.by_name(tx, user.id, login.name or "") if user else None


def verified(attempt: Attempt, name: object, credential: Record | None, secret: str) -> Proof:
    """The owner, bounded by the credential. No transaction is open. `name`: what guesses are counted by. Raises
    Unauthorized."""
    with throttle_of(attempt.services).attempt(name, attempt.request.remote_address):
        return _verified(attempt, credential, secret)


def _verified(attempt: Attempt, credential: Record | None, secret: str) -> Proof:
    stored = credential.secret_hash if credential else None
    good = verify_password(secret, stored, attempt.services.settings.password_cost)
    if credential is None or not good:
        raise unauthenticated()
    with attempt.database.read() as tx:
        return proof(tx, attempt, credential.id)


def proof(tx: Transaction, attempt: Attempt, credential_id: str) -> Proof:
    """What having the credential proves now. Raises Unauthorized when it has ended."""
    credential = store.by_id(tx, credential_id)
    user = users.by_id(tx, credential.user_id) if credential else None
    if credential is None or user is None:
        raise unauthenticated()
    until = int(credential.expires_at.timestamp()) if credential.expires_at else None
    if until is not None and until <= attempt.services.clock.now().timestamp():
        raise unauthenticated()
    return Proof(
        user_id=user.id,
        generation=user.generation,
        until=until,
        scope=Scope("project", credential.project_id),
        origin=Origin(application_credential_id=credential.id),
    )
