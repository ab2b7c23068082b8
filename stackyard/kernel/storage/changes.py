"""The log of changes: which rows of declared resources were made, changed and deleted, in the order of their commits.

Triggers write it, so that no rule, store or step can forget to, in the transaction of the change itself. It holds no
content: the kind of change, the table, the object's id, and of the row before the change only the columns that decide
who may know of it. `watch` reads it.
"""

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.declare.room import Room
from stackyard.kernel.repair.reconcile import Reconciler, Report
from stackyard.kernel.storage.database import Database, Instant, Json, Record, Transaction, first_before, table
from stackyard.kernel.storage.statements import Statement, parameter
from stackyard.kernel.work import Services

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

CHANGES = table(
    "changes",
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("object_id", sa.String(255), nullable=False),
    sa.Column("seen", Json),
    sa.Index("ix_changes_source", "source", "number"),
)
TABLES = (CHANGES,)

#: Callers that together meet every branch of a resource's `visible`.
_PROBES = (
    Caller(project_id="p", user_id="u", roles=("member",)),
    # One that acts by somebody's leave.
    Caller(project_id="p", user_id="u", token={"origin": {"trust_id": "t"}}),
    Caller(domain_id="d", user_id="u"),
    Caller(),
)
_BATCH = 2000


def newest(tx: Transaction) -> int:
    """The number of the newest change; 0 when there never was one."""
    return int(tx.value(sa.select(sa.func.max(CHANGES.c.number))) or 0)


def remembers(tx: Transaction, position: int) -> bool:
    """Whether every change after `position` is still in the log."""
    oldest = _oldest(tx)
    return oldest is None or position >= oldest - 1


def _oldest(tx: Transaction) -> int | None:
    found: int | None = tx.value(sa.select(sa.func.min(CHANGES.c.number)))
    return found


def position_at(tx: Transaction, moment: datetime) -> int:
    """The number of the last change before a moment; 0 when the log does not reach back so far. Found by halving: an
    index would cost every change more than it would spare the few who ask."""
    oldest = _oldest(tx) or 1
    low, high = oldest - 1, newest(tx)
    while low < high:
        middle = (low + high + 1) // 2
        found = tx.one(_LAST_UP_TO, number=middle)
        if found is None or found.at < moment:
            low = middle
        else:
            high = int(found.number) - 1
    return low if low >= oldest else 0


_LAST_UP_TO = Statement(
    sa.select(CHANGES.c.number, CHANGES.c.at)
    .where(CHANGES.c.number <= parameter("number"))
    .order_by(CHANGES.c.number.desc())
    .limit(1)
)


def after(tx: Transaction, source: sa.Table, position: int, limit: int) -> list[Record]:
    """The changes of a table after a position, oldest first."""
    wanted = sa.select(CHANGES).where(CHANGES.c.source == source.name, CHANGES.c.number > position)
    return tx.all(wanted.order_by(CHANGES.c.number).limit(limit))


def might_know(tx: Transaction, caller: Caller, resource: Resource, seen: Mapping[str, Any] | None) -> bool:
    """Whether the caller could know of an object when its row was as `seen`."""
    if not seen:
        return resource.visible(caller, resource.table) is None
    columns = resource.table.c
    row = sa.select(*(_literal(columns[name], value) for name, value in seen.items())).subquery("seen")
    condition = resource.visible(caller, row)  # type: ignore[arg-type]
    return condition is None or tx.value(sa.select(sa.literal(1)).select_from(row).where(condition)) is not None


def _literal(column: "sa.Column[Any]", value: Any) -> "sa.Label[Any]":
    boolean = isinstance(column.type, sa.Boolean) and value is not None
    return sa.literal(bool(value) if boolean else value, column.type).label(column.name)


def deciding_columns(resource: Resource) -> list[str]:
    """The columns of a resource's table on which it depends who may know of an object."""
    source, found = resource.table, {resource.id_field}
    for caller in _PROBES:
        condition = resource.visible(caller, source)
        if condition is not None:
            parts = (part for part in visitors.iterate(condition) if isinstance(part, sa.Column))
            found |= {part.name for part in parts if part.table is source}
    return sorted(found)


# -- the triggers --


def install(database: Database, rooms: Iterable[Room]) -> None:
    """Have every declared resource's table write the log. Idempotent; costs one look when there is nothing to do. What
    tables of other rooms write is left as it is."""
    watched = _watched(rooms)
    wanted = dict(_statements(watched, sqlite=database.is_sqlite))
    with database.read() as tx:
        if _installed(tx, watched, database.is_sqlite).keys() == wanted.keys():
            return
    with database.write() as tx:
        present = _installed(tx, watched, database.is_sqlite)
        if not database.is_sqlite:
            tx.connection.exec_driver_sql(_FUNCTION)
        for name in present.keys() - wanted.keys():
            on = "" if database.is_sqlite else f' ON "{present[name]}"'
            tx.connection.exec_driver_sql(f'DROP TRIGGER "{name}"{on}')
        for name in wanted.keys() - present.keys():
            tx.connection.exec_driver_sql(wanted[name])


