"""Claims as text and back: tokens are made in the one form that the cloud has chosen, and read in both."""

from typing import Literal

from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity.keys import Keys, Sealer
from stackyard.rooms.identity.resources.token import jws
from stackyard.rooms.identity.resources.token.claims import Claims, pack, unpack

Form = Literal["fernet", "jws"]


class Provider:
    """Makes and reads tokens. `version`: the room's change counter, read in the same transaction."""

    def __init__(self, keys: Keys, form: Form) -> None:
        self._sealer = Sealer(keys.tokens)
        self._signing = keys.signing
        self._form = form

    def write(self, tx: Transaction, claims: Claims, version: int) -> str:
        """A token that says this."""
        if self._form == "jws":
            return jws.sign(tx, self._signing, claims, version)
        return self._sealer.seal(tx, pack(claims), claims.issued, version).rstrip("=")

    def read(self, tx: Transaction, text: str, version: int) -> Claims | None:
        """What a token says, or None when no key of the cloud has made it."""
        if text.count(".") == 2:
            return jws.read(tx, self._signing, text, version)
        payload = self._sealer.open(tx, text + "=" * (-len(text) % 4), version)
        return unpack(payload) if payload else None
