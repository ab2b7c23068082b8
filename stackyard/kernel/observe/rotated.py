"""A file of lines that does not grow for ever: at its limit it is put aside, and the oldest of those is forgotten."""

import os
import threading
from collections.abc import Callable
from pathlib import Path


class RotatedFile:
    """Appends lines, each whole, to a file for its owner only. most: bytes, 0: no limit. keep: how many full ones are
    kept, as NAME.1 (the newest) and so on. opened(descriptor): called whenever another file has been opened."""

    def __init__(
        self, path: Path, most: int, keep: int, opened: Callable[[int], None] = lambda descriptor: None
    ) -> None:
        self._path = path
        self._most = most
        self._keep = keep
        self._opened = opened
        self._lock = threading.Lock()
        self._file = -1
        self._open()

    def append(self, lines: bytes) -> None:
        """Write lines that end with a newline. Raises OSError."""
        with self._lock:
            if self._most and self._size + len(lines) > self._most and self._size:
                self._put_aside()
            os.write(self._file, lines)
            self._size += len(lines)

    def reopen(self) -> None:
        """Go on in the file that has the name now: another program has put the old one aside."""
        with self._lock:
            self._open()

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            os.close(self._file)

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh, before = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), self._file
        os.fchmod(fresh, 0o600)
        self._file, self._size = fresh, os.fstat(fresh).st_size
        if before != -1:
            os.close(before)
        self._opened(fresh)

    def _put_aside(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            older = self._aside(number)
            if older.exists():
                older.replace(self._aside(number + 1))
        if self._keep:
            self._path.replace(self._aside(1))
        else:
            self._path.unlink()
        self._open()

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
