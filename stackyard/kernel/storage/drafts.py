"""Drafts of migrations: what the declarations say and the migrations do not yet. For developers: no server needs it."""

import importlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import api
from alembic.operations.ops import UpgradeOps
from alembic.runtime.migration import MigrationContext

from stackyard.kernel import enrolment, quota
from stackyard.kernel.declare.room import Room
from stackyard.kernel.journal import TABLES as JOURNAL_TABLES
from stackyard.kernel.storage import changes
from stackyard.kernel.storage.branches import Branch, kernel_branch, room_branch, upgrade_branches
from stackyard.kernel.storage.database import Database, Instant, Json

KERNEL_TABLES: Sequence[sa.Table] = (*JOURNAL_TABLES, *changes.TABLES, *enrolment.TABLES, *quota.TABLES)

#: Constraints get names, so that a later migration can name what it drops.
_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
}

_TEMPLATE = '''"""{title}."""

import sqlalchemy as sa
from alembic import op
{imports}
revision = "{revision}"
down_revision = {down}
branch_labels = {labels}


def upgrade() -> None:
    """Bring the tables to this revision."""
    {body}
'''


def room_named(name: str) -> Room:
    """The manifest of a room. Raises ModuleNotFoundError."""
    found: Room = importlib.import_module(f"stackyard.rooms.{name}.room").ROOM
    return found


def tables_of(room: Room) -> list[sa.Table]:
    """The tables a room declares, each once. Raises ValueError when two declarations of one table differ."""
    found: dict[str, sa.Table] = {}
    for source in (*room.tables, *(resource.table for resource in room.resources if _stored(resource))):
        known = found.setdefault(source.name, source)
        if {column.name for column in known.columns} < {column.name for column in source.columns}:
            raise ValueError(f"{room.name}: two declarations of the table {source.name} differ")
    return list(found.values())


def _stored(resource: Any) -> bool:
    return any(each.stored for each in resource.all_fields.values())


def difference(branch: Branch, tables: Sequence[sa.Table]) -> UpgradeOps:
    """What a database migrated to the branch's head lacks, or has too much, against these tables."""
    with _scratch(branch) as context:
        operations = api.produce_migrations(context, _together(tables)).upgrade_ops
    if operations is None:
        raise RuntimeError("alembic gave no operations")
    return operations


def render(branch: Branch, tables: Sequence[sa.Table]) -> str | None:
    """The body of the next migration of a branch, or None when it needs none."""
    operations = difference(branch, tables)
    if operations.is_empty():
        return None
    with _scratch(branch) as context:
        body: str = api.render_python_code(
            operations, render_as_batch=True, render_item=_render, migration_context=context
        )
    kept = [line for line in body.split("\n") if "### " not in line]
    return re.sub(r"[ \t]+\n", "\n", "\n".join(kept)).strip()


def write(name: str, title: str) -> Path | None:
    """Write the next migration of the kernel or of a room; None when nothing has changed."""
    branch, tables = _subject(name)
    body = render(branch, tables)
    if body is None:
        return None
    files = branch.files()
    number = f"{len(files) + 1:04}"
    slug = re.sub(r"\W+", "_", title.lower()).strip("_")
    path = branch.folder / f"{number}_{slug}.py"
    own = [kind for kind in ("Instant", "Json") if re.search(rf"\b{kind}\(", body)]
    path.write_text(
        _TEMPLATE.format(
            title=title, revision=f"{branch.label}_{number}", body=body,
            imports=f"\nfrom stackyard.kernel.storage.database import {', '.join(own)}\n" if own else "",
            down=f'"{branch.revision(files[-1])}"' if files else None,
            labels="None" if files else f'("{branch.label}",)',
        )
    )
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(path)], check=True)
    return path


def _subject(name: str) -> tuple[Branch, Sequence[sa.Table]]:
    if name == "kernel":
        return kernel_branch(), KERNEL_TABLES
    room = room_named(name)
    branch = room_branch(room)
    if branch is None:
        raise ValueError(f"the room {name} has no package {room.package}.migrations")
    return branch, tables_of(room)


@contextmanager
def _scratch(branch: Branch) -> Iterator[MigrationContext]:
    """A database that holds what this branch's migrations make, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/scratch.db")
        try:
            if branch.files():
                upgrade_branches(database, [branch])
            with database.read() as tx:
                yield MigrationContext.configure(tx.connection, opts={"compare_server_default": False})
        finally:
            database.close()


def _together(tables: Sequence[sa.Table]) -> sa.MetaData:
    metadata = sa.MetaData(naming_convention=_NAMES)
    for each in tables:
        each.to_metadata(metadata)
    return metadata


def _render(kind: str, item: Any, context: Any) -> Any:
    """The project's own column types under their own names."""
    if kind == "type" and isinstance(item, Instant | Json):
        return f"{type(item).__name__}()"
    return False
