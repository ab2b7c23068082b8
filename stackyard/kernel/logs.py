"""Structured logs: one JSON object a line, never a secret in it."""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from stackyard.kernel.observe.rotated import RotatedFile

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
#: Bytes of a log before it is put aside, and how many of those are kept.
MOST, KEPT = 64 * 2**20, 5
#: Seconds for which lines about requests wait for one another.
MOMENT = 0.02

_ABOUT: ContextVar[Mapping[str, str | None]] = ContextVar("LOGGED_ABOUT", default=MappingProxyType({}))


@contextmanager
def about(**ids: str | None) -> Iterator[None]:
    """What is logged in this block, in this thread, carries these ids."""
    token = _ABOUT.set(ids)
    try:
        yield
    finally:
        _ABOUT.reset(token)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, what the work under way is about, and what the caller
    gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        given = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        details = {**_ABOUT.get(), **given}
        if record.exc_info:
            details["traceback"] = self.formatException(record.exc_info)
        return _line(record.created, record.levelname, record.name, record.getMessage(), details).decode()


def _line(created: float, level: str, logger: str, message: str, details: Mapping[str, Any]) -> bytes:
    at = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
    entry = {"at": at, "level": level, "logger": logger, "message": message, **details}
    return msgspec.json.encode(entry, enc_hook=str)


class Lines(logging.Handler):
    """Where lines go, each whole. What is told of every request takes a short way: no record is made, filtered and
    formatted, and lines of the same moment are written together, by a thread of their own. Records are written at once,
    after them. What cannot be written (a full disk) is lost, and work goes on."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        """`write`: takes encoded lines, from any thread."""
        super().__init__()
        self._write = write
        self._told: deque[bytes] = deque()
        self._is_due = False
        self._due = threading.Event()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            self.flush()
            self._write(self.format(record).encode() + b"\n")
        except Exception:
            self.handleError(record)

    def tell(self, logger: str, message: str, details: Mapping[str, Any]) -> None:
        """One line at level INFO, written within MOMENT."""
        self._told.append(_line(time.time(), "INFO", logger, message, details) + b"\n")
        if not self._is_due:
            self._is_due = True
            self._begin_writing()
            self._due.set()

    def flush(self) -> None:
        """Write what has been told."""
        with self._writing:
            lines = b"".join(self._told.popleft() for _ in range(len(self._told)))
            try:
                if lines:
                    self._write(lines)
            except OSError:
                # As everywhere in logging: who cannot be told is no reason to fail.
                return

    def _begin_writing(self) -> None:
        with self._writing:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_together, name="log", daemon=True)
                self._thread.start()

    def _write_together(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            time.sleep(MOMENT)
            # First this, then the lines: one that is told in between makes it due again.
            self._is_due = False
            self.flush()


def tell(logger: logging.Logger, message: str, details: Mapping[str, Any]) -> None:
    """As `logger.info(message, extra=details)`; in a fraction of its time where logging is as `begin` sets it up."""
    if not logger.isEnabledFor(logging.INFO):
        return
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], Lines) and not logger.handlers:
        handlers[0].tell(logger.name, message, details)
    else:
        logger.info(message, extra=dict(details))


def begin(file: Path | None = None, level: int = logging.INFO) -> Callable[[], None]:
    """Log from here on: to a file that is put aside when it is full, and takes what the process prints as well, or to
    standard error. Returns what goes on in the file of that name, when another program has put the old one aside."""
    kept = RotatedFile(file, MOST, KEPT, opened=_print_there) if file is not None else None
    handler = Lines(kept.append if kept is not None else _print)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("docker", "urllib3", "pyroute2", "alembic", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return kept.reopen if kept is not None else lambda: None


def _print(lines: bytes) -> None:
    sys.stderr.write(lines.decode())
    sys.stderr.flush()


def _print_there(descriptor: int) -> None:
    os.dup2(descriptor, sys.__stdout__.fileno() if sys.__stdout__ else 1)
    os.dup2(descriptor, sys.__stderr__.fileno() if sys.__stderr__ else 2)
