"""The database: transactions, the column types declarations map to, and rows as records.

One write transaction at a time in the whole cloud, so that what a rule read in it is still true when it commits, and
no rule is ever run twice: SQLite takes its write lock at once (BEGIN IMMEDIATE), PostgreSQL one advisory lock for all
servers (docs/decisions/0004-one-writer.md). Those that wait for their turn share one durable commit (`writer.py`).
Readers never wait. SQLite runs in WAL with `synchronous=FULL`.
"""

import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.base import Executable
from sqlalchemy.types import TypeDecorator

from stackyard.kernel.declare.kinds import Kind
from stackyard.kernel.errors import Conflict, Unavailable
from stackyard.kernel.observe.observer import Observer
from stackyard.kernel.storage.engines import is_duplicate, meaning, open_engine, reported, say, translated
from stackyard.kernel.storage.shared_locks import SharedLocks
from stackyard.kernel.storage.statements import Compiled, Statement, delete_by, insert_into, select_by, update_by
from stackyard.kernel.storage.statements import Record as Record
from stackyard.kernel.storage.writer import Writer

T = TypeVar("T")

#: PostgreSQL's advisory locks of a cloud, first number: the one writer; and work that one server does at a time.
_WRITER, _ALONE = 0x57AC1, 0x57AC3
#: Connections that stay open for readers.
_KEPT_READERS = 4
#: What begins a write transaction, and a reader's snapshot. The drivers begin none by themselves.
_WRITING = {"sqlite": "BEGIN IMMEDIATE", "postgresql": f"BEGIN; SELECT pg_advisory_xact_lock({_WRITER})"}
_READING = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}


class Json(TypeDecorator[Any]):
    """Any JSON value, stored as text."""

    impl = sa.Text
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        """Encode on the way in."""
        return _to_json

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        """Decode on the way out; without a step between, for lists decode hundreds."""
        return _from_json


class Instant(TypeDecorator[datetime]):
    """A moment in UTC with microseconds, stored as a whole number of microseconds since 1970, so that it sorts and
    compares alike on every database."""

    impl = sa.BigInteger
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        """Encode on the way in."""
        return _to_microseconds

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        """Decode on the way out; without a step between, as for Json."""
        return _from_microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _to_json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _to_microseconds(value: datetime | None) -> int | None:
    return None if value is None else (value - _EPOCH) // _MICROSECOND


def _from_json(value: Any) -> Any:
    return None if value is None else msgspec.json.decode(value)


def _from_microseconds(value: int | None) -> datetime | None:
    if value is None:
        return None
    return _EPOCH + timedelta(microseconds=value)


def column_type(kind: Kind) -> Any:
    """The column type that stores a kind of value."""
    if kind.storage == "text":
        return sa.String(kind.length) if kind.length else sa.Text()
    return {"boolean": sa.Boolean, "bigint": sa.BigInteger, "float": sa.Float, "json": Json, "instant": Instant}[
        kind.storage
    ]()


Column = sa.Column
Index = sa.Index
Unique = sa.UniqueConstraint


def table(name: str, *items: Any) -> sa.Table:
    """A table outside any declaration: what a store or the journal keeps beside resources."""
    return sa.Table(name, sa.MetaData(), *items)


