"""`stackyard db upgrade | backup FILE | restore FILE`: the cloud's database and what belongs to it."""

import argparse
from pathlib import Path

from stackyard import __version__
from stackyard.cli.operator import CommandFailed
from stackyard.kernel.errors import ApiError
from stackyard.kernel.settings import Settings, load


def run(asked: argparse.Namespace) -> int:
    """Do what was asked. Raises CommandFailed with the reason."""
    try:
        return int({"upgrade": _upgrade, "backup": _backup, "restore": _restore}[asked.verb](asked))
    except ApiError as error:
        raise CommandFailed(error.for_operators) from error
    except OSError as error:
        where = error.filename or "the disk of the archive, or that of the state folder"
        raise CommandFailed(f"{where}: {error.strerror}") from error


def _cloud(state: Path) -> Settings:
    settings = load(state.absolute())
    if settings is None:
        raise CommandFailed(f"there is no cloud in {state}")
    return settings


def _upgrade(asked: argparse.Namespace) -> int:
    # Imported here because not all verbs need rooms.
    from stackyard.assemble import kept, rooms
    from stackyard.cli.serve import only_server
    from stackyard.kernel.storage import migrations
    from stackyard.kernel.storage.branches import current
    from stackyard.kernel.storage.database import Database

    settings = _cloud(asked.state)
    with only_server(settings.state_dir):
        database = Database(settings.database_url)
        try:
            serving = rooms(settings.services)
            changed = migrations.upgrade(database, [*serving, *kept(database, serving)])
            with database.read() as tx:
                revisions = ", ".join(sorted(current(tx)))
        except RuntimeError as error:
            raise CommandFailed(str(error)) from error
        finally:
            database.close()
    print(f"{'upgraded to' if changed else 'nothing to do; it is at'} {revisions}")
    return 0


def _backup(asked: argparse.Namespace) -> int:
    from stackyard.kernel.storage import archive

    into = asked.file.absolute()
    manifest = archive.backup(_cloud(asked.state), into)
    size = sum(each.size for each in manifest.files.values())
    print(f"{into}: {len(manifest.files)} files, {size / 2**20:.1f} MiB. It holds keys and passwords: keep it safe.")
    return 0


def _restore(asked: argparse.Namespace) -> int:
    from stackyard.assemble import rooms
    from stackyard.cli.serve import only_server
    from stackyard.kernel.storage import archive, migrations

    state = asked.state.absolute()
    said = archive.read_manifest(asked.file)
    if unknown := migrations.unknown(said.revisions, rooms()):
        raise CommandFailed(
            f"Stackyard {said.stackyard} made the archive; its database has changes that this version, {__version__}, "
            f"does not know ({', '.join(unknown)}): restore it with that version or a later one"
        )
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_server(state):
        manifest = archive.restore(asked.file, state, asked.database)
    print(f"{state} is the cloud as it was at {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    print(f"Start it with: stackyard up --state {state}")
    return 0
