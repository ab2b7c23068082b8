"""What the methods of authentication have in common: somebody makes an attempt, and each method named in it proves who
they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage.database import Database, Transaction
from stackyard.kernel.work import Services
from stackyard.rooms.identity.resources.token.proof import Proof
from stackyard.rooms.identity.resources.token.tokens import Tokens, tokens_of

#: Found in the transaction, or a function to call once it is closed: what hashes, asks others or writes is slow.
Proving = Proof | Callable[[], Proof]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Somebody's request to be known, and what judges it."""

    services: Services
    request: Request

    @property
    def tokens(self) -> Tokens:
        """What makes and judges tokens."""
        return tokens_of(self.services)

    @property
    def database(self) -> Database:
        """For methods that open transactions of their own."""
        return self.services.database


@dataclass(frozen=True)
class Method:
    """A method of authentication.

    read(given, path): `auth.identity.<method>` as it came, read strictly; raises BadRequest. prove(tx, attempt, what
    was read): the proof, in a read transaction, or the function that makes it with none open; raises Unauthorized, in
    one text for every cause.
    """

    read: Callable[[Any, str], Any]
    prove: Callable[[Transaction, Attempt, Any], Proving]
