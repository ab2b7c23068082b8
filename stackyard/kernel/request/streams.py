"""Bodies on their way: what a client still sends, what it is still sent, and the moment it is gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from typing import Any

import falcon.asgi

from stackyard.kernel.errors import BadRequest, PayloadTooLarge, RequestTimeout

CHUNK = 256 * 1024
SCOPE = "stackyard.client"

Receive = Callable[[], Awaitable[dict[str, Any]]]


def promised(scope: Mapping[str, Any]) -> bool:
    """Whether a request's head says that a body follows."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False


def waits(scope: Mapping[str, Any]) -> bool:
    """Whether a client sends its body only when it is told to (RFC 9110, 10.1.1), as curl does with large ones."""
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])


class Client:
    """The other end of one request. It may take at most `patience` seconds over each piece of the body that it owes.
    `waits`: it sends none before somebody asks for it, so that a refusal costs it nothing."""

    def __init__(self, receive: Receive, patience: float, *, owes: bool = True, waits: bool = False) -> None:
        self._receive = receive
        self._patience = patience
        self._complete = not owes
        #: Events that were asked for of a client that waits; None for any other.
        self._asked = 0 if owes and waits else None
        self.gone = False

    @property
    def keeps_its_body(self) -> bool:
        """Whether it still waits to be told to send the body."""
        return self._asked is not None and self._asked < 2

    async def receive(self) -> dict[str, Any]:
        """The next ASGI event. Raises RequestTimeout when a piece of the body does not come."""
        if self._asked is not None:
            self._asked += 1
            if self._asked == 1:
                # Falcon wants an event before it makes a request of it; the server says "continue" at the next one.
                return {"type": "http.request", "body": b"", "more_body": True}
        if self._complete:
            event = await self._receive()
        else:
            try:
                async with asyncio.timeout(self._patience):
                    event = await self._receive()
            except TimeoutError:
                raise idle(self._patience) from None
        if event["type"] == "http.disconnect":
            self.gone = True
        elif not event.get("more_body"):
            self._complete = True
        return event

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


def client_of(req: falcon.asgi.Request) -> Client | None:
    """The client of a request; None for a request that no server received, as in tests."""
    found = req.scope.get(SCOPE)
    return found if isinstance(found, Client) else None


async def whole(req: falcon.asgi.Request, limit: int, patience: float) -> bytes:
    """The body, read into memory. Raises PayloadTooLarge, RequestTimeout when it takes longer than `patience` in all,
    and BadRequest when the client leaves before its end."""
    client = client_of(req)
    if client and client.is_complete:
        # Most bodies came with the head: there is nothing to wait for.
        return _within(limit, bytes(await req.stream.read()))
    parts, size = [], 0
    try:
        async with asyncio.timeout(patience):
            async for chunk in req.stream:
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                parts.append(chunk)
    except TimeoutError:
        raise idle(patience) from None
    _refuse_half(req)
    return b"".join(parts)


def _within(limit: int, body: bytes) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body has more than the {limit} bytes that are read here.", headers={"Connection": "close"}
    )


def chunks(req: falcon.asgi.Request, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """The body for a handler in a pool thread; each chunk is fetched when the handler asks, which is the
    back-pressure. Raises RequestTimeout when a chunk does not come, BadRequest when the client leaves before the
    end."""

    async def fetch() -> bytes:
        return bytes(await req.stream.read(CHUNK))

    while chunk := asyncio.run_coroutine_threadsafe(fetch(), loop).result():
        yield chunk
    _refuse_half(req)


def _refuse_half(req: falcon.asgi.Request) -> None:
    client = client_of(req)
    if client and client.gone:
        raise BadRequest("The connection broke off before the end of the body.")


async def outgoing(pool: Executor, parts: Iterable[bytes]) -> AsyncIterator[bytes]:
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


async def while_there(client: Client | None, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The parts until they end or the client leaves, whichever is first; nothing is read for one who is gone."""
    leaving = asyncio.ensure_future(client.departure() if client else asyncio.Future())
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
