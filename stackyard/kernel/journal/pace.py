"""How long the journal waits and how often it tries, and which failures are worth a try at all."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from stackyard.kernel.errors import ApiError, InsufficientStorage, Unavailable
from stackyard.kernel.steps import Refused, Transient


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The journal's patience.

    lease: how long a claim lasts without a heartbeat. first_delay, longest_delay: the pause before a failed step is
    tried again doubles from the one to the other. unexpected_tries: how often a step that raises an error nobody
    foresaw is tried. undo_tries: how often an undo is tried before the operation is a dead letter. crashes: how often
    the server may die in an operation without any step getting done. grace: how long a call may go on after it was
    told to end, before its operation goes on without it. jitter: a random number from 0 to 1.
    """

    lease: timedelta = timedelta(seconds=30)
    first_delay: timedelta = timedelta(seconds=0.2)
    longest_delay: timedelta = timedelta(seconds=30)
    unexpected_tries: int = 3
    undo_tries: int = 10
    crashes: int = 5
    grace: timedelta = timedelta(seconds=10)
    jitter: Callable[[], float] = random.random

    def delay(self, tries: int) -> timedelta:
        """The pause after the `tries`th failure in a row: doubled each time, up to a quarter off at random."""
        full = min(self.first_delay * (1 << min(tries - 1, 20)), self.longest_delay)
        return full * (1 - self.jitter() / 4)


def is_transient(error: Exception) -> bool | None:
    """Whether a failure is worth trying again: yes, no, or None for an error that nobody foresaw.

    An error says so itself by an attribute `transient`, by its base (`Transient`, `Refused`), or, raised by a rule, by
    its HTTP status.
    """
    declared = getattr(error, "transient", None)
    if isinstance(declared, bool):
        return declared
    if isinstance(error, Transient | Unavailable | InsufficientStorage):
        return True
    if isinstance(error, Refused | ApiError):
        return False
    return None


def told(error: BaseException) -> str:
    """An error as a reason for people: its own text; the class too where nobody wrote the text for them."""
    if isinstance(error, ApiError):
        return error.message
    text = str(error).strip()
    if isinstance(error, Exception) and is_transient(error) is None:
        return f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text or type(error).__name__
