"""Migrations: the kernel's and each room's, brought to head at every start.

They live in `stackyard/kernel/storage/schema` and `stackyard/rooms/<room>/migrations`.
`python -m stackyard.kernel.storage.migrations new <room|kernel> "<title>"` writes the next file, from what the
declarations say and the migrations do not yet.
"""

import sys
from collections.abc import Iterable

from stackyard.kernel.declare.room import Room
from stackyard.kernel.errors import Unavailable
from stackyard.kernel.storage.branches import branches, lacking, upgrade_branches
from stackyard.kernel.storage.database import Database


def upgrade(database: Database, rooms: Iterable[Room]) -> bool:
    """Bring the kernel's and every room's tables to head, in one transaction under a lock that keeps other servers out;
    False when they were there already. Raises RuntimeError for a database that a newer Stackyard has written."""
    return upgrade_branches(database, branches(rooms))


def unknown(revisions: Iterable[str], rooms: Iterable[Room]) -> list[str]:
    """Which of a database's revisions this version does not know: those of a newer one."""
    known = {branch.revision(file) for branch in branches(rooms) for file in branch.files()}
    return sorted(set(revisions) - known)


def trouble(database: Database, rooms: Iterable[Room]) -> str:
    """Why the database cannot be used by these rooms as it is, for people; empty when it can."""
    try:
        return "the database is not at this version" if lacking(database, branches(rooms)) else ""
    except Unavailable as error:
        return error.for_operators


def main(arguments: list[str]) -> int:
    """`new <room|kernel> "<title>"`: write the next migration of a branch."""
    if len(arguments) != 3 or arguments[0] != "new":
        sys.stderr.write('usage: python -m stackyard.kernel.storage.migrations new <room|kernel> "<title>"\n')
        return 2
    from stackyard.kernel.storage import drafts

    made = drafts.write(arguments[1], arguments[2])
    sys.stdout.write(f"{made}\n" if made else f"The migrations of {arguments[1]} say all that its declarations say.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
