"""Small clouds with data as released versions of Stackyard hold them, as SQL text that both databases read.

    .venv/bin/python -m tests.kernel.released <version>

writes the next one, `releases/<version>.sql`: a cloud on fake drivers that this version makes through its API, row by
row. To be done when a version is released, and committed with it; never again for a version that is out.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stackyard.assemble import rooms
from stackyard.kernel.storage import branches
from stackyard.kernel.storage.branches import Branch
from stackyard.kernel.storage.database import Database, Transaction
from stackyard.rooms.container.driver import Image
from stackyard.testing.cloud import RunningCloud, Worlds, cloud

FOLDER = Path(__file__).parent / "releases"
#: Of the throwaway clouds these files were made from, and of nothing else.
PASSWORD = "a-long-password"
_REVISIONS, _SECRET = "-- revisions: ", "-- secret: "
#: Written by migrations themselves, or by the database, or of no worth to a later version.
_LEFT_OUT = {"alembic_version", "changes"}


def files() -> list[Path]:
    """The released schemas' data, oldest first."""
    return sorted(FOLDER.glob("*.sql"))


# -- writing --


def populate(running: RunningCloud) -> None:
    """Some of everything, made as users make it."""
    keeper = running.persona("vault", "admin")
    network = keeper.post("/networking/v2.0/networks", {"network": {"name": "backbone"}})["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.9.8.0/24", "name": "backbone-4"}
    keeper.post("/networking/v2.0/subnets", {"subnet": subnet})
    port = {"network_id": network["id"], "name": "socket", "fixed_ips": [{"ip_address": "10.9.8.77"}]}
    keeper.post("/networking/v2.0/ports", {"port": port})
    keeper.post("/networking/v2.0/security-groups", {"security_group": {"name": "wall", "description": "Brick's"}})
    keeper.post("/networking/v2.0/routers", {"router": {"name": "hub"}})
    image = {"name": "picture", "disk_format": "raw", "container_format": "bare", "tags": ["old"], "colour": "blåbær"}
    keeper.post("/image/v2/images", image)
    web = {"name": "shop", "image": "web", "environment": {"MODE": "it's open"}, "labels": {"tier": "front"}}
    keeper.post("/container/v1/containers?run=true", web, ok=202)
    keeper.post("/container/v1/containers", {"name": "till", "image": "web"}, ok=202)
    running.settle()


def write(into: Path) -> None:
    """Make a cloud and write what its database holds."""
    worlds = Worlds()
    worlds.container.registry["web"] = Image(id="sha256:web", names=["web:latest"], size=3)
    with tempfile.TemporaryDirectory() as folder, cloud(Path(folder), worlds=worlds) as running:
        populate(running)
        running.cloud.reconcilers.stop()
        with running.cloud.database.read() as tx:
            revisions = " ".join(sorted(branches.current(tx)))
            rows = "\n".join(_statements(tx))
        secret = Path(folder) / "cloud.secret"
        told = f"{_SECRET}{secret.read_text().strip()}\n" if secret.exists() else ""
    into.write_text(f"{_REVISIONS}{revisions}\n{told}{rows}\n")


def _statements(tx: Transaction) -> Iterator[str]:
    found = sa.MetaData()
    found.reflect(tx.connection)
    for name, source in sorted(found.tables.items()):
        if name in _LEFT_OUT:
            continue
        columns = ", ".join(f'"{each.name}"' for each in source.columns)
        for row in tx.connection.execute(sa.select(source).order_by(*source.primary_key)):
            yield f'INSERT INTO "{name}" ({columns}) VALUES ({", ".join(map(_literal, row))});'


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if value is None:
        return "NULL"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    raise TypeError(f"{type(value).__name__} is not written alike for both databases")


# -- reading --


def load(file: Path, database: Database, state: Path) -> None:
    """Make an empty database what that version left, and put its secret into the state folder."""
    text = file.read_text()
    heads = [line for line in text.splitlines() if line.startswith("-- ")]
    told = {mark: line.removeprefix(mark) for line in heads for mark in (_REVISIONS, _SECRET) if line.startswith(mark)}
    with tempfile.TemporaryDirectory() as folder:
        branches.upgrade_branches(database, list(_as_of(told[_REVISIONS].split(), Path(folder))))
    with database.write() as tx:
        # The driver's own cursor: it reads no places for parameters into the text.
        cursor = tx.connection.connection.cursor()
        begun: set[str] = set()
        for statement in _parted(text):
            source = statement.split('"')[1]
            if source not in begun:
                # What a migration or a trigger has put there already is in the file too.
                cursor.execute(f'DELETE FROM "{source}"')
                begun.add(source)
            cursor.execute(statement)
        if not database.is_sqlite:
            _count_on(tx)
    if _SECRET in told:
        (state / "cloud.secret").write_text(told[_SECRET])
        (state / "cloud.secret").chmod(0o600)


def _parted(text: str) -> Iterator[str]:
    """The statements: each ends with the line in which its last quotation does."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if statement.count("'") % 2 == 0:
            if not statement.startswith("--"):
                yield statement
            statement = ""


def _as_of(revisions: list[str], scratch: Path) -> Iterator[Branch]:
    """The branches as they ended with that version."""
    last: Mapping[str, str] = dict(each.rsplit("_", 1) for each in revisions)
    for branch in branches.branches(rooms()):
        folder = scratch / branch.label
        folder.mkdir()
        for each in branch.files():
            if each.name[:4] <= last.get(branch.label, ""):
                shutil.copy(each, folder)
        yield Branch(branch.label, folder)


def _count_on(tx: Transaction) -> None:
    """PostgreSQL's numbers go on after those of the rows."""
    found = sa.MetaData()
    found.reflect(tx.connection)
    for name, source in found.tables.items():
        if "number" in source.columns and source.columns["number"].primary_key:
            highest = f'SELECT max(number) FROM "{name}"'
            tx.connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'number'), ({highest}))")


def main(arguments: list[str]) -> int:
    """See the module."""
    if len(arguments) != 1 or (FOLDER / f"{arguments[0]}.sql").exists():
        sys.stderr.write("usage: python -m tests.kernel.released <version that is not written yet>\n")
        return 2
    write(FOLDER / f"{arguments[0]}.sql")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
