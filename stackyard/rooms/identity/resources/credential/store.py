"""Credentials where they are kept: every blob is sealed, and sealed anew when the keys are rotated."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Work
from stackyard.rooms.identity.keys import Sealer
from stackyard.rooms.identity.resources.credential import resource
from stackyard.rooms.identity.rotation import keys_of


def by_id(tx: Transaction, credential_id: str) -> Record | None:
    """The credential with that id."""
    return tx.get(resource.CREDENTIAL.table, id=credential_id)


def of_user(tx: Transaction, user_id: str, kind: str) -> Sequence[Record]:
    """A user's credentials of a type."""
    return tx.find(resource.CREDENTIAL.table, user_id=user_id, type=kind)


def sealed(work: Work, credential: Record) -> Record:
    """The credential with its blob sealed, and the key that did it."""
    sealer = Sealer(keys_of(work.services).credentials)
    text = sealer.seal(work.tx, credential.blob.encode(), int(work.now.timestamp()))
    return Record({**credential, "blob": text, "key_id": sealer.primary(work.tx)})


def reseal(tx: Transaction, sealer: Sealer, most: int) -> int:
    """Seal anew what another key than the primary has sealed, at most so many; returns how many there were."""
    table, primary = resource.CREDENTIAL.table, sealer.primary(tx)
    rows = tx.all(sa.select(table.c.id, table.c.blob).where(table.c.key_id != primary).limit(most))
    for row in rows:
        opened = sealer.open(tx, row.blob)
        # What no key opens any more stays as it is, but must not be found again for ever.
        fresh = row.blob if opened is None else sealer.seal(tx, opened, 0)
        tx.update(table, {"blob": fresh, "key_id": primary}, id=row.id)
    return len(rows)


def take_step(tx: Transaction, credential_id: str, step: int) -> bool:
    """Let a passcode of this time step, and of every one before it, never be good again; false if it was taken."""
    table = resource.CREDENTIAL.table
    unused = table.c.used_step.is_(None) | (table.c.used_step < step)
    taken = sa.update(table).where(table.c.id == credential_id, unused).values(used_step=step)
    return tx.execute(taken).rowcount == 1


def remove_of_users(tx: Transaction, user_ids: Any) -> None:
    """Delete what users have. `user_ids`: a list or a select."""
    table = resource.CREDENTIAL.table
    tx.execute(sa.delete(table).where(table.c.user_id.in_(user_ids)))


def remove_of_projects(tx: Transaction, project_ids: Any) -> None:
    """Delete what is for projects. `project_ids`: a list or a select."""
    table = resource.CREDENTIAL.table
    tx.execute(sa.delete(table).where(table.c.project_id.in_(project_ids)))
