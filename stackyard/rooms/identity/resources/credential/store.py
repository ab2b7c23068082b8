"""Credentials where they are kept: every blob is sealed, and sealed anew when the keys are rotated."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.storage.database import Record, Transaction
from stackyard.rooms.identity.keys import Sealer
from stackyard.rooms.identity.resources.credential import resource
from stackyard.rooms.identity.rotation import Reseal


def by_id(tx: Transaction, credential_id: str) -> Record | None:
    """The credential with that id."""
    return tx.get(resource.CREDENTIAL.table, id=credential_id)


def of_user(tx: Transaction, user_id: str, kind: str) -> Sequence[Record]:
    """A user's credentials of a type."""
    return tx.find(resource.CREDENTIAL.table, user_id=user_id, type=kind)


def resealing(table: sa.Table, column: str) -> Reseal:
    """Seals anew the values of a column, beside which `key_id` names the key that sealed them."""

    def reseal(tx: Transaction, sealer: Sealer, most: int) -> int:
        primary = sealer.primary(tx)
        rows = tx.all(sa.select(table.c.id, table.c[column]).where(table.c.key_id != primary).limit(most))
        for row in rows:
            opened = sealer.open(tx, row[column])
            # What no key opens any more stays as it is, but must not be found again for ever.
            fresh = row[column] if opened is None else sealer.seal(tx, opened, 0)
            tx.update(table, {column: fresh, "key_id": primary}, id=row.id)
        return len(rows)

    return reseal


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
