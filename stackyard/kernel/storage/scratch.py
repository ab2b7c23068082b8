"""A folder for work in progress, on the disk where its results shall be: what it holds can be moved or linked there.

It is gone when its user ends. What one that was killed has left behind, the next one removes: it may be as large as a
cloud, and hold its keys.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = ".archive-"


@contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """A new folder in `beside`, open to its owner only."""
    with _locked(beside):
        for left in beside.glob(f"{_PREFIX}*"):
            with suppress(OSError), _locked(left, wait=False):
                shutil.rmtree(left)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=beside))
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(lock)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Nobody else is in such a block for this folder. Not `wait`: raises BlockingIOError if somebody is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
