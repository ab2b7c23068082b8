"""Which declaration an operation in the database belongs to, and the state of the object it is about."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from stackyard.kernel.declare.resource import Operation, Resource
from stackyard.kernel.declare.room import Room
from stackyard.kernel.storage.database import Instant, Record, Transaction


@dataclass(frozen=True)
class Declared:
    """A resource with durable operations, and the room it belongs to."""

    room: str
    resource: Resource

    def operation(self, action: str) -> Operation:
        """The declared operation of an action. Raises LookupError."""
        try:
            return self.resource.operations[action]
        except KeyError:
            raise LookupError(f"{self.room}: the {self.resource.name} declares no operation {action!r}") from None

    def find(self, tx: Transaction, object_id: str) -> Record | None:
        """The object's row."""
        return tx.get(self.resource.table, **{self.resource.id_field: object_id})

    def state(self, record: Record) -> str | None:
        """The state of an object, or None for one without a life cycle."""
        return record[self.resource.life.field] if self.resource.life else None

    def set_state(
        self, tx: Transaction, object_id: str, state: str | None, reason: str | None, now: datetime
    ) -> Record:
        """Set the state (None: leave it) and the reason on the object's row; returns the columns that were set."""
        life, source = self.resource.life, self.resource.table
        values = Record()
        if life is None:
            return values
        if state is not None:
            values[life.field] = state
        if life.reason and life.reason in source.c:
            values[life.reason] = reason or (None if source.c[life.reason].nullable else "")
        if "updated_at" in source.c:
            values["updated_at"] = now
        if values:
            tx.update(source, values, **{self.resource.id_field: object_id})
        return values

    def freeze(self, record: Record) -> Any:
        """The row as JSON-able data, kept with the operation so that every replay sees the same record."""
        return msgspec.to_builtins(dict(record))

    def thaw(self, data: dict[str, Any]) -> Record:
        """The row that `freeze` put away."""
        columns = self.resource.table.c
        return Record(
            {
                name: msgspec.convert(value, datetime) if value and isinstance(columns[name].type, Instant) else value
                for name, value in data.items()
                if name in columns
            }
        )


class Registry:
    """Every declaration with durable operations, by (room, resource) name and by the declaration itself."""

    def __init__(self, rooms: Iterable[Room]) -> None:
        self._named: dict[tuple[str, str], Declared] = {}
        self._of: dict[int, Declared] = {}
        for room in rooms:
            for resource in room.resources:
                declared = Declared(room.name, resource)
                self._named[room.name, resource.name] = declared
                self._of[id(resource)] = declared

    def __iter__(self) -> Iterator[Declared]:
        return iter(self._named.values())

    def of(self, resource: Resource) -> Declared:
        """The entry of a declaration. Raises LookupError when no room lists it."""
        try:
            return self._of[id(resource)]
        except KeyError:
            raise LookupError(f"no room's manifest lists the resource {resource.name!r}") from None

    def named(self, room: str, resource: str) -> Declared:
        """The entry by name. Raises LookupError when this version of Stackyard knows it no longer."""
        try:
            return self._named[room, resource]
        except KeyError:
            raise LookupError(f"this Stackyard has no resource {resource!r} in a room {room!r}") from None
