"""The requests that only change the database: one thread does them in the order they came.

They could run one at a time in any case (docs/decisions/0004-one-writer.md). A thread for each would cost more in
handing the turn to each other than the work itself does; here those that came during one commit are done in a row and
share the next, and the event loop is woken once for all of them.
"""

import asyncio
import threading
import time
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
        self._queue: SimpleQueue[_Asked | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="writes", daemon=True)
        self._thread.start()

    async def run(self, exchange: Exchange) -> Result:
        """What the request's handler returned, once it is durable. Raises what it raised."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.put(_Asked(exchange, answer))
        return await answer

    def close(self) -> None:
        """Do what has been asked, and end."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            taken = [first]
            try:
                results = self._chain.services.database.write_each(self._blocks(taken))
            except Exception as error:
                results = [error] * len(taken)
            _deliver(taken, results)

    def _blocks(self, taken: list[_Asked]) -> Iterator[Callable[[Transaction], Result]]:
        """The first one, and those that have come while others were done; each is taken when its turn has come."""
        end = time.monotonic() + self._longest
        yield self._block(taken[0].exchange)
        while time.monotonic() < end:
            try:
                asked = self._queue.get_nowait()
            except Empty:
                return
            if asked is None:
                self._queue.put(None)
                return
            taken.append(asked)
            yield self._block(asked.exchange)

    def _block(self, exchange: Exchange) -> Callable[[Transaction], Result]:
        return lambda tx: self._chain.write(exchange, tx)


def _deliver(taken: Sequence[_Asked], results: Sequence[Result | Exception]) -> None:
    """Tell those who wait, each loop once."""
    waiting = list(zip(taken, results, strict=True))
    for loop in {asked.answer.get_loop() for asked in taken}:
        loop.call_soon_threadsafe(_settle, [each for each in waiting if each[0].answer.get_loop() is loop])


def _settle(waiting: Sequence[tuple[_Asked, Result | Exception]]) -> None:
    for asked, result in waiting:
        # Whoever has gone meanwhile waits no more; what they asked for is done all the same.
        if asked.answer.done():
            continue
        if isinstance(result, Exception):
            asked.answer.set_exception(result)
        else:
            asked.answer.set_result(result)
