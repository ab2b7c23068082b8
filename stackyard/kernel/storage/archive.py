"""Backup and restore of a cloud: one tar with its database, keys, settings and image files, and what proves it whole.

What runs on the hosts is not in it, for a host can be made from the database again. An image file never changes once it
is whole, so linking it is enough to have it as it is while the server goes on.
"""

import hashlib
import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from stackyard import __version__
from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.settings import FILE, Settings, load, save
from stackyard.kernel.storage import snapshots
from stackyard.kernel.storage.branches import current
from stackyard.kernel.storage.database import Database
from stackyard.kernel.storage.scratch import scratch

MANIFEST, DATABASE, STATE = "manifest.json", "database", "state"
_FORMAT = 1
#: In the state folder, but of this host or this process: engine, networks, logs, sockets, locks, the database itself.
_LEFT_OUT = {"engine", "network", "logs"}
_LEFT_OUT_ENDINGS = (".sock", ".lock", ".pid", ".new", ".tar")
_IMAGES = "images"


class Entry(msgspec.Struct, kw_only=True):
    """A file in the archive."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, kw_only=True):
    """What an archive holds: `database` is "sqlite" or "postgresql", `revisions` its migrations, `files` by name."""

    format: int
    stackyard: str
    made_at: datetime
    cloud_id: str
    database: str
    revisions: list[str]
    files: dict[str, Entry]


def backup(settings: Settings, into: Path, *, images: bool = True) -> Manifest:
    """Write the cloud's archive to a file that only its owner can read, whole or not at all. The servers may run.
    Raises Conflict when the file exists, Unavailable, OSError."""
    if into.exists():
        raise _exists(into)
    with scratch(settings.state_dir) as folder, _opened(settings.database_url) as database:
        # Linked before and after: an image that the database knows is in one of the two, whenever it came or went.
        _collect(settings.state_dir, folder / STATE, images)
        snapshots.take(database, folder / DATABASE)
        _collect(settings.state_dir, folder / STATE, images)
        with database.read() as tx:
            revisions = sorted(current(tx))
        manifest = Manifest(
            format=_FORMAT, stackyard=__version__, made_at=datetime.now(UTC), cloud_id=settings.cloud_id,
            database=_kind(database), revisions=revisions,
            files={each.relative_to(folder).as_posix(): _entry(each) for each in _files(folder)},
        )  # fmt: skip
        _write(folder, manifest, into)
    return manifest


def read_manifest(archive: Path) -> Manifest:
    """What an archive says of itself. Raises BadRequest when it is none."""
    with _tar(archive) as tar:
        return _manifest(tar)


def restore(archive: Path, state_dir: Path, database_url: str | None = None) -> Manifest:
    """Make the cloud in a state folder what the archive says. `database_url`: where its database is from now on, if not
    where it was.

    Nothing is touched before the whole archive was proved whole; what was there is kept, images excepted, in
    `before-restore-<moment>.tar` in the state folder. Whoever calls holds the lock on the folder. Raises BadRequest for
    a damaged archive; Conflict while another server uses the database, or when it is not that of the folder's cloud
    and holds something, which nobody would keep; Unavailable, OSError.
    """
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = load(state_dir)
    with scratch(state_dir) as folder:
        manifest = _unpack(archive, folder)
        settings = _settings(folder, state_dir, known, database_url)
        with _opened(settings.database_url) as database:
            if _kind(database) != manifest.database:
                raise BadRequest(
                    f"The archive holds a database of the kind {manifest.database}; {_kind(database)} was chosen."
                )
            if known is None or settings.database != known.database:
                snapshots.refuse_filled(database)
            if known is not None:
                moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
                backup(known, state_dir / f"before-restore-{moment}.tar", images=False)
            snapshots.put_back(database, folder / DATABASE)
        _put_in_place(folder / STATE, state_dir)
        save(settings)
    return manifest


def _settings(folder: Path, state_dir: Path, known: Settings | None, database_url: str | None) -> Settings:
    restored = load(folder / STATE)
    if restored is None:
        raise BadRequest("The archive holds no settings.")
    chosen = database_url or (known.database if known else restored.database)
    return msgspec.structs.replace(restored, state_dir=state_dir, database=chosen)


def _kind(database: Database) -> str:
    return "sqlite" if database.is_sqlite else "postgresql"


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


# ------------------------------------------------------------------------------------------------------------ writing


def _collect(state: Path, into: Path, images: bool) -> None:
    for path in _files(state, without={*_LEFT_OUT, *([] if images else [_IMAGES])}):
        name = path.relative_to(state)
        if _is_left_out(name):
            continue
        target = into / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _keep(path, target, linked=name.parts[0] == _IMAGES)
        except FileNotFoundError:
            continue  # It went while we looked.


def _is_left_out(name: Path) -> bool:
    if name.name.endswith(_LEFT_OUT_ENDINGS) or name.name.startswith("stackyard.db"):
        return True
    return any(part.startswith(".") for part in name.parts)


def _keep(path: Path, target: Path, *, linked: bool) -> None:
    if linked and target.exists():
        return
    if linked:
        try:
            os.link(path, target)
            return
        except OSError:
            pass  # Another disk is below it: a copy does as well.
    shutil.copyfile(path, target)


def _files(folder: Path, without: Collection[str] = ()) -> Iterator[Path]:
    """The files below a folder; `without` names entries of the folder itself. Links are followed, for images may
    be on a shared disk."""
    for where, folders, names in os.walk(folder, followlinks=True):
        if Path(where) == folder:
            folders[:] = [each for each in folders if each not in without]
        for name in sorted(names):
            path = Path(where, name)
            if path.is_file():
                yield path


def _entry(path: Path) -> Entry:
    with path.open("rb") as file:
        return Entry(size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def _write(folder: Path, manifest: Manifest, into: Path) -> None:
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    with scratch(into.parent) as beside:
        partial = beside / into.name
        with _new(partial) as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for name in (MANIFEST, *manifest.files):
                    tar.add(folder / name, name, filter=_plain)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, into)
        except FileExistsError as error:
            raise _exists(into) from error  # It came meanwhile.


def _exists(path: Path) -> Conflict:
    return Conflict(f"{path} exists already.", remedy="Choose another name.")


def _new(path: Path) -> IO[bytes]:
    """A file that its owner alone can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


