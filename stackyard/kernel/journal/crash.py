"""The one place where tests make a step wait or fail, or a server die: between a step's effect and its record.

A hook is called with the operation, the step and the moment. In process, a test raises from it
(`stackyard.testing.faults`); a real server takes one crash from its environment, by either of two ways:
STACKYARD_CRASH_AT="<action>:<step>:<moment>" and STACKYARD_CRASH_MARKER, a file that is made just before, so that the
restarted server does not die again; or STACKYARD_CRASH_FILE, a file that may come at any time, holds such a text and is
removed just before.
"""

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from stackyard.kernel.storage.database import Record

#: Before the step does anything; after its effect but before its record; after its record.
BEFORE, AFTER_EFFECT, AFTER_RECORD = "before", "after_effect", "after_record"
MOMENTS = (BEFORE, AFTER_EFFECT, AFTER_RECORD)

CrashHook = Callable[[Record, str, str], None]


def from_environment(environment: Mapping[str, str]) -> CrashHook | None:
    """The crash that the environment asks for, or None. Raises ValueError for a moment that does not exist."""
    if file := environment.get("STACKYARD_CRASH_FILE"):
        return _armed_by(file)
    asked = environment.get("STACKYARD_CRASH_AT")
    if not asked:
        return None
    action, rest = asked.split(":", 1)
    step, moment = rest.rsplit(":", 1)
    if moment not in MOMENTS:
        raise ValueError(f"STACKYARD_CRASH_AT={asked!r}: the moment must be one of {', '.join(MOMENTS)}")
    marker = environment.get("STACKYARD_CRASH_MARKER", "")

    def die(operation: Record, *where: str) -> None:
        if (operation.action, *where) == (action, step, moment) and _first_time(marker):
            os.kill(os.getpid(), signal.SIGKILL)

    return die


def _armed_by(file: str) -> CrashHook:
    def die(operation: Record, *where: str) -> None:
        try:
            armed = Path(file).read_text()
        except FileNotFoundError:
            return
        if armed == ":".join((operation.action, *where)):
            Path(file).unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    return die


def _first_time(marker: str) -> bool:
    if not marker:
        return True
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True