def _installed(tx: Transaction, tables: Collection[str], sqlite: bool) -> dict[str, str]:
    found = (
        "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'watch$_%' ESCAPE '$'"
        if sqlite
        else "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE tgname LIKE 'watch$_%' ESCAPE '$' AND relnamespace = current_schema()::regnamespace"
    )
    return {row[0]: row[1] for row in tx.connection.execute(sa.text(found)) if row[1] in tables}


def _statements(watched: Mapping[str, tuple[str, list[str]]], *, sqlite: bool) -> Iterable[tuple[str, str]]:
    for name, (key, columns) in watched.items():
        kinds = ("created", "updated", "deleted") if sqlite else ("",)
        for kind in kinds:
            text = _sqlite(name, key, columns, kind) if sqlite else _postgres(name, key, columns)
            # A trigger that should be different has another name, so that a look at the names tells.
            trigger = f"watch_{name[:40]}_{zlib.crc32(text.encode()):08x}"
            yield trigger, text.replace("%trigger%", trigger)


def _watched(rooms: Iterable[Room]) -> dict[str, tuple[str, list[str]]]:
    """The key and the deciding columns of each table; two resources may share one."""
    found: dict[str, tuple[str, list[str]]] = {}
    for resource in (each for room in rooms for each in room.resources if _stored(each)):
        _, known = found.get(resource.table.name, ("", []))
        found[resource.table.name] = (resource.id_field, sorted({*known, *deciding_columns(resource)}))
    return found


def _stored(resource: Resource) -> bool:
    return any(each.stored for each in resource.all_fields.values())


def _sqlite(name: str, key: str, columns: Sequence[str], kind: str) -> str:
    verb = {"created": "INSERT", "updated": "UPDATE", "deleted": "DELETE"}[kind]
    pairs = ", ".join(f"'{each}', OLD.\"{each}\"" for each in columns)
    seen = "NULL" if kind == "created" else f"json_object({pairs})"
    now = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
    row = "OLD" if kind == "deleted" else "NEW"
    return (
        f'CREATE TRIGGER "%trigger%" AFTER {verb} ON "{name}" BEGIN '
        f"INSERT INTO changes (at, kind, source, object_id, seen) "
        f"VALUES ({now}, '{kind}', '{name}', {row}.\"{key}\", {seen}); END"
    )


def _postgres(name: str, key: str, columns: Sequence[str]) -> str:
    arguments = ", ".join(f"'{each}'" for each in (key, *columns))
    return (
        f'CREATE TRIGGER "%trigger%" AFTER INSERT OR UPDATE OR DELETE ON "{name}" '
        f"FOR EACH ROW EXECUTE FUNCTION stackyard_note_change({arguments})"
    )


#: Its arguments: the key, then the columns that decide who may know of the object.
_FUNCTION = """
CREATE OR REPLACE FUNCTION stackyard_note_change() RETURNS trigger AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END;
    id text := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END ->> TG_ARGV[0];
    seen jsonb;
BEGIN
    IF before IS NOT NULL THEN
        SELECT jsonb_object_agg(name, before -> name) INTO seen FROM unnest(TG_ARGV) AS name;
    END IF;
    INSERT INTO changes (at, kind, source, object_id, seen)
    VALUES ((extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
            CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'updated' ELSE 'deleted' END,
            TG_TABLE_NAME, id, seen::text);
    RETURN NULL;
END
$$ LANGUAGE plpgsql
"""


# -- forgetting --


def forgetting(keep: timedelta = timedelta(days=1), *, every: timedelta = timedelta(minutes=10)) -> Reconciler:
    """The reconciler that forgets changes older than `keep`."""
    return Reconciler(
        name="change-pruning",
        run=lambda services: forget(services, keep),
        check=lambda services: [],
        every=every,
        doc=f"Forgets changes older than {keep}: a watch cannot begin before them.",
    )


def forget(services: Services, keep: timedelta) -> Report:
    """Delete what is older than `keep`, a batch at a time. The newest change stays, whatever its age: numbers go on
    from it."""
    before, report = services.clock.now() - keep, Report()
    while True:
        with services.database.write() as tx:
            last = newest(tx)
            old = [number for number in first_before(tx, CHANGES, before, _BATCH) if number < last]
            if old:
                tx.execute(sa.delete(CHANGES).where(CHANGES.c.number <= old[-1]))
        report.examined += len(old)
        if len(old) < _BATCH:
            return report
