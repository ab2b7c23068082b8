"""Where a server's threads get their claims: one of them looks for all that have nothing to do."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from stackyard.kernel.journal.run import Claim


class Desk:
    """Hands out claims to threads.

    To look for work is a transaction. So nobody looks unless something may have become ready since the last look began,
    and only one looks at a time: for all threads that have no claim.

    take: claims at most so many operations that are due.
    """

    def __init__(self, take: Callable[[int], Sequence[Claim]]) -> None:
        self._take = take
        self._condition = threading.Condition()
        self._ready: deque[Claim] = deque()
        #: How many threads have no claim.
        self._free = 0
        #: How often something may have become ready; and up to where that has been looked for.
        self._rings = self._seen = 0
        self._looking = False
        self._closed = False

    def ring(self) -> None:
        """Something may have become ready."""
        with self._condition:
            self._rings += 1
            if not self._looking:
                self._condition.notify()

    def close(self) -> None:
        """Let the threads go, once all claims are handed out that were made."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def next(self) -> Claim | None:
        """A claim for this thread, which waits for it; None when the desk is closed. Raises what `take` does."""
        with self._condition:
            self._free += 1
            # Others may have waited for what it did until now.
            self._rings += 1
            try:
                while not self._ready and not self._closed:
                    if self._looking or self._rings == self._seen:
                        self._condition.wait()
                    else:
                        self._look()
                return self._ready.popleft() if self._ready else None
            finally:
                self._free -= 1

    def _look(self) -> None:
        """Called with the lock, and gives it back; meanwhile others may ring and come."""
        self._looking = True
        wanted, seen = self._free, self._rings
        self._condition.release()
        found: Sequence[Claim] = ()
        try:
            found = self._take(wanted)
        finally:
            self._condition.acquire()
            self._looking = False
            self._ready.extend(found)
        if len(found) < wanted:
            # Otherwise there may be more than was asked for.
            self._seen = seen
        again = found and self._rings != self._seen
        self._condition.notify(max(0, len(found) - 1) + bool(again))
