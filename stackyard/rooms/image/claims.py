"""Claims: at most one live writer per image, and an end to the claim when its process ends, however it ends.

Among the processes of a machine a claim is an advisory lock on a file of its own, among the servers of a cloud a name
in their database. Both end with their holder, so that a repair anywhere sees which uploads are alive, and a killed
server leaves none behind.
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from stackyard.kernel.storage.shared_locks import SharedLocks


class Claim:
    """The right to write an image's data, held until `release` (or the end of a `with` block, or of the process)."""

    def __init__(self, path: Path, handle: int, locks: SharedLocks) -> None:
        self.path = path
        self._handle = handle
        self._locks = locks

    def stands(self) -> bool:
        """Whether nobody else can have had it since it was taken: it is lost when the database goes away."""
        return self._handle >= 0 and self._locks.stands(_name(self.path))

    def release(self) -> None:
        """Give the claim back; safe to repeat."""
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        self._locks.release(_name(self.path))
        # Removed while still locked: whoever opened it meanwhile sees that the name is gone and tries again.
        self.path.unlink(missing_ok=True)
        os.close(handle)

    def __enter__(self) -> "Claim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        # A request may be refused between taking the claim and using it.
        with suppress(OSError):
            self.release()


class Claims:
    """The claims on images of one server. `directory`: where its files are."""

    def __init__(self, directory: Path, locks: SharedLocks) -> None:
        self._directory = directory
        self._locks = locks
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take(self, image_id: str, *, patience: float = 0.0) -> Claim | None:
        """The claim on an image, or None while somebody else holds it. `patience`: for how many seconds to try again,
        for those who must not be turned away by a repair that looks in for a moment."""
        until = time.monotonic() + patience
        while True:
            claim = self._try(self._directory / image_id)
            if claim or time.monotonic() >= until:
                return claim
            time.sleep(0.02)

    def _try(self, path: Path) -> Claim | None:
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return None
            if _still_named(handle, path):
                return self._shared(Claim(path, handle, self._locks))
            os.close(handle)

    def _shared(self, claim: Claim) -> Claim | None:
        """The claim, once no other server has it."""
        try:
            taken = self._locks.take(_name(claim.path))
        except BaseException:
            claim.release()
            raise
        if not taken:
            claim.release()
        return claim if taken else None


def _name(path: Path) -> str:
    return f"image {path.name}"


def _still_named(handle: int, path: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
