"""Copies of a whole database in a file: taken while servers use it, put back while none does."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.errors import Conflict, Unavailable
from stackyard.kernel.storage.database import Database

#: What a restore puts before the dump: nothing of what was there stays, and all of it does if anything fails.
_CLEAN = b"DROP SCHEMA public CASCADE; CREATE SCHEMA public;\n"


def take(database: Database, into: Path) -> None:
    """Write a copy of one moment of the database into a new file, readable by its owner only. Others may go on reading
    and writing. Raises Unavailable."""
    os.close(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if database.is_sqlite:
        with closing(sqlite3.connect(_file(database))) as source, closing(sqlite3.connect(into)) as copy:
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


def _file(database: Database) -> Path:
    name = sa.make_url(database.url).database
    if not name:
        raise Conflict("A database in memory has no file to copy.")
    return Path(name)


def _replace_file(path: Path, source: Path) -> None:
    scratch = path.with_name(path.name + ".new")
    shutil.copyfile(source, scratch)
    scratch.chmod(0o600)
    with closing(sqlite3.connect(scratch)) as copy:
        found = _checked(copy)
    if found != "ok":
        scratch.unlink()
        raise Conflict(f"The copy of the database is damaged: {found}", remedy="Nothing was changed.")
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    if path.exists():
        # What only the log holds goes into the file, so that no log is left that belongs to another file.
        with closing(sqlite3.connect(path)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    scratch.replace(path)


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
