"""Where the audit trail goes: a log of the cloud's own, a file, an HTTP endpoint. Each takes encoded notifications."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from stackyard.kernel.observe.rotated import RotatedFile

log = logging.getLogger("stackyard.audit")

#: Bytes of the cloud's own trail before it is put aside, and how many of those are kept.
LOG_BYTES, LOG_FILES = 64 * 2**20, 15

#: Told how many notifications were delivered ("written") or given up ("lost").
Count = Callable[[str, int], None]


class Sink(Protocol):
    """Takes notifications, in their order, from the trail's one thread. `put` does not wait for anything slow and does
    not raise."""

    def put(self, notifications: Sequence[bytes]) -> None:
        """Take these: each JSON without newlines."""

    def reopen(self) -> None:
        """Go on in the file of that name, when another program has put the old one aside."""

    def close(self) -> None:
        """Deliver what is left, for a few seconds at most."""


def sink(name: str, folder: Path, count: Count) -> Sink:
    """The sink that a setting names: "log", "file:PATH", or a URL. Raises ValueError."""
    if name == "log":
        return Lines(RotatedFile(folder / "logs" / "audit.log", LOG_BYTES, LOG_FILES), count)
    if name.startswith("file:/"):
        return Lines(RotatedFile(Path(name.removeprefix("file:")), 0, 0), count)
    if name.startswith(("http://", "https://")):
        # Its library, requests, is 3 MB that only a cloud with such a sink needs.
        from stackyard.kernel.observe.posts import Posts

        return Posts(name, count)
    raise ValueError(f"there is no audit sink {name!r}: log, file:/PATH, http://… and https://… are offered")


class Lines:
    """A file, a line each."""

    def __init__(self, file: RotatedFile, count: Count) -> None:
        self._file = file
        self._count = count
        self._failing = False

    def put(self, notifications: Sequence[bytes]) -> None:
        """See Sink."""
        try:
            self._file.append(b"\n".join(notifications) + b"\n")
        except OSError as error:
            if not self._failing:
                log.error("the audit trail cannot be written", extra={"reason": str(error)})
            self._failing = True
            self._count("lost", len(notifications))
            return
        self._failing = False
        self._count("written", len(notifications))

    def reopen(self) -> None:
        """See Sink."""
        self._file.reopen()

    def close(self) -> None:
        """See Sink."""
        self._file.close()
