"""The edge: Falcon's ASGI side hands every request to the chain and sends its answer. The only asynchronous code here.

Reads that touch only the database run on the event loop's thread (measured faster than a hop to a pool), writes that
touch only the database in one of their own (writes.py); everything else runs in bounded pools, so that slow drivers and
hashing never hold up a read.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

import falcon
import falcon.asgi
import msgspec

from stackyard.kernel import logs
from stackyard.kernel.errors import ApiError, RequestTimeout, Unavailable
from stackyard.kernel.observe.pages import Page
from stackyard.kernel.request import presented, representation, streams
from stackyard.kernel.request.chain import BODY_LIMIT, Chain, Exchange, reads_only, writes_only
from stackyard.kernel.request.cors import Origins
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.request.pages import Pages
from stackyard.kernel.request.proxies import Proxies
from stackyard.kernel.request.writes import Writes

access = logging.getLogger("stackyard.access")
#: Seconds that a client may take over each piece of a streamed body, and over the whole of any other.
PATIENCE = 60.0
#: Requests for pages beside the services that are answered at once: a database that hangs must not pile them up.
MOST_LOOKING = 64


class Front:
    """The cloud as an ASGI application."""

    def __init__(
        self,
        chain: Chain,
        *,
        patience: float = PATIENCE,
        most: int = 512,
        origins: Sequence[str] = (),
        proxies: Sequence[str] = (),
        certificate_header: str = "",
        beside: Mapping[str, Page] | None = None,
    ) -> None:
        """`patience`: see PATIENCE. `most`: requests answered at once. `origins`: see Origins. `proxies`: see
        Proxies. `certificate_header`: in which they pass on the client's certificate. `beside`: pages that are answered
        whatever else goes on."""
        self.chain = chain
        self.patience = patience
        self.most = most
        self.origins = Origins(origins)
        self.proxies = Proxies(proxies)
        self.certificate_header = certificate_header.lower()
        self.beside = beside or {}
        self.at_once = 0
        #: Awaited for each request once it is known what it asks for; raises ApiError to refuse it. For tests.
        self.gate: Callable[[Exchange], Awaitable[None]] | None = None
        self.writes = Writes(chain)
        self.pool = ThreadPoolExecutor(16, "handler")
        self.slow_pool = ThreadPoolExecutor(48, "driver-handler")
        self.page_pool = ThreadPoolExecutor(4, "page")
        self.looking = 0
        # An empty answer must not call itself JSON: clients would try to read it.
        self.app = falcon.asgi.App(media_type=falcon.MEDIA_TEXT)
        self.app.add_sink(self.serve, "/")
        self.pages = Pages(chain)

    async def __call__(self, scope: dict[str, Any], receive: streams.Receive, send: Any) -> None:
        """The ASGI entry."""
        client = streams.Client(receive, self.patience, owes=streams.promised(scope), waits=streams.waits(scope))
        scope[streams.SCOPE] = client
        try:
            await self.app(scope, client.receive, send)
        except RequestTimeout as error:
            # Before the first piece of the body there is no request yet that could be refused in a room's words.
            await _refuse(send, error)

    async def serve(self, req: falcon.asgi.Request, resp: falcon.asgi.Response | None, **params: Any) -> None:
        """One request, from socket to answer."""
        assert resp is not None
        started = time.perf_counter()
        exchange = Exchange(request=_request(req, self.chain.services.settings.base_url, self.proxies))
        exchange.request.certificate = self._certificate(req, exchange.request)
        self.chain.services.observer.asked(exchange)
        self.at_once += 1
        try:
            if (page := self.beside.get(exchange.request.path)) is not None:
                reply = await self._page(page, exchange.request)
            else:
                reply = self._before_services(exchange.request) or await self._answer(exchange, req)
        except ApiError as error:
            reply = self.chain.refusal(exchange, error)
        except Exception as error:
            reply = self.chain.failure(exchange, error)
        finally:
            self.at_once -= 1
        self.chain.finish(exchange, reply)
        await self._send(req, resp, exchange.request, reply)
        seconds = time.perf_counter() - started
        self.chain.services.observer.answered(exchange, reply, seconds)
        _log(exchange, reply, seconds)

    async def _page(self, page: Page, request: Request) -> Reply:
        if not page.blocking:
            return page.for_(request)
        if self.looking >= MOST_LOOKING:
            raise Unavailable("Too many ask how the server is.", remedy="Try again in a moment.")
        self.looking += 1
        try:
            # Threads of their own: those for handlers may all be busy when somebody asks how things stand.
            return await asyncio.get_running_loop().run_in_executor(self.page_pool, page.for_, request)
        finally:
            self.looking -= 1

    def _certificate(self, req: falcon.asgi.Request, request: Request) -> bytes | None:
        """The client's certificate: a trusted proxy's own is not its client's."""
        if not request.proxied:
            return presented.on_connection(req.scope)
        name = self.certificate_header
        return presented.in_header(request.headers.get(name, "")) if name else None

    def _before_services(self, request: Request) -> Reply | None:
        """What is answered before any service is asked. Raises Unavailable when too much is going on."""
        if self.at_once > self.most:
            raise Unavailable(
                f"{self.most} requests are being answered, as many as this server takes at once.",
                remedy="Try again in a moment.",
                headers={"Retry-After": "1"},
            )
        return self.origins.preflight(request) or self.pages.answer(request)

    async def _send(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, request: Request, reply: Reply) -> None:
        self.origins.mark(request, reply)
        client = streams.client_of(req)
        if client is not None and client.keeps_its_body:
            # Whether it sends the body all the same is not known: what comes next on the connection could be either.
            reply.headers["Connection"] = "close"
        stream, data = _stream(self, req, reply), _data(reply)
        if data is not None and reply.status == 200 and request.method in ("GET", "HEAD"):
            data = representation.unless_known(request, reply, data)
        if representation.wants_gzip(request, reply):
            if stream is not None:
                reply.headers["Content-Encoding"], stream = "gzip", representation.compressing(stream)
            elif data is not None and len(data) >= representation.LEAST:
                reply.headers["Content-Encoding"], data = "gzip", await self._compressed(data)
        resp.status, resp.stream, resp.data = reply.status, stream, data
        if stream is not None or data is not None or reply.stream is not None:
            resp.content_type = reply.content_type
        for name, value in reply.headers.items():
            # Falcon sets no cookies by this name, but appends them.
            (resp.append_header if name == "Set-Cookie" else resp.set_header)(name, value)

    async def _compressed(self, data: bytes) -> bytes:
        if len(data) < representation.LARGE:
            return representation.compressed(data)
        return await asyncio.get_running_loop().run_in_executor(self.pool, representation.compressed, data)

    async def _answer(self, exchange: Exchange, req: falcon.asgi.Request) -> Reply:
        self.chain.route(exchange)
        if self.gate is not None:
            await self.gate(exchange)
        # Who goes on to read does so in the snapshot in which the token was good; for others it is one look-up.
        at_once = reads_only(exchange)
        with self.chain.services.database.read(held=at_once) as tx:
            endpoint = self.chain.admit(exchange, tx)
            if at_once:
                self.chain.receive(exchange, b"")
                result = self.chain.handle(exchange, tx)
                if isinstance(result, Reply):
                    return result
                raise TypeError(f"{endpoint.method} {endpoint.path} reads the database only, yet returned a function")
        if endpoint.stream:
            exchange.request.stream = streams.chunks(req, asyncio.get_running_loop())
            self.chain.receive(exchange, b"")
        else:
            self.chain.receive(exchange, await streams.whole(req, BODY_LIMIT, self.patience))
        loop = asyncio.get_running_loop()
        if writes_only(endpoint):
            result = await self.writes.run(exchange)
            if isinstance(result, Reply):
                return result
            return await loop.run_in_executor(self.pool, self.chain.complete, exchange, result)
        slow = endpoint.stream or endpoint.reads == "driver"
        return await loop.run_in_executor(self.slow_pool if slow else self.pool, self.chain.run, exchange)

    def begin_closing(self) -> None:
        """End what would stay open: watches. From any thread."""
        self.chain.bell.close()

    def close(self) -> None:
        """End the pools; running handlers finish."""
        self.begin_closing()
        self.writes.close()
        self.pool.shutdown(wait=True)
        self.page_pool.shutdown(wait=True, cancel_futures=True)
        self.slow_pool.shutdown(wait=True, cancel_futures=True)


