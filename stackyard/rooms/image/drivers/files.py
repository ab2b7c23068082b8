"""Images as files in one directory: `<directory>/<key>`, and `<directory>/.partial/<key>` while they arrive."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path

from stackyard.rooms.image.driver import NoData, Stored, StoreFailed, StoreFull

CHUNK = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FileStore:
    """The store of a single machine. The directory is made when missing and is readable by its owner only."""

    name = "files"
    description = "Files on the server's disk"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._partial = directory / ".partial"
        self._partial.mkdir(mode=0o700, parents=True, exist_ok=True)

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
                    if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                        found.append(Stored(entry.name, entry.stat(follow_symlinks=False).st_size))
        return found

    def unfinished(self) -> list[str]:
        """See Store.unfinished."""
        return sorted(path.name for path in self._partial.iterdir())

    def discard(self, key: str) -> None:
        """See Store.discard."""
        with _translated():
            (self._partial / _plain(key)).unlink(missing_ok=True)


def _plain(key: str) -> str:
    if not key or key.startswith(".") or "/" in key or "\x00" in key:
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
