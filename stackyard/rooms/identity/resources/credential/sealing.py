"""Secrets that have to be shown again or signed with: sealed where they are kept, with the keys of credentials."""

from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity.keys import Sealer
from stackyard.rooms.identity.rotation import keys_of


def seal(work: Work, text: str, column: str) -> Record:
    """The text sealed, as the value of a column, and `key_id`, the key that did it."""
    sealer = Sealer(keys_of(work.services).credentials)
    sealed = sealer.seal(work.tx, text.encode(), int(work.now.timestamp()))
    return Record({column: sealed, "key_id": sealer.primary(work.tx)})


def unseal(work: Work, sealed: str) -> str:
    """What was sealed. Raises RuntimeError when its key is gone."""
    opened = Sealer(keys_of(work.services).credentials).open(work.tx, sealed)
    if opened is None:
        raise RuntimeError("no key of this cloud opens what it has sealed")
    return opened.decode()