def _request(req: falcon.asgi.Request, base_url: str, proxies: Proxies) -> Request:
    try:
        length = req.content_length
    except falcon.HTTPError:
        length = None
    path = req.path.rstrip("/") or "/"
    slash = len(req.path) > len(path)
    headers = req.headers_lower
    address, proxied = proxies.client(_peer(req), headers)
    return Request(
        method=req.method,
        path=path,
        base_url=base_url,
        headers=headers,
        raw_query=parse_qsl(req.query_string, keep_blank_values=True) if req.query_string else [],
        query_string=req.query_string,
        content_length=length,
        remote_address=address,
        proxied=proxied,
        trailing_slash=slash,
    )


def _peer(req: falcon.asgi.Request) -> str:
    """The other end of the connection."""
    client = req.scope.get("client")
    return str(client[0]) if client else req.remote_addr


async def _refuse(send: Any, error: ApiError) -> None:
    body = msgspec.json.encode({"error": {"code": error.status, "title": error.title, "message": error.message}})
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def _stream(front: Front, req: falcon.asgi.Request, reply: Reply) -> AsyncIterator[bytes] | None:
    """What the client is sent piece by piece, for as long as it is there."""
    if reply.events is not None:
        return streams.while_there(streams.client_of(req), reply.events)
    if reply.stream is not None and req.method == "HEAD":
        if hasattr(reply.stream, "close"):
            reply.stream.close()
    elif reply.stream is not None:
        return streams.while_there(streams.client_of(req), streams.outgoing(front.slow_pool, reply.stream))
    return None


def _data(reply: Reply) -> bytes | None:
    if reply.status in (204, 304) or reply.stream is not None or reply.events is not None:
        return None
    if reply.data is None and reply.body is not None:
        return representation.json_of(reply.body)
    return reply.data


def _log(exchange: Exchange, reply: Reply, seconds: float) -> None:
    request, caller = exchange.request, exchange.caller
    details = {
        "request_id": exchange.request_id, "method": request.method, "path": request.path, "status": reply.status,
        "ms": round(seconds * 1000, 1), "user_id": caller.user_id, "project_id": caller.project_id,
    }  # fmt: skip
    logs.tell(access, "request", details)
