"""Images as files in one directory: `<directory>/<key>`, and `<directory>/.partial/<key>` while they arrive."""

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path

from stackyard.rooms.image.driver import NoData, Stored, StoreFailed, StoreFull

CHUNK = 1 << 20
#: The file with the store's id. It is no image's key, and goes into backups with the images.
ID = "store.id"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FileStore:
    """The store of one machine, or of those that share the directory. It is made when missing and is readable by its
    owner only."""

    name = "files"
    description = "Files on the server's disk"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._partial = directory / ".partial"
        self._partial.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.id = _id(directory)

    def put(self, key: str, chunks: Iterator[bytes]) -> int:
        """See Store.put: written aside, flushed to the disk, then renamed."""
        aside = self._partial / _plain(key)
        try:
            with _translated():
                file = aside.open("wb", buffering=0)
            with file:
                size = _write(file, chunks)
            with _translated():
                aside.rename(self._directory / key)
                _flush_names(self._directory)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        return size

    def open(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See Store.open."""
        try:
            with _translated():
                file = (self._directory / _plain(key)).open("rb", buffering=0)
        except FileNotFoundError:
            raise NoData(f"The store has no data under '{key}'.") from None
        return _read(file, offset, length)

    def size(self, key: str) -> int | None:
        """See Store.size."""
        try:
            return (self._directory / _plain(key)).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        """See Store.delete."""
        with _translated():
            (self._directory / _plain(key)).unlink(missing_ok=True)

    def inventory(self) -> list[Stored]:
        """See Store.inventory."""
        found = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                # A file deleted between the listing and the look at it is simply not there.
                with suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False) and _is_key(entry.name):
                        found.append(Stored(entry.name, entry.stat(follow_symlinks=False).st_size))
        return found

    def unfinished(self) -> list[str]:
        """See Store.unfinished."""
        return sorted(path.name for path in self._partial.iterdir())

    def discard(self, key: str) -> None:
        """See Store.discard."""
        with _translated():
            (self._partial / _plain(key)).unlink(missing_ok=True)


def _id(directory: Path) -> str:
    """The id in the directory, made when there is none: whole, and the same for all that come at the same time."""
    path = directory / ID
    if not path.exists():
        scratch = directory / f".{ID}.{uuid.uuid4().hex}"
        scratch.write_text(uuid.uuid4().hex)
        with suppress(FileExistsError):
            path.hardlink_to(scratch)
        scratch.unlink()
    return path.read_text().strip()


def _is_key(name: str) -> bool:
    return bool(name) and name != ID and not name.startswith(".") and "/" not in name and "\x00" not in name


def _plain(key: str) -> str:
    if not _is_key(key):
        raise ValueError(f"'{key}' is not a key of an image store")
    return key


def _write(file: RawIOBase, chunks: Iterator[bytes]) -> int:
    size = 0
    for chunk in chunks:
        # Only the disk's own errors become the store's: a broken connection is an OSError too.
        with _translated():
            _write_all(file, chunk)
        size += len(chunk)
    with _translated():
        os.fsync(file.fileno())
    return size


def _write_all(file: RawIOBase, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) or 0 :]


def _read(file: RawIOBase, offset: int, length: int | None) -> Iterator[bytes]:
    with file:
        file.seek(offset)
        left = length
        while left is None or left > 0:
            with _translated():
                chunk = file.read(CHUNK if left is None else min(CHUNK, left))
            if not chunk:
                return
            left = None if left is None else left - len(chunk)
            yield chunk


def _flush_names(directory: Path) -> None:
    # Without this a power cut could forget the rename after the database has remembered the image.
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull(os.strerror(error.errno or 0)) from error
        raise StoreFailed(os.strerror(error.errno or 0)) from error
