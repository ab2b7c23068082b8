"""Branches of migrations: alembic revisions, a branch per package, and how a database is brought to their heads.

The files are named `NNNN_title.py` and carry the revision id `<branch>_NNNN`. So the heads are known by the files'
names, and a start with nothing to do imports no alembic.
"""

import importlib.util
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.declare.room import Room
from stackyard.kernel.storage.database import Database, Transaction

_FILE = re.compile(r"(\d{4})_\w+\.py")


@dataclass(frozen=True)
class Branch:
    """One package's migrations: the branch's label and the folder of its files."""

    label: str
    folder: Path

    def files(self) -> list[Path]:
        """The migrations in order. Raises ValueError when two have the same number."""
        found = sorted(each for each in self.folder.glob("*.py") if _FILE.fullmatch(each.name))
        numbers = [each.name[:4] for each in found]
        if len(set(numbers)) != len(numbers):
            raise ValueError(f"two migrations in {self.folder} have the same number: {', '.join(numbers)}")
        return found

    def revision(self, file: Path) -> str:
        """The revision id a file must carry."""
        return f"{self.label}_{file.name[:4]}"

    def head(self) -> str | None:
        """The newest revision, or None for a package without any."""
        files = self.files()
        return self.revision(files[-1]) if files else None


def kernel_branch() -> Branch:
    """The kernel's own tables."""
    return Branch("kernel", Path(__file__).parent / "schema")


def room_branch(room: Room) -> Branch | None:
    """A room's tables; None for a room without a package of migrations."""
    try:
        spec = importlib.util.find_spec(f"{room.package}.migrations")
    except ModuleNotFoundError:
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Branch(room.name, Path(next(iter(spec.submodule_search_locations))))


def branches(rooms: Iterable[Room]) -> list[Branch]:
    """The kernel's branch and those of the rooms that have one."""
    return [kernel_branch(), *(branch for room in rooms if (branch := room_branch(room)) is not None)]


def upgrade_branches(database: Database, wanted: Sequence[Branch]) -> bool:
    """Bring these branches to head: see migrations.upgrade."""
    heads = _heads(wanted)
    if not behind(database, wanted):
        return False
    with database.write() as tx:
        if current(tx) == heads:
            return False
        _run(tx, wanted)
    return True


def current(tx: Transaction) -> set[str]:
    """The revisions the database is at, one per branch."""
    if not sa.inspect(tx.connection).has_table("alembic_version"):
        return set()
    return set(tx.connection.scalars(sa.text("SELECT version_num FROM alembic_version")))


def labels(tx: Transaction) -> set[str]:
    """The branches that the database has tables of, by their labels."""
    return {revision.rpartition("_")[0] for revision in current(tx)}


def behind(database: Database, wanted: Sequence[Branch]) -> bool:
    """Whether the database is not at the heads of these branches, or has others. Raises Unavailable."""
    with database.read() as tx:
        return current(tx) != _heads(wanted)


def lacking(database: Database, wanted: Sequence[Branch]) -> bool:
    """Whether the database is not at the heads of these branches; it may have others. Raises Unavailable."""
    with database.read() as tx:
        return not _heads(wanted) <= current(tx)


def _heads(wanted: Sequence[Branch]) -> set[str]:
    return {head for branch in wanted if (head := branch.head()) is not None}


def _run(tx: Transaction, wanted: Sequence[Branch]) -> None:
    # Imported here because a start with nothing to do must not pay for it.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    folder = str(kernel_branch().folder)
    script = ScriptDirectory(folder, version_locations=[str(branch.folder) for branch in wanted])

    def steps(revision: Any, context: Any) -> Any:
        return script._upgrade_revs("heads", revision)

    try:
        with EnvironmentContext(Config(), script, fn=steps, destination_rev="heads") as environment:
            environment.configure(connection=tx.connection)
            environment.run_migrations()
    except CommandError as error:
        raise RuntimeError(
            f"The database does not fit this Stackyard: {error}. "
            "It may have been written by a newer one, or by a room that is gone."
        ) from error
