"""What `stackyard db` can be asked. Apart from what it does, so that `stackyard --help` stays quick."""

import argparse
from collections.abc import Callable
from pathlib import Path

BACKUP = """\
Write the database, the keys, the settings and the image files into one archive that only its owner can read, while the
cloud runs. It holds all that a cloud is, but not what runs on the hosts. Whoever has it can become anybody in the
cloud.
"""
RESTORE = """\
Make the cloud in the state folder what an archive says, after proving the archive whole. Refused while the cloud's
server runs. What was there is kept in before-restore-<moment>.tar, image files excepted. After `stackyard up` the
repairs bring the host to what the database says.
"""
UPGRADE = """\
Bring the database to this version of Stackyard. `stackyard up` does that by itself; this is for doing it beforehand.
"""


def add_to(command: argparse.ArgumentParser, with_state: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    verbs = command.add_subparsers(dest="verb", metavar="<verb>", required=True)
    with_state(verbs.add_parser("upgrade", help="bring it to this version", description=UPGRADE))
    backup = with_state(verbs.add_parser("backup", help="write the whole cloud into an archive", description=BACKUP))
    backup.add_argument("file", type=Path, metavar="FILE", help="the archive to write; a new file")
    restore = with_state(verbs.add_parser("restore", help="put an archive back", description=RESTORE))
    restore.add_argument("file", type=Path, metavar="FILE", help="the archive")
    restore.add_argument("--database", metavar="URL", help="where the database is from now on (where it was)")
