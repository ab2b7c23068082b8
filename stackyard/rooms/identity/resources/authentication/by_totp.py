"""Method `totp`: a passcode of six digits, new every half minute, made from a seed that the user has as a credential.
Source: RFC 6238 with SHA-1, as Keystone and every authenticator app have it."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stackyard.kernel.caller import ANONYMOUS
from stackyard.kernel.declare.kinds import Object, Text, invalid
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.errors import unauthenticated
from stackyard.rooms.identity.resources.authentication import named
from stackyard.rooms.identity.resources.authentication.attempt import Attempt, Proving
from stackyard.rooms.identity.resources.authentication.named import Named, Naming
from stackyard.rooms.identity.resources.credential import rules, store
from stackyard.rooms.identity.resources.token.proof import Proof
from stackyard.rooms.identity.resources.user import store as users
from stackyard.rooms.identity.throttle import throttle_of

_SHAPE = Object({"user": Naming(passcode=Text(max=32))}, required=["user"])
PERIOD, DIGITS = 30, 6
#: How many passcodes before the present one are good, for clocks that are late and people who type slowly.
PREVIOUS = 1


@dataclass(frozen=True)
class Login:
    """Who says so, and the passcode they read off."""

    user: Named
    passcode: str


def read(given: Any, path: str) -> Login:
    """The user and the passcode. Raises BadRequest."""
    user = _SHAPE.parse(given, path, True)["user"]
    if "passcode" not in user:
        raise invalid(f"{path}.user.passcode", "is required.")
    return Login(named.named(user, f"{path}.user"), user["passcode"])


def prove(tx: Transaction, attempt: Attempt, login: Login) -> Proving:
    """Later: a passcode that was taken is never good again, and that has to be written."""
    user = named.user(tx, login.user)
    name = named.counted(tx, login.user, user)
    return lambda: _verified(attempt, name, user, login.passcode)


def _verified(attempt: Attempt, name: object, user: Record | None, passcode: str) -> Proof:
    with throttle_of(attempt.services).attempt(name, attempt.request.remote_address):
        found = _matching(attempt, user.id if user else "", passcode)
        if user is None or found is None:
            raise unauthenticated()
        with attempt.database.write() as tx:
            now = users.by_id(tx, user.id)
            if now is None or not store.take_step(tx, *found):
                raise unauthenticated()
    return Proof(user_id=now.id, generation=now.generation)


def _matching(attempt: Attempt, user_id: str, passcode: str) -> tuple[str, int] | None:
    """The credential whose passcode this is, and the time step it is of."""
    services = attempt.services
    with attempt.database.read() as tx:
        seeds = store.of_user(tx, user_id, "totp")
        rules.load(services.work(tx, ANONYMOUS), seeds)
    present = int(services.clock.now().timestamp()) // PERIOD
    steps = range(present, present - PREVIOUS - 1, -1)
    return next((found for seed in seeds if (found := _step_of(seed, steps, passcode))), None)


def _step_of(seed: Record, steps: Sequence[int], passcode: str) -> tuple[str, int] | None:
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.hotp import HOTP

    generator = HOTP(rules.decoded_seed(seed.opened), DIGITS, SHA1())
    matches = [step for step in steps if hmac.compare_digest(generator.generate(step), passcode.encode())]
    return (seed.id, matches[0]) if matches else None
