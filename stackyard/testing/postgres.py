"""A PostgreSQL server of one's own for tests and benchmarks: Debian's programs, a data folder made for it, gone after.

It listens on a socket in that folder and on no network, runs as an unprivileged user, and ends with the process that
started it, however that ends.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Where Debian and others put the server's programs; the newest is taken.
_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
_PATIENCE = 60.0


class NoPostgres(Exception):
    """The programs of a PostgreSQL server are not on this machine."""


def programs() -> Path:
    """The folder of the newest server's programs. Raises NoPostgres."""
    found = [each for folder in _FOLDERS for each in Path("/").glob(folder.lstrip("/")) if (each / "initdb").exists()]
    if not found:
        raise NoPostgres("there is no initdb on this machine: install Debian's package `postgresql`")
    return max(found, key=lambda each: [int(part) for part in each.parent.name.split(".") if part.isdecimal()])


class Postgres:
    """A server. `durable`: commits reach the disk, as in earnest; else they survive a crash of the server, not one of
    the machine, which is faster.

    `kill` plays a crash of the server, `stop` and `start` a maintenance.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._bin = programs()
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the data folder and start."""
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_unprivileged())
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [*_as_nobody(), self._bin / "initdb", "--pgdata", self._data, "--username", "stackyard", "--auth", "trust",
             "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
            check=True, capture_output=True, cwd=self.folder,
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start and wait until it answers. Raises RuntimeError with the end of its log."""
        sync = "on" if self._durable else "off"
        settings = {
            "unix_socket_directories": self.folder, "listen_addresses": "", "max_connections": 200, "fsync": sync,
            "full_page_writes": sync, "shared_buffers": "32MB", "max_wal_size": "256MB",
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_nobody(), self._bin / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + _PATIENCE
        while self._run("pg_isready", "-q").returncode != 0:
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it: sessions are cut, what was committed stays."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Make it crash, its children with it: whoever waits for an answer gets none."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def database(self, name: str, template: str = "template0") -> str:
        """Make a database, empty or a copy of one that nobody uses now; returns its SQLAlchemy URL."""
        made = self._run("createdb", "--template", template, name)
        if made.returncode != 0:
            raise RuntimeError(made.stderr.decode())
        return f"postgresql+psycopg://stackyard@/{name}?host={self.folder}"

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        self._run("dropdb", "--force", "--if-exists", name)

    def _run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        where = ["--host", str(self.folder), "--username", "stackyard"]
        return subprocess.run([self._bin / program, *where, *arguments], check=False, capture_output=True)


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """A running server; its folder is removed afterwards."""
    # A socket's path must be short, so the folder is none of the test's own.
    folder = Path(tempfile.mkdtemp(prefix="sypg-"))
    server = Postgres(folder, durable=durable)
    try:
        server.create()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str:
    known = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _as_nobody() -> list[str]:
    """Words before a command: PostgreSQL refuses to run as root. It is told to end when its starter ends."""
    words = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        words += ["--reuid", _unprivileged(), "--regid", str(pwd.getpwnam(_unprivileged()).pw_gid), "--clear-groups"]
    return words
