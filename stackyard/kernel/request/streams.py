"""Bodies on their way: what a client still sends, what it is still sent, and the moment it is gone."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from concurrent.futures import Executor

from stackyard.kernel.errors import BadRequest, PayloadTooLarge, RequestTimeout
from stackyard.kernel.request.asgi import Receive

CHUNK = 256 * 1024


class Client:
    """The other end of one request. It may take at most `patience` seconds over each piece of the body that it owes.
    `waits`: it sends none before somebody asks for it, so that a refusal costs it nothing."""

    def __init__(self, receive: Receive, patience: float, *, owes: bool = True, waits: bool = False) -> None:
        self._receive = receive
        self._patience = patience
        self._complete = not owes
        #: Whether it still waits to be told to send the body: the server says "continue" when a piece is asked for.
        self.keeps_its_body = owes and waits
        self.gone = False
        self._first = b""

    async def begin(self) -> None:
        """Return when the first piece of its body is here, so that no thread need wait for it; at once for one that
        sends none before it is asked. Raises RequestTimeout."""
        if not self.keeps_its_body:
            self._first = await self.piece()

    async def piece(self) -> bytes:
        """The next piece of its body; empty when there is no more of it, or the client has left. Raises RequestTimeout
        when it does not come."""
        if first := self._first:
            self._first = b""
            return first
        while not self._complete and not self.gone:
            self.keeps_its_body = False
            try:
                async with asyncio.timeout(self._patience):
                    event = await self._receive()
            except TimeoutError:
                raise idle(self._patience) from None
            self.gone = event["type"] == "http.disconnect"
            self._complete = not self.gone and not event.get("more_body")
            if body := event.get("body"):
                return bytes(body)
        return b""

    @property
    def is_complete(self) -> bool:
        """Whether all of its body is here."""
        return self._complete and not self.gone

    async def departure(self) -> None:
        """Return when the client has left. What it still sends meanwhile is dropped."""
        while not self.gone:
            event = await self._receive()
            self.gone = event["type"] == "http.disconnect"


def idle(seconds: float) -> RequestTimeout:
    """The refusal of a client that promised a body and sends none."""
    return RequestTimeout(
        f"Nothing of the body came for {seconds:g} seconds.",
        remedy="Send the request again.",
        headers={"Connection": "close"},
    )


async def whole(client: Client, limit: int, patience: float) -> bytes:
    """The body, read into memory. Raises PayloadTooLarge, RequestTimeout when it takes longer than `patience` in all,
    and BadRequest when the client leaves before its end."""
    first = await client.piece()
    if client.is_complete:
        # Most bodies came with the head: there is nothing to wait for.
        return _within(limit, first)
    parts, size = [first], len(first)
    try:
        async with asyncio.timeout(patience):
            while size <= limit and (piece := await client.piece()):
                parts.append(piece)
                size += len(piece)
    except TimeoutError:
        raise idle(patience) from None
    _refuse_half(client)
    return _within(limit, b"".join(parts))


def _within(limit: int, body: bytes) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body has more than the {limit} bytes that are read here.", headers={"Connection": "close"}
    )


def chunks(client: Client, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """The body for a handler in a pool thread; each chunk is fetched when the handler asks, which is the
    back-pressure. Raises RequestTimeout when a chunk does not come, BadRequest when the client leaves before the
    end."""

    async def fetch() -> bytes:
        parts, size = [], 0
        while size < CHUNK and (piece := await client.piece()):
            parts.append(piece)
            size += len(piece)
        return b"".join(parts)

    while chunk := asyncio.run_coroutine_threadsafe(fetch(), loop).result():
        yield chunk
    _refuse_half(client)


def _refuse_half(client: Client) -> None:
    if client.gone:
        raise BadRequest("The connection broke off before the end of the body.")


async def outgoing(pool: Executor, parts: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    """A handler's stream, read in a pool thread, closed in every case."""
    loop, iterator = asyncio.get_running_loop(), iter(parts)
    reading: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            reading = loop.run_in_executor(pool, next, iterator, None)
            chunk = await asyncio.shield(reading)
            if chunk is None:
                return
            yield chunk
    finally:
        # A generator cannot be closed while its next chunk is being read.
        if reading is not None:
            await asyncio.wait({reading})
        if hasattr(parts, "close"):
            await loop.run_in_executor(pool, parts.close)


async def while_there(client: Client, parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The parts until they end or the client leaves, whichever is first; nothing is read for one who is gone."""
    leaving = asyncio.ensure_future(client.departure())
    try:
        while True:
            coming = asyncio.ensure_future(anext(parts, None))
            await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                coming.cancel()
                await asyncio.wait({coming})
                return
            part = coming.result()
            if part is None:
                return
            yield part
    finally:
        leaving.cancel()
        close = getattr(parts, "aclose", None)
        if close:
            await close()