# ------------------------------------------------------------------------------------------------------------ reading


@contextmanager
def _tar(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive) as tar:
            yield tar
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        # More than a line is about every kind of compression that it is not.
        reason = str(error).splitlines()[0].rstrip(":")
        raise BadRequest(f"{archive} is no archive of a cloud, or was cut off: {reason}") from error


def _manifest(tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    file = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
    if file is None:
        raise BadRequest("The archive does not begin with a manifest.")
    try:
        manifest = msgspec.json.decode(file.read(), type=Manifest)
    except msgspec.DecodeError as error:
        raise BadRequest(f"The manifest of the archive cannot be read: {error}") from error
    if manifest.format != _FORMAT:
        raise BadRequest(f"The archive has format {manifest.format}; this Stackyard reads {_FORMAT}.")
    return manifest


def _unpack(archive: Path, into: Path) -> Manifest:
    """Every file of the archive in a folder, each proved by its checksum."""
    with _tar(archive) as tar:
        manifest = _manifest(tar)
        missing = dict(manifest.files)
        for member in tar:
            if member.name == MANIFEST:
                continue
            entry = missing.pop(member.name, None)
            source = tar.extractfile(member) if entry is not None and member.isreg() else None
            if entry is None or source is None or not _is_inside(member.name):
                raise BadRequest(f"The archive holds {member.name!r}, which its manifest does not name.")
            if _copied(source, into / member.name) != entry:
                raise BadRequest(f"{member.name} in the archive is not what was put there: it is damaged.")
    if missing:
        raise BadRequest(f"The archive lacks {', '.join(sorted(missing)[:5])}.")
    return manifest


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.parts[0] in (DATABASE, STATE)


def _copied(source: IO[bytes], target: Path) -> Entry:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _new(target) as file:
        shutil.copyfileobj(source, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    return _entry(target)


def _put_in_place(source: Path, state: Path) -> None:
    for path in _files(source):
        name = path.relative_to(source)
        if name.as_posix() == FILE:
            continue
        target = state / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _moved(path, target)


def _moved(path: Path, target: Path) -> None:
    """Whole or not at all, on whatever disk the target is."""
    beside = target.with_name(f".{target.name}.new")
    shutil.move(path, beside)
    beside.replace(target)
