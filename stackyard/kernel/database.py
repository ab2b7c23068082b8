"""The database: transactions, the column types declarations map to, and rows as records.

SQLite runs in WAL with `synchronous=FULL`; a write transaction takes the write lock at once (BEGIN IMMEDIATE), so that
what a rule read in it is still true when it commits. PostgreSQL gives the same promise with serialisable row locks.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.sql.base import Executable
from sqlalchemy.types import TypeDecorator

from stackyard.kernel.errors import Conflict, InsufficientStorage, Unavailable
from stackyard.kernel.kinds import Kind


class Record(dict[str, Any]):
    """A row: a dict whose keys can also be read as attributes."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Json(TypeDecorator[Any]):
    """Any JSON value, stored as text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Encode on the way in."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """Decode on the way out."""
        return None if value is None else msgspec.json.decode(value)


class Instant(TypeDecorator[datetime]):
    """A moment in UTC with microseconds, stored as a whole number of microseconds since 1970, so that it sorts and
    compares alike on every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Encode on the way in."""
        if value is None:
            return None
        whole = int(value.replace(microsecond=0).timestamp())
        return whole * 1_000_000 + value.microsecond

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """Decode on the way out."""
        if value is None:
            return None
        whole, micro = divmod(value, 1_000_000)
        return datetime.fromtimestamp(whole, UTC).replace(microsecond=micro)


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

    def __init__(self, connection: Connection, *, writable: bool) -> None:
        self.connection = connection
        self.writable = writable
        self._after: list[Callable[[], None]] = []

    def execute(self, statement: Executable) -> sa.CursorResult[Any]:
        """Run a statement; `.rowcount` of the result tells how many rows a write touched."""
        return self.connection.execute(statement)

    def one(self, statement: Executable) -> Record | None:
        """The first row of a select, or None."""
        row = self.connection.execute(statement).mappings().first()
        return Record(row) if row is not None else None

    def all(self, statement: Executable) -> list[Record]:
        """All rows of a select."""
        return [Record(row) for row in self.connection.execute(statement).mappings()]

    def value(self, statement: Executable) -> Any:
        """The first column of the first row of a select, or None."""
        return self.connection.execute(statement).scalar()

    def get(self, source: sa.Table, **equals: Any) -> Record | None:
        """The row whose columns equal these values, or None."""
        return self.one(sa.select(source).where(*(source.c[name] == value for name, value in equals.items())))

    def find(self, source: sa.Table, **equals: Any) -> list[Record]:
        """The rows whose columns equal these values."""
        return self.all(sa.select(source).where(*(source.c[name] == value for name, value in equals.items())))

    def insert(self, into: sa.Table, values: Mapping[str, Any]) -> None:
        """Add one row. Raises Conflict when a unique constraint refuses it."""
        try:
            self.connection.execute(sa.insert(into).values(dict(values)))
        except sa.exc.IntegrityError as error:
            raise Conflict(f"Duplicate entry in {into.name}: {error.orig}") from error

    def insert_many(self, into: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows."""
        if rows:
            self.connection.execute(sa.insert(into), [dict(row) for row in rows])

    def update(self, source: sa.Table, values: Mapping[str, Any], **equals: Any) -> int:
        """Change the rows whose columns equal these values; returns how many."""
        where = (source.c[name] == value for name, value in equals.items())
        return self.connection.execute(sa.update(source).where(*where).values(dict(values))).rowcount

    def delete(self, source: sa.Table, **equals: Any) -> int:
        """Delete the rows whose columns equal these values; returns how many."""
        where = (source.c[name] == value for name, value in equals.items())
        return self.connection.execute(sa.delete(source).where(*where)).rowcount

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` once the transaction is durable; never if it is rolled back."""
        self._after.append(hook)

    def run_hooks(self) -> None:
        """Run what `after_commit` collected. Called by Database.write only."""
        for hook in self._after:
            hook()


class Database:
    """One database, by SQLAlchemy URL. `read()` gives a consistent view, `write()` an exclusive change."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _sqlite_engine(url) if self.is_sqlite else sa.create_engine(url, pool_size=16, max_overflow=16)
        # SQLite has one writer: a fair lock in the process beats its busy polling.
        self._writer = threading.RLock()
        self._current = threading.local()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A read-only transaction: one snapshot for all reads in it."""
        with _translated(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            try:
                yield Transaction(connection, writable=False)
            finally:
                connection.rollback()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A write transaction; commits when the block ends, rolls back when it raises. Never nest them in a thread."""
        if getattr(self._current, "writing", False):
            raise RuntimeError("a write transaction is already open in this thread: pass it on instead")
        with _translated(), self._exclusive(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            transaction = Transaction(connection, writable=True)
            try:
                yield transaction
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        transaction.run_hooks()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        self._current.writing = True
        try:
            if self.is_sqlite:
                with self._writer:
                    yield
            else:
                yield
        finally:
            self._current.writing = False

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        reason = str(error.orig)
        if "full" in reason:
            raise InsufficientStorage("The disk that holds the database is full; nothing was changed.") from error
        raise Unavailable(f"The database does not answer: {reason}", remedy="Try again shortly.") from error


def _sqlite_engine(url: str) -> Engine:
    engine = sa.create_engine(
        url, pool_size=16, max_overflow=48, connect_args={"check_same_thread": False, "timeout": 30}
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, record: object) -> None:
        # The driver's own transaction handling is switched off: BEGIN is ours, so that we choose IMMEDIATE.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=30000")

    return engine
