"""Structured logs: one JSON object a line, never a secret in it."""

import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, and what the caller gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        details = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        if record.exc_info:
            details["traceback"] = self.formatException(record.exc_info)
        return _line(record.created, record.levelname, record.name, record.getMessage(), details)


def _line(created: float, level: str, logger: str, message: str, details: Mapping[str, Any]) -> str:
    at = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
    entry = {"at": at, "level": level, "logger": logger, "message": message, **details}
    return msgspec.json.encode(entry, enc_hook=str).decode()


class Lines(logging.StreamHandler[Any]):
    """Where lines go. What is told of every request takes a short way: no record is made, filtered and formatted."""

    def tell(self, logger: str, message: str, details: Mapping[str, Any]) -> None:
        """One line at level INFO."""
        line = _line(time.time(), "INFO", logger, message, details)
        assert self.lock is not None
        with self.lock:
            try:
                self.stream.write(line + self.terminator)
                self.flush()
            except OSError:
                # As everywhere in logging: who cannot be told is no reason to fail.
                return


def tell(logger: logging.Logger, message: str, details: Mapping[str, Any]) -> None:
    """As `logger.info(message, extra=details)`; in a fraction of its time where logging is as `begin` sets it up."""
    if not logger.isEnabledFor(logging.INFO):
        return
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], Lines) and not logger.handlers:
        handlers[0].tell(logger.name, message, details)
    else:
        logger.info(message, extra=dict(details))


def begin(level: int = logging.INFO) -> None:
    """Log to standard error from here on."""
    handler = Lines(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("docker", "urllib3", "pyroute2", "alembic", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
