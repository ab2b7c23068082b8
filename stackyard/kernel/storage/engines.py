"""How the two databases are opened, and what their drivers' errors mean to those who asked."""

import re
import sqlite3
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from stackyard.kernel.errors import ApiError, BadRequest, Conflict, InsufficientStorage, Unavailable

#: PostgreSQL's own classes of errors: the connection or the server is gone, or somebody holds what is needed.
_TRANSIENT = re.compile("08...|57P0.|25P0[34]|40...|53[023]..|57014")

#: How each database says that a unique constraint, a primary key among them, was violated.
_DUPLICATE = {
    "23505",
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
}

#: What libpq says of a connection with a transaction that can be committed (PQTRANS_INTRANS).
_IN_TRANSACTION = 2

#: What a session of ours is told: a server of ours that hangs in a transaction must not hold up the others for long.
_SESSION = {
    "timezone": "UTC",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
}

#: A database host that vanishes without a word is noticed within seconds.
_CONNECTION = {
    "application_name": "stackyard",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

#: How long who finds an SQLite file locked waits for it.
_BUSY_SECONDS = 30

#: How many pages the log of an SQLite file has before who commits copies them into the file: 16 MB. With 100,000
#: containers worked on at random, the usual 1,000 made a commit cost half as much again: the same pages were copied
#: again and again.
_LOG_PAGES = 4000

#: What a connection to an SQLite file keeps of its pages at most. With 2,000, the usual, reads at random among
#: 100,000 rows cost as much, and writes half as much again.
_CACHED_KILOBYTES = 500

#: The dialects of this process, by their names, and what they have compiled.
_dialects: dict[str, sa.Dialect] = {}
_compiled: MutableMapping[Any, Any] = sa.util.LRUCache(4000)


def open_engine(url: str) -> Engine:
    """The engine for a database URL."""
    engine = _sqlite(url) if url.startswith("sqlite") else _postgresql(url)
    _share_statements(engine)
    return engine


def _share_statements(engine: Engine) -> None:
    """Let an engine use what others of its kind have compiled. To compile what a cloud asks when it starts is half of
    its start, and a process that tests starts hundreds. A dialect holds nothing of one file or server, once it has
    looked at one."""
    name = engine.dialect.name
    if name in _dialects:
        engine.dialect = _dialects[name]
    else:
        sa.event.listen(engine, "connect", lambda *_: _dialects.setdefault(name, engine.dialect), once=True)
    engine.update_execution_options(compiled_cache=_compiled)


def _postgresql(url: str) -> Engine:
    # What the operator says in the URL comes last, and so counts.
    own = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    given = sa.make_url(url).query.get("options", "")
    arguments = _CONNECTION | {"options": f"{own} {given}".strip()}
    return sa.create_engine(url, pool_size=16, max_overflow=16, pool_timeout=30, connect_args=arguments)


def _sqlite(url: str) -> Engine:
    # Of those that are given back one stays open, beside the few that readers and the writer keep (database.py): each
    # holds the whole schema, half a megabyte, and as much of pages.
    engine = sa.create_engine(
        url, pool_size=1, max_overflow=63, connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS}
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, record: object) -> None:
        # The driver's own transaction handling is switched off: BEGIN is ours, so that we choose IMMEDIATE.
        connection.isolation_level = None
        _use_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        # What a savepoint may have to take back: in a file, it was an eighth of a create.
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute(f"PRAGMA cache_size=-{_CACHED_KILOBYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Have the file keep a write-ahead log. Of two that turn a new file to it at the same time SQLite refuses one at
    once, however long a connection is willing to wait."""
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.005)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the API can say instead of what the driver says: 503 while the database is away, 507 when its disk is
    full, 409 for what exists already, 400 for a value it cannot hold. Everything else is a defect and stays what it
    is."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        said = meaning(error)
        if said is None:
            raise
        raise said from error


def meaning(error: sa.exc.SQLAlchemyError) -> ApiError | None:
    """What the API can say instead of an error; None for a defect."""
    if isinstance(error, sa.exc.TimeoutError):
        return Unavailable("All connections to the database are in use.", remedy="Try again shortly.")
    return _meaning(error) if isinstance(error, sa.exc.DBAPIError) else None


def holds(connection: Connection) -> bool:
    """Whether the transaction would be committed: an error in it that nobody raised further may have ended it (a full
    disk on SQLite) or broken it (any on PostgreSQL), and the drivers' commit would say nothing of that."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return bool(driver.in_transaction)
    return bool(driver.info.transaction_status == _IN_TRANSACTION)


def say(connection: Connection, text: str) -> None:
    """Run statements without values and rows on the driver, past SQLAlchemy's bookkeeping and (psycopg's) its own: what
    begins and ends a transaction is said with every request. Raises what SQLAlchemy would."""
    driver: Any = connection.connection.driver_connection
    dbapi: Any = connection.dialect.loaded_dbapi
    try:
        if connection.dialect.name == "sqlite":
            driver.execute(text)
        else:
            _say_to_postgresql(driver.pgconn, text, dbapi)
    except dbapi.Error as error:
        raise reported(error, connection, text) from error


def _say_to_postgresql(session: Any, text: str, psycopg: Any) -> None:
    result = session.exec_(text.encode())
    if result.status not in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
        state = (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"08000").decode()
        raise psycopg.errors.lookup(state)(result.get_error_message())


def reported(error: Exception, connection: Connection, text: str) -> sa.exc.DBAPIError:
    """A driver's own error as SQLAlchemy reports it. One that ends the connection ends all that wait in the pool: the
    database went away."""
    dialect = connection.dialect
    gone = dialect.is_disconnect(error, connection.connection.driver_connection, None)  # type: ignore[arg-type]
    if gone:
        connection.invalidate(error)
        connection.engine.dispose()
    drivers = dialect.loaded_dbapi.Error
    told = sa.exc.DBAPIError.instance(
        text, None, error, drivers, hide_parameters=True, connection_invalidated=gone, dialect=dialect
    )
    assert isinstance(told, sa.exc.DBAPIError)
    return told


def is_duplicate(error: sa.exc.IntegrityError) -> bool:
    """Whether a unique constraint was violated, and not another one."""
    return getattr(error.orig, "sqlstate", getattr(error.orig, "sqlite_errorcode", None)) in _DUPLICATE


def _meaning(error: sa.exc.DBAPIError) -> ApiError | None:
    code = getattr(error.orig, "sqlstate", None) or ""
    reason = (str(error.orig).strip().splitlines() or ["no reason given"])[0]
    if code == "53100" or (not code and "disk is full" in reason):
        return InsufficientStorage("The disk that holds the database is full; nothing was changed.")
    if code == "55P03":
        return Unavailable("Another server of the cloud is at it for long.", remedy="Try again shortly.")
    if error.connection_invalidated or _TRANSIENT.fullmatch(code):
        return _away(reason)
    if isinstance(error, sa.exc.IntegrityError) and is_duplicate(error):
        return Conflict("Something with the same name, id or place exists already.")
    if isinstance(error, sa.exc.DataError):
        return BadRequest(f"A value is none that the database can hold: {reason}")
    if isinstance(error, sa.exc.OperationalError) and not code:
        return _away(reason)
    return None


def _away(reason: str) -> Unavailable:
    # Where the database is, and why it does not answer, is nothing for a caller, who may be a stranger.
    return Unavailable(
        "The database does not answer.", remedy="Try again shortly.", headers={"Retry-After": "1"}, inward=reason
    )
