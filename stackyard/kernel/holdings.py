"""What projects own, across all rooms: asked before a project goes, so that nothing is ever stranded.

Every resource whose rows name their owner counts, by its declaration alone (`Resource.owner_field`). What the cloud
made of its own accord, or what means nothing without the project, goes with it and stands in nobody's way
(`Resource.goes_with_owner`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import sqlalchemy as sa

from stackyard.kernel.storage.database import Record, Transaction

if TYPE_CHECKING:
    from stackyard.kernel.declare.resource import Resource
    from stackyard.kernel.declare.room import Room

#: So many ids tell people what is meant.
SHOWN = 3


@dataclass(frozen=True)
class Holding:
    """Objects of one kind that stand in the way: how many, and the ids of the first few. served: whether somebody can
    remove them here."""

    room: str
    kind: str
    count: int
    ids: tuple[str, ...]
    served: bool = True

    def __str__(self) -> str:
        more = ", …" if self.count > len(self.ids) else ""
        room = self.room if self.served else f"{self.room} (not served)"
        return f"{room}: {self.count} {self.kind} ({', '.join(self.ids)}{more})"


@dataclass(frozen=True)
class Kind:
    """A kind of object that has an owner. served: whether its room is."""

    room: str
    resource: "Resource"
    served: bool = True

    @property
    def _owner(self) -> "sa.Column[str]":
        return self.resource.table.c[self.resource.owner_field]

    @property
    def _key(self) -> "sa.Column[str]":
        return self.resource.table.c[self.resource.id_field]

    def held(self, tx: Transaction, project_ids: Collection[str]) -> Holding | None:
        """What of it stands in the way, if anything does."""
        ids = sa.select(self._key).where(*self._in_the_way(project_ids))
        count = tx.value(sa.select(sa.func.count()).select_from(ids.subquery()))
        if not count:
            return None
        first = tx.all(ids.order_by(self._key).limit(SHOWN))
        ids_shown = tuple(row[self.resource.id_field] for row in first)
        return Holding(self.room, self.resource.many, count, ids_shown, self.served)

    def _in_the_way(self, project_ids: Collection[str]) -> "list[sa.ColumnElement[bool]]":
        # Nothing goes of its own accord while its room is not there to see to it.
        goes = self.resource.goes_with_owner if self.served else None
        theirs = self._owner.in_(project_ids)
        return [theirs] if goes is None else [theirs, sa.not_(goes(self.resource.table))]

    def in_the_way(self, tx: Transaction, project_ids: Collection[str]) -> list[Record]:
        """All of it that stands in the way."""
        return tx.all(sa.select(self.resource.table).where(*self._in_the_way(project_ids)).order_by(self._key))

    def going_with(self, tx: Transaction, project_ids: Collection[str]) -> list[Record]:
        """What of it goes with the projects."""
        goes = self.resource.goes_with_owner
        if goes is None:
            return []
        theirs = sa.select(self.resource.table).where(self._owner.in_(project_ids), goes(self.resource.table))
        return tx.all(theirs.order_by(self._key))

    def one(self, tx: Transaction, object_id: str) -> Record | None:
        """The object with that id."""
        return tx.one(sa.select(self.resource.table).where(self._key == object_id))


class Holdings:
    """Every kind of object that has an owner, in the order of the rooms. elsewhere: gives the rooms that are not served
    here, although the database may hold what is theirs."""

    def __init__(
        self, rooms: "Iterable[Room]" = (), elsewhere: "Callable[[], Iterable[Room]]" = lambda: ()
    ) -> None:
        self.kinds = list(_kinds(rooms, served=True))
        self._elsewhere = elsewhere

    def of(self, tx: Transaction, project_ids: Collection[str]) -> list[Holding]:
        """What the projects own that stands in the way of their going."""
        found = (each.held(tx, project_ids) for each in (*self.kinds, *_kinds(self._elsewhere(), served=False)))
        return [each for each in found if each is not None]

    def backwards(self) -> Iterator[tuple[str, list[Kind]]]:
        """The kinds by room, the last room first: what is built on others goes before them."""
        for room, kinds in groupby(reversed(self.kinds), lambda each: each.room):
            yield room, list(kinds)


def _kinds(rooms: "Iterable[Room]", *, served: bool) -> Iterator[Kind]:
    return (Kind(room.name, each, served) for room in rooms for each in room.resources if _has_owner(each))


def _has_owner(resource: "Resource") -> bool:
    owner = resource.all_fields.get(resource.owner_field)
    return owner is not None and owner.stored


def everything(source: sa.Table) -> "sa.ColumnElement[bool]":
    """For `goes_with_owner`: all of it means nothing without its owner."""
    return sa.true()