class Transaction:
    """One open transaction. Everything a rule reads and writes goes through it and is committed together or not at
    all."""

    def __init__(self, connection: Connection, observer: Observer, *, writable: bool) -> None:
        self.connection = connection
        self.observer = observer
        self.writable = writable
        # One for the life of the driver's connection: its rows are fetched before the next statement runs.
        cursor = connection.info.get("cursor")
        if cursor is None:
            cursor = connection.info["cursor"] = connection.connection.cursor()
        self._cursor: Any = cursor
        #: What who reads in it has found out and need not ask again.
        self.kept: dict[object, Any] = {}
        self._after: list[Callable[[], None]] = []
        self._held = False

    def execute(self, statement: Executable) -> sa.CursorResult[Any]:
        """Run a statement; `.rowcount` of the result tells how many rows a write touched."""
        return self.connection.execute(statement)

    def one(self, statement: Executable | Statement, /, **values: Any) -> Record | None:
        """The first row of a select, or None. `values`: a Statement's parameters."""
        if isinstance(statement, Statement) and statement.pays():
            compiled, cursor = self._run(statement, values)
            row = _first(cursor)
            return None if row is None else compiled.records(cursor, (row,))[0]
        found = self.connection.execute(_expression(statement, values))
        first = found.first()
        return None if first is None else Record(zip(found.keys(), first, strict=True))

    def all(self, statement: Executable | Statement, /, **values: Any) -> list[Record]:
        """All rows of a select. `values`: a Statement's parameters."""
        if isinstance(statement, Statement) and statement.pays():
            compiled, cursor = self._run(statement, values)
            return compiled.records(cursor, cursor.fetchall())
        found = self.connection.execute(_expression(statement, values))
        names = tuple(found.keys())
        return [Record(zip(names, row, strict=True)) for row in found]

    def value(self, statement: Executable | Statement, /, **values: Any) -> Any:
        """The first column of the first row of a select, or None. `values`: a Statement's parameters."""
        if isinstance(statement, Statement) and statement.pays():
            compiled, cursor = self._run(statement, values)
            row = _first(cursor)
            return None if row is None else compiled.value(cursor, row)
        return self.connection.execute(_expression(statement, values)).scalar()

    def run(self, statement: Statement, /, **values: Any) -> int:
        """Run a Statement that writes; how many rows it touched."""
        return int(self._run(statement, values)[1].rowcount)

    def get(self, source: sa.Table, **equals: Any) -> Record | None:
        """The row whose columns equal these values, or None."""
        return self.one(select_by(source, tuple(equals), _missing(equals)), **equals)

    def find(self, source: sa.Table, **equals: Any) -> list[Record]:
        """The rows whose columns equal these values."""
        return self.all(select_by(source, tuple(equals), _missing(equals)), **equals)

    def insert(self, into: sa.Table, values: Mapping[str, Any]) -> None:
        """Add one row. Raises Conflict when a unique constraint refuses it; refused by another one it is a defect."""
        try:
            self._run(insert_into(into, tuple(values)), values)
        except sa.exc.IntegrityError as error:
            if not is_duplicate(error):
                raise
            raise Conflict(f"Duplicate entry in {into.name}: {error.orig}") from error

    def insert_many(self, into: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows."""
        if rows:
            self.connection.execute(sa.insert(into), [dict(row) for row in rows])

    def update(self, source: sa.Table, values: Mapping[str, Any], **equals: Any) -> int:
        """Change the rows whose columns equal these values; returns how many."""
        statement = update_by(source, tuple(values), tuple(equals), _missing(equals))
        return self.run(statement, **values, **{f"its_{name}": value for name, value in equals.items()})

    def delete(self, source: sa.Table, **equals: Any) -> int:
        """Delete the rows whose columns equal these values; returns how many."""
        return self.run(delete_by(source, tuple(equals), _missing(equals)), **equals)

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> tuple[Compiled, Any]:
        dialect = self.connection.dialect
        compiled = statement.on(dialect)
        try:
            return compiled, compiled.run(self._cursor, values)
        except dialect.loaded_dbapi.Error as error:
            raise reported(error, self.connection, compiled.text) from error

    def hold(self) -> None:
        """From here on all reads see one snapshot. Nothing changes in a transaction that has one, or that writes."""
        if not self.writable and not self._held:
            say(self.connection, _READING[self.connection.dialect.name])
            self._held = True
            self.kept.clear()

    def end_reading(self) -> None:
        """Called by Database.read only."""
        if self.connection.invalidated or self.connection.in_transaction():
            self.connection.rollback()
        elif self._held:
            # Not a rollback, after which psycopg forgets what it has prepared.
            say(self.connection, "COMMIT")

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` once the transaction is durable; never if it is rolled back."""
        self._after.append(hook)

    def run_hooks(self) -> None:
        """Run what `after_commit` collected. Called by Database.write only."""
        for hook in self._after:
            hook()


def _first(cursor: Any) -> Any:
    row = cursor.fetchone()
    if row is not None and cursor.fetchone() is not None:
        # SQLite would keep the snapshot of a statement whose rows are not all fetched.
        cursor.fetchall()
    return row


def first_before(tx: Transaction, source: sa.Table, moment: datetime, most: int) -> list[int]:
    """Of the rows with which a table begins that is written in the order of time, at most so many: the numbers of those
    from before a moment. It needs no index of moments, which every row would pay for."""
    # All numbers are above 0; it is said so that planners begin in the key and not in the table.
    numbers = sa.select(source.c.number, source.c.at).where(source.c.number > 0).order_by(source.c.number)
    first = numbers.limit(most).subquery()
    old = tx.all(sa.select(first.c.number).where(first.c.at < moment).order_by(first.c.number))
    return [int(each.number) for each in old]


def _expression(statement: Executable | Statement, values: Mapping[str, Any]) -> Executable:
    if isinstance(statement, Statement):
        expression: Executable = statement.expression.params(values)
        return expression
    return statement


def _missing(equals: Mapping[str, Any]) -> frozenset[str]:
    return _NOTHING if None not in equals.values() else frozenset(name for name in equals if equals[name] is None)


_NOTHING: frozenset[str] = frozenset()


class _Member(Generic[T]):
    """One of several transactions that become durable together."""

    def __init__(self, block: Callable[[Transaction], T], observer: Observer) -> None:
        self._block = block
        self._observer = observer
        self.began = self.ended = 0.0

    def run(self, connection: Connection) -> None:
        """Do what it is for."""
        self.began = time.perf_counter()
        self._transaction = Transaction(connection, self._observer, writable=True)
        try:
            self._value = self._block(self._transaction)
        finally:
            self.ended = time.perf_counter()

    def outcome(self, failure: Exception | None) -> T | Exception:
        """What the block returned, once all is durable, or why nothing of it remains."""
        if isinstance(failure, sa.exc.SQLAlchemyError):
            return meaning(failure) or failure
        if failure is not None:
            return failure
        try:
            self._transaction.run_hooks()
        except Exception as error:
            return error
        return self._value


class Database:
    """One database, by SQLAlchemy URL. `read()` gives a consistent view, `write()` an exclusive change.

    Both raise Unavailable while the database does not answer. It is asked anew at the next transaction, so nothing has
    to be done when it comes back.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.observer = Observer()
        self.is_sqlite = url.startswith("sqlite")
        self.engine = open_engine(url)
        # A queue in the process, so that of each server only one waits for its turn with a connection in hand.
        self.writer = Writer(self._connect, _WRITING[self.engine.dialect.name])
        self.locks = SharedLocks(self.engine)
        self._readers: list[Connection] = []
        sa.event.listen(self.engine, "invalidate", self._forget_idle)
        self._current = threading.local()

    @contextmanager
    def read(self, *, held: bool = True) -> Iterator[Transaction]:
        """A read-only transaction: one snapshot for all reads in it. Not `held`: each read sees what is newest, which
        for a single one is the same at half the cost, until `hold` is called."""
        # As `translated` does, without a second block around every read.
        try:
            transaction = Transaction(self._reader(), self.observer, writable=False)
            try:
                if held:
                    transaction.hold()
                yield transaction
            finally:
                self._put_back(transaction)
        except sa.exc.SQLAlchemyError as error:
            said = meaning(error)
            if said is None:
                raise
            raise said from error

    def _reader(self) -> Connection:
        """A connection that reads. A few are kept open: to take one from the pool and prepare it costs more than most
        reads."""
        try:
            return self._readers.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> Connection:
        """A connection whose driver begins no transaction: that is said (`say`)."""
        connection = self.engine.connect()
        return connection if self.is_sqlite else connection.execution_options(isolation_level="AUTOCOMMIT")

    def _put_back(self, transaction: Transaction) -> None:
        connection = transaction.connection
        try:
            transaction.end_reading()
        except BaseException:
            connection.close()
            raise
        if connection.invalidated or len(self._readers) >= _KEPT_READERS:
            connection.close()
        else:
            self._readers.append(connection)

    def _forget_idle(self, *event: object) -> None:
        """Keep no connection that was open before now: the database went away, or nobody will need it any more."""
        self.writer.forget_idle()
        while self._readers:
            self._readers.pop().close()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A write transaction; commits when the block ends, rolls back when it raises. Never nest them in a thread.

        Raises Unavailable also when the database went away during the commit: then it may or may not have been made.
        """
        with self._writing():
            asked = time.perf_counter()
            with translated(), self.writer.turn() as connection:
                begun = time.perf_counter()
                transaction = Transaction(connection, self.observer, writable=True)
                yield transaction
                ended = time.perf_counter()
            self.observer.wrote(begun - asked, time.perf_counter() - ended)
        transaction.run_hooks()

    def write_each(self, blocks: Iterable[Callable[[Transaction], T]]) -> list[T | Exception]:
        """Run each block in a write transaction of its own, one after the other, and make them durable together.

        What each returned, or why nothing of it remains (see `write`); by then the hooks of those that ended well have
        run. Raises Unavailable when no transaction could be begun.
        """
        members: list[_Member[T]] = []

        def each() -> Iterator[Callable[[Connection], None]]:
            for block in blocks:
                members.append(_Member(block, self.observer))
                yield members[-1].run

        with self._writing(), translated():
            asked = time.perf_counter()
            failures = self.writer.turns(each())
        if members:
            self.observer.wrote(members[0].began - asked, time.perf_counter() - members[-1].ended)
        return [member.outcome(why) for member, why in zip(members, failures, strict=True)]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if getattr(self._current, "writing", False):
            raise RuntimeError("a write transaction is already open in this thread: pass it on instead")
        self._current.writing = True
        try:
            yield
        finally:
            self._current.writing = False

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """No other server of the cloud is in a block of this name. Waits for its turn; raises Unavailable after half a
        minute. It opens no transaction. Ends with the connection, so a server that dies holds up nobody."""
        if self.is_sqlite:
            yield
            return
        key = f"{_ALONE}, {zlib.crc32(name.encode()) - 2**31}"
        with self.outside() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({key})")
            try:
                yield
            finally:
                _unlock(connection, key)

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        """A connection of PostgreSQL's outside any transaction: for what belongs to a session."""
        with translated(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def wait_for_answer(self, seconds: float) -> None:
        """Wait until the database answers. Raises Unavailable when it does not within this time."""
        end = time.monotonic() + seconds
        while True:
            try:
                with self.read() as tx:
                    tx.value(sa.text("SELECT 1"))
                    return
            except Unavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def close(self) -> None:
        """Close every connection."""
        self.locks.close()
        self._forget_idle()
        self.engine.dispose()


def _unlock(connection: Connection, key: str) -> None:
    try:
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({key})")
    except sa.exc.DBAPIError:
        # The session is gone, and its lock with it; what was done meanwhile has its own end.
        connection.invalidate()
