"""A database that is migrated already, for new clouds of tests: to run all migrations is most of a first start.

It is made once for each version of the migrations and kept in the user's own cache folder, beside what pip and others
keep there; where that cannot be, once for each process.
"""

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from stackyard import __version__
from stackyard.assemble import rooms
from stackyard.kernel.settings import ALL, Settings
from stackyard.kernel.storage import branches, changes, migrations
from stackyard.kernel.storage.database import Database

_FILE = "stackyard.db"


def begin_at_this_version(settings: Settings) -> None:
    """Give a new cloud an empty database that is migrated already; not one that has the tables of some rooms only."""
    file = settings.state_dir / _FILE
    if ALL not in settings.services:
        return
    if settings.database_url == f"sqlite:///{file}" and not file.exists() and (migrated := _migrated()):
        file.write_bytes(migrated)


@cache
def _migrated() -> bytes | None:
    """The file of such a database; None when something other than SQLite stands for files."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(state_dir=Path(folder))
        database = Database(settings.database_url)
        if database.engine.dialect.name != "sqlite":
            database.close()
            return None
        kept = kept_file()
        with suppress(OSError):
            return kept.read_bytes()
        migrations.upgrade(database, rooms())
        changes.install(database, rooms())
        database.close()
        made = (settings.state_dir / _FILE).read_bytes()
        with suppress(OSError):
            _keep(kept, made)
        return made


def kept_file() -> Path:
    """Where the database of this version's migrations is kept: $XDG_CACHE_HOME/stackyard, or ~/.cache/stackyard."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(root) / "stackyard" / f"migrated-{_digest()}.db"


def _digest() -> str:
    """Changes with whatever the file depends on. Triggers are set anew at each start, so that they need not count."""
    found = hashlib.blake2b(__version__.encode(), digest_size=12)
    for branch in branches.branches(rooms()):
        for file in branch.files():
            found.update(f"{branch.label} {file.name}\n".encode())
            found.update(file.read_bytes())
    return found.hexdigest()


def _keep(kept: Path, made: bytes) -> None:
    """Whole or not at all, readable by its owner only; those of other versions go."""
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(dir=kept.parent, prefix=".migrated-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(made)
    for other in kept.parent.glob("migrated-*.db"):
        other.unlink(missing_ok=True)
    os.replace(scratch, kept)
