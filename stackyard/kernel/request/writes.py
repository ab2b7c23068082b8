"""The requests that only change the database: one thread does them in the order they came.

They could run one at a time in any case (docs/decisions/0004-one-writer.md). A thread for each would cost more in
handing the turn to each other than the work itself does; here those that came during one commit are done in a row and
share the next, and the event loop is woken once for all of them; so is the thread for all that came in one turn of
the loop.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from stackyard.kernel.request.chain import Chain, Exchange
from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.storage.database import Transaction

Result = Reply | Callable[[], Any]


class _Asked(NamedTuple):
    exchange: Exchange
    answer: "asyncio.Future[Result]"


class Writes:
    """The queue and its thread. `longest`: for how many seconds requests join those that share a commit."""

    def __init__(self, chain: Chain, longest: float = 0.01) -> None:
        self._chain = chain
        self._longest = longest
        self._coming: list[_Asked] = []
        self._queue: SimpleQueue[list[_Asked] | None] = SimpleQueue()
        #: What the thread has before it.
        self._row: deque[_Asked] = deque()
        self._thread = threading.Thread(target=self._work, name="writes", daemon=True)
        self._thread.start()

    async def run(self, exchange: Exchange) -> Result:
        """What the request's handler returned, once it is durable. Raises what it raised. For one event loop at a
        time."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        if not self._coming:
            loop.call_soon(self._hand_over)
        self._coming.append(_Asked(exchange, answer))
        return await answer

    def _hand_over(self) -> None:
        """Those that came in one turn of the loop go together: to wake the thread costs more than to do one."""
        coming, self._coming = self._coming, []
        self._queue.put(coming)

    def close(self) -> None:
        """Do what has been asked, and end."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (row := self._queue.get()) is not None:
            self._row.extend(row)
            while self._row:
                taken: list[_Asked] = []
                try:
                    results = self._chain.services.database.write_each(self._blocks(taken))
                except Exception as error:
                    results = [error] * len(taken)
                _deliver(taken, results)

    def _blocks(self, taken: list[_Asked]) -> Iterator[Callable[[Transaction], Result]]:
        """The next one, and those that are there or come while others are done; each is taken when its turn has
        come."""
        end = time.monotonic() + self._longest
        while not taken or time.monotonic() < end:
            if not self._row and not self._has_come():
                return
            taken.append(self._row.popleft())
            yield self._block(taken[-1].exchange)

    def _has_come(self) -> bool:
        try:
            row = self._queue.get_nowait()
        except Empty:
            return False
        if row is None:
            # It is the end, but only of what follows.
            self._queue.put(None)
            return False
        self._row.extend(row)
        return True

    def _block(self, exchange: Exchange) -> Callable[[Transaction], Result]:
        return lambda tx: self._chain.write(exchange, tx)


def _deliver(taken: Sequence[_Asked], results: Sequence[Result | Exception]) -> None:
    """Tell those who wait, all at once."""
    waiting = list(zip(taken, results, strict=True))
    taken[0].answer.get_loop().call_soon_threadsafe(_settle, waiting)


def _settle(waiting: Sequence[tuple[_Asked, Result | Exception]]) -> None:
    for asked, result in waiting:
        # Whoever has gone meanwhile waits no more; what they asked for is done all the same.
        if asked.answer.done():
            continue
        if isinstance(result, Exception):
            asked.answer.set_exception(result)
        else:
            asked.answer.set_result(result)
