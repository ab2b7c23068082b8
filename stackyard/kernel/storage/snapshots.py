"""Copies of a whole database in a file: taken while servers use it, put back while none does."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.errors import Conflict, Unavailable
from stackyard.kernel.storage.database import Database

#: What a restore puts before the dump: nothing of what was there stays, and all of it does if anything fails.
_CLEAN = b"DROP SCHEMA public CASCADE; CREATE SCHEMA public;\n"

#: Names something that a database holds, if it holds anything.
_FIRST_OF_IT = {
    "sqlite": "SELECT name FROM sqlite_master LIMIT 1",
    "postgresql": "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace LIMIT 1",
}


def take(database: Database, into: Path) -> None:
    """Write a copy of one moment of the database into a new file, readable by its owner only. Others may go on reading
    and writing. Raises Unavailable."""
    os.close(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if database.is_sqlite:
        path = _file(database)
        with _reported(path), closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(into)) as copy:
            source.backup(copy)
        return
    _run(database, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={into}")


def put_back(database: Database, source: Path) -> None:
    """Make the database what the copy says, wholly or not at all. Raises Conflict while a server uses it, or when the
    copy is damaged; Unavailable."""
    if database.is_sqlite:
        _replace_file(_file(database), source)
        return
    _refuse_in_use(database)
    script = _run(database, "pg_restore", "--no-owner", "--no-privileges", "--file=-", str(source), connect=False)
    _run(database, "psql", "--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1",
         said=_CLEAN + script)  # fmt: skip
    database.close()


def refuse_filled(database: Database) -> None:
    """Raises Conflict when there is anything in the database; Unavailable."""
    with database.read() as tx:
        holds = tx.value(sa.text(_FIRST_OF_IT[database.engine.dialect.name]))
    database.close()
    if holds:
        raise Conflict(
            "The database holds something already, which is not of the cloud in this folder and would be lost.",
            remedy="Choose an empty one, or empty this one first.",
        )


def _file(database: Database) -> Path:
    name = sa.make_url(database.url).database
    if not name:
        raise Conflict("A database in memory has no file to copy.")
    return Path(name)


def _replace_file(path: Path, source: Path) -> None:
    scratch = path.with_name(path.name + ".new")
    try:
        shutil.copyfile(source, scratch)
        scratch.chmod(0o600)
        with closing(sqlite3.connect(scratch)) as copy:
            found = _checked(copy)
        if found != "ok":
            raise Conflict(f"The copy of the database is damaged: {found}", remedy="Nothing was changed.")
        with scratch.open("rb") as file:
            os.fsync(file.fileno())
        _end_use(path)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _end_use(path: Path) -> None:
    """Leave no log of a file that is to be replaced: it would be taken for the new one's. Raises Conflict when a server
    has the file open, which only one that has it alone can end the log of."""
    with _reported(path), closing(sqlite3.connect(path, timeout=0)) as old:
        try:
            old.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise Conflict(f"A server uses the database {path}.", remedy="Stop it first.") from error


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """What SQLite says of a file that it cannot read or write, for operators."""
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(
            f"The database {path} cannot be copied: {error}.",
            remedy="If it is damaged, put it elsewhere and restore a backup.",
        ) from error


def _checked(copy: sqlite3.Connection) -> str:
    try:
        return str(copy.execute("PRAGMA integrity_check").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)


def _refuse_in_use(database: Database) -> None:
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND application_name = 'stackyard'"
    )
    database.close()
    with database.read() as tx:
        number = tx.value(sa.text(others))
    database.close()
    if number:
        raise Conflict(
            f"{number} sessions of Stackyard's servers use the database.", remedy="Stop all servers of the cloud first."
        )


def _run(database: Database, program: str, *arguments: str, said: bytes | None = None, connect: bool = True) -> bytes:
    url = sa.make_url(database.url)
    options: dict[str, Any] = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    options |= {name: value for name, value in url.query.items() if isinstance(value, str)}
    words = " ".join(f"{name}={_quoted(value)}" for name, value in options.items() if value)
    # The password is in nobody's list of processes.
    secret = {"PGPASSWORD": str(url.password)} if url.password else {}
    try:
        done = subprocess.run(
            [_program(program), *([f"--dbname={words}"] if connect else []), *arguments],
            input=said, capture_output=True, check=False, env=os.environ | secret,
        )  # fmt: skip
    except OSError as error:
        raise Unavailable(f"{program} cannot be run: {error}", remedy="Install PostgreSQL's programs.") from error
    if done.returncode != 0:
        raise Unavailable(f"{program} failed: {done.stderr.decode(errors='replace').strip()[-800:]}")
    return done.stdout


def _quoted(value: object) -> str:
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _program(name: str) -> str:
    """Debian keeps a server's programs out of PATH; the newest can read what the older ones wrote."""
    number: Callable[[Path], float] = lambda each: float(each.parent.parent.name)  # noqa: E731
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=number)
    return str(found[-1]) if found else name
