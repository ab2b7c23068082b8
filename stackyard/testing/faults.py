"""Faults on purpose: steps that fail, repeat, or in which the server dies, for tests of durable operations.

A `Faults` is given to the journal's `Workers` as their crash hook::

    faults = Faults()
    faults.fail("create", "wire the sandbox", Transient("no answer"), times=2)
    faults.crash("create", "start", "after_effect")
    workers = Workers(services, book, threads=0, crash_hook=faults)
    with pytest.raises(ServerDied):
        workers.run_all()
"""

from collections import Counter
from collections.abc import Callable

from stackyard.kernel.journal.crash import BEFORE, MOMENTS
from stackyard.kernel.storage.database import Record


class ServerDied(BaseException):
    """The process ends here: nothing after this point happened. Not an Exception, so that no handler sees it."""


class Faults:
    """What is to go wrong where. A place is an action, a step and a moment: before, after_effect or after_record."""

    def __init__(self) -> None:
        self._planned: dict[tuple[str, str, str], list[Callable[[], None]]] = {}
        self.reached: Counter[tuple[str, str, str]] = Counter()

    def __call__(self, operation: Record, step: str, moment: str) -> None:
        """The hook: counts the place, and does what is planned for it."""
        place = (operation.action, step, moment)
        self.reached[place] += 1
        waiting = self._planned.get(place)
        if waiting:
            waiting.pop(0)()

    def fail(self, action: str, step: str, error: Exception, *, times: int = 1, moment: str = BEFORE) -> None:
        """Raise `error` the next `times` times the place is reached."""
        for _ in range(times):
            self.do(action, step, moment, lambda: _raise(error))

    def crash(self, action: str, step: str, moment: str) -> None:
        """Let the server die there, once."""
        self.do(action, step, moment, lambda: _raise(ServerDied(f"{action}:{step}:{moment}")))

    def do(self, action: str, step: str, moment: str, what: Callable[[], None]) -> None:
        """Call `what` there, once: something that happens at the same time elsewhere. Raises ValueError."""
        if moment not in MOMENTS:
            raise ValueError(f"{moment!r} is none of {', '.join(MOMENTS)}")
        self._planned.setdefault((action, step, moment), []).append(what)

    @property
    def pending(self) -> list[tuple[str, str, str]]:
        """The places with faults that have not happened: a test checks that there are none left."""
        return [place for place, waiting in self._planned.items() if waiting]


def _raise(error: BaseException) -> None:
    raise error
