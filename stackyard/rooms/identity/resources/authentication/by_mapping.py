"""Method `mapped`: an identity provider's word, read with the mapping of its protocol."""

from dataclasses import dataclass
from typing import Any

from stackyard.kernel.declare.kinds import Object, Text
from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.resources.authentication.attempt import Attempt, Proving
from stackyard.rooms.identity.resources.federation import vouched

_SHAPE = Object(
    {"identity_provider": Text(min=1, max=64), "protocol": Text(min=1, max=64)},
    required=["identity_provider", "protocol"],
)


@dataclass(frozen=True)
class Vouched:
    """Who vouches, and how; for whom is told by the request's headers."""

    identity_provider: str
    protocol: str


def read(given: Any, path: str) -> Vouched:
    """The provider and its protocol. Raises BadRequest."""
    return Vouched(**_SHAPE.parse(given, path, True))


def prove(tx: Transaction, attempt: Attempt, said: Vouched) -> Proving:
    """Later: the provider may have to be asked, and who comes for the first time is written down."""
    way = vouched.way(tx, attempt.services, said.identity_provider, said.protocol)
    return vouched.later(attempt.services, way, attempt.request)
