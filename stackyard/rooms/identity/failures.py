"""The last failures to log in, in a file: what a server that is killed must not forget, or its guessers had all their
attempts again.

The file has a place for each of the last `KEPT`, which are taken in turn: it never grows beyond that and is never
written anew. It is left to the system when the disk has it, since the death of a process loses nothing that was handed
over, and a failure must not cost a stranger's victim a wait for the disk.
"""

import logging
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("stackyard.identity")
FILE = "failures"
KEPT = 20_000
#: Which one it is, counted from 1; when, in seconds since 1970; and the marks of address and user.
_RECORD = struct.Struct("<Qd16s16s")
_NUMBERS = range(1, 1 << 63)

Marks = tuple[str, str]


class Failures:
    """The file in a state folder."""

    def __init__(self, state_dir: Path, now: Callable[[], float] = time.time) -> None:
        self._path = state_dir / FILE
        self._now = now
        self._lock = threading.Lock()
        self._next = 1

    def recent(self, seconds: float) -> list[tuple[float, Marks]]:
        """Those of the last so many seconds, the oldest first, each with how long ago it was. New ones are written
        behind the newest there is."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        whole = content[: len(content) // _RECORD.size * _RECORD.size]
        records = [each for each in _RECORD.iter_unpack(whole) if each[0] in _NUMBERS]
        self._next = max((number for number, *_ in records), default=0) + 1
        # A clock that was put back since makes nothing go away.
        now = self._now()
        found = [(max(0.0, now - at), (address.hex(), user.hex())) for _, at, address, user in records]
        return sorted((each for each in found if each[0] <= seconds), reverse=True)

    def add(self, marks: Marks) -> None:
        """One has failed now. When the disk does not take it, the memory of this process has to do."""
        with self._lock:
            number, self._next = self._next, self._next + 1
        record = _RECORD.pack(number, self._now(), *map(bytes.fromhex, marks))
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.pwrite(descriptor, record, number % KEPT * _RECORD.size)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("a failed log-in was not written down", extra={"reason": error.strerror})
