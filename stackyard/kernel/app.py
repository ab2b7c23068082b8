"""The edge: Falcon's ASGI side hands every request to the chain and sends its answer. The only asynchronous code here.

Reads that touch only the database run on the event loop's thread (measured faster than a hop to a pool); everything
else runs in bounded pools, so that slow drivers and hashing never hold up a read.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

import falcon
import falcon.asgi
import msgspec

from stackyard.kernel.chain import BODY_LIMIT, Chain, Exchange
from stackyard.kernel.errors import ApiError, BadRequest, PayloadTooLarge
from stackyard.kernel.exchange import Reply, Request

access = logging.getLogger("stackyard.access")
CHUNK = 256 * 1024
_GONE = "stackyard.gone"

Receive = Callable[[], Awaitable[dict[str, Any]]]


class Front:
    """The cloud as an ASGI application."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.pool = ThreadPoolExecutor(16, "handler")
        self.slow_pool = ThreadPoolExecutor(48, "driver-handler")
        # An empty answer must not call itself JSON: clients would try to read it.
        self.app = falcon.asgi.App(media_type=falcon.MEDIA_TEXT)
        self.app.add_sink(self.serve, "/")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Any) -> None:
        """The ASGI entry. Falcon's body stream ends quietly when the client is gone; here that is noted."""

        async def noting() -> dict[str, Any]:
            event = await receive()
            if event["type"] == "http.disconnect":
                scope[_GONE] = True
            return event

        await self.app(scope, noting, send)

    async def serve(self, req: falcon.asgi.Request, resp: falcon.asgi.Response | None, **params: Any) -> None:
        """One request, from socket to answer."""
        assert resp is not None
        started = time.perf_counter()
        exchange = Exchange(request=_request(req, self.chain.services.settings.base_url))
        try:
            reply = await self._answer(exchange, req)
        except ApiError as error:
            reply = self.chain.refusal(exchange, error)
        except Exception as error:
            reply = self.chain.failure(exchange, error)
        self.chain.finish(exchange, reply)
        _send(self, req, resp, reply)
        _log(exchange, reply, started)

    async def _answer(self, exchange: Exchange, req: falcon.asgi.Request) -> Reply:
        with self.chain.services.database.read() as tx:
            endpoint = self.chain.admit(exchange, tx)
            if endpoint.reads == "database" and not endpoint.before and exchange.request.method in ("GET", "HEAD"):
                self.chain.receive(exchange, b"")
                result = self.chain.handle(exchange, tx)
                if isinstance(result, Reply):
                    return result
                raise TypeError(f"{endpoint.method} {endpoint.path} reads the database only, yet returned a function")
        if endpoint.stream:
            exchange.request.stream = _chunks(req, asyncio.get_running_loop())
            self.chain.receive(exchange, b"")
        else:
            self.chain.receive(exchange, await _body(req))
        slow = endpoint.stream or endpoint.reads == "driver"
        return await asyncio.get_running_loop().run_in_executor(
            self.slow_pool if slow else self.pool, self.chain.run, exchange
        )

    def close(self) -> None:
        """End the pools; running handlers finish."""
        self.pool.shutdown(wait=True)
        self.slow_pool.shutdown(wait=True, cancel_futures=True)


def _request(req: falcon.asgi.Request, base_url: str) -> Request:
    try:
        length = req.content_length
    except falcon.HTTPError:
        length = None
    path = req.path.rstrip("/") or "/"
    slash = len(req.path) > len(path)
    return Request(
        method=req.method,
        path=path,
        base_url=base_url,
        headers={name.lower(): value for name, value in req.headers.items()},
        raw_query=parse_qsl(req.query_string, keep_blank_values=True),
        content_length=length,
        remote_address=req.remote_addr,
        trailing_slash=slash,
    )


async def _body(req: falcon.asgi.Request) -> bytes:
    parts, size = [], 0
    async for chunk in req.stream:
        size += len(chunk)
        if size > BODY_LIMIT:
            raise PayloadTooLarge(f"The body has more than the {BODY_LIMIT} bytes that are read here.")
        parts.append(chunk)
    return b"".join(parts)


def _chunks(req: falcon.asgi.Request, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """The body for a handler in a pool thread; each chunk is fetched when the handler asks, which is the
    back-pressure."""

    async def fetch() -> bytes:
        return bytes(await req.stream.read(CHUNK))

    while chunk := asyncio.run_coroutine_threadsafe(fetch(), loop).result():
        yield chunk
    if req.scope.get(_GONE):
        raise BadRequest("The connection broke off before the end of the body.")


def _send(front: Front, req: falcon.asgi.Request, resp: falcon.asgi.Response, reply: Reply) -> None:
    resp.status = reply.status
    for name, value in reply.headers.items():
        resp.set_header(name, value)
    if reply.stream is not None:
        resp.content_type = reply.content_type
        if req.method != "HEAD":
            resp.stream = _streamed(front, reply.stream)
        elif hasattr(reply.stream, "close"):
            reply.stream.close()
        return
    data = reply.data
    if data is None and reply.body is not None:
        data = msgspec.json.encode(reply.body)
    if data is None or reply.status in (204, 304):
        return
    resp.content_type = reply.content_type
    resp.data = data


async def _streamed(front: Front, chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    loop, iterator = asyncio.get_running_loop(), iter(chunks)
    try:
        while (chunk := await loop.run_in_executor(front.slow_pool, next, iterator, None)) is not None:
            yield chunk
    finally:
        if hasattr(chunks, "close"):
            await loop.run_in_executor(front.slow_pool, chunks.close)


def _log(exchange: Exchange, reply: Reply, started: float) -> None:
    access.info(
        "request",
        extra={
            "request_id": exchange.request_id,
            "method": exchange.request.method,
            "path": exchange.request.path,
            "status": reply.status,
            "ms": round((time.perf_counter() - started) * 1000, 1),
            "user_id": exchange.caller.user_id,
            "project_id": exchange.caller.project_id,
        },
    )
