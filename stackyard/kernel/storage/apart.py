"""Migrations in a process of their own. Alembic with all it loads is a sixth of a server's memory, and it is needed
once in the life of a version: a program that ends gives that back, and the server goes on as after any other start."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from stackyard.kernel.declare.room import Room
from stackyard.kernel.errors import ApiError
from stackyard.kernel.storage.branches import Branch, behind, branches, upgrade_branches
from stackyard.kernel.storage.database import Database


class _Task(msgspec.Struct):
    """What the process is told on its input, where nobody else reads: the URL may hold a password."""

    url: str
    branches: list[tuple[str, str]]


def upgrade(database: Database, rooms: Iterable[Room]) -> bool:
    """As migrations.upgrade. No process is started for a database that is at this version."""
    wanted = branches(rooms)
    if not behind(database, wanted):
        return False
    task = _Task(database.url, [(each.label, str(each.folder)) for each in wanted])
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=msgspec.json.encode(task), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip() or "the migrations ended without a word")
    return True


def main() -> int:
    """Do what standard input says."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=_Task)
    database = Database(task.url)
    try:
        upgrade_branches(database, [Branch(label, Path(folder)) for label, folder in task.branches])
    except ApiError as error:
        sys.stderr.write(error.message)
        return 1
    except RuntimeError as error:
        sys.stderr.write(str(error))
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
