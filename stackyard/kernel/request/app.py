"""The edge: every request goes to the chain, and its answer is sent. The only asynchronous code here.

Reads that touch only the database run on the event loop's thread (measured faster than a hop to a pool), writes that
touch only the database in one of their own (writes.py); everything else runs in bounded pools, so that slow drivers and
hashing never hold up a read.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

from stackyard.kernel import logs
from stackyard.kernel.errors import ApiError, Unavailable
from stackyard.kernel.observe.pages import Page
from stackyard.kernel.request import asgi, presented, representation, streams
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
        self.pages = Pages(chain)

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """One request, from socket to answer."""
        started = time.perf_counter()
        client = streams.Client(receive, self.patience, owes=asgi.promised(scope), waits=asgi.waits(scope))
        exchange = Exchange(request=_request(scope, self.chain.services.settings.base_url, self.proxies))
        exchange.request.certificate = self._certificate(scope, exchange.request)
        self.chain.services.observer.asked(exchange)
        self.at_once += 1
        try:
            if (page := self.beside.get(exchange.request.path)) is not None:
                reply = await self._page(page, exchange.request)
            else:
                reply = self._before_services(exchange.request) or await self._answer(exchange, client)
        except ApiError as error:
            reply = self.chain.refusal(exchange, error)
        except Exception as error:
            reply = self.chain.failure(exchange, error)
        finally:
            self.at_once -= 1
        self.chain.finish(exchange, reply)
        await self._send(send, client, exchange.request, reply)
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

    def _certificate(self, scope: asgi.Scope, request: Request) -> bytes | None:
        """The client's certificate: a trusted proxy's own is not its client's."""
        if not request.proxied:
            return presented.on_connection(scope)
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

    async def _send(self, send: asgi.Send, client: streams.Client, request: Request, reply: Reply) -> None:
        self.origins.mark(request, reply)
        if client.keeps_its_body:
            # Whether it sends the body all the same is not known: what comes next on the connection could be either.
            reply.headers["Connection"] = "close"
        stream, data = _stream(self, client, request, reply), _data(reply)
        if data is not None and reply.status == 200 and request.method in ("GET", "HEAD"):
            data = representation.unless_known(request, reply, data)
        if representation.wants_gzip(request, reply):
            if stream is not None:
                reply.headers["Content-Encoding"], stream = "gzip", representation.compressing(stream)
            elif data is not None and len(data) >= representation.LEAST:
                reply.headers["Content-Encoding"], data = "gzip", await self._compressed(data)
        if stream is not None or data is not None or reply.stream is not None:
            reply.headers.setdefault("Content-Type", reply.content_type)
        await asgi.answer(send, reply.status, reply.headers, stream or data, head=request.method == "HEAD")

    async def _compressed(self, data: bytes) -> bytes:
        if len(data) < representation.LARGE:
            return representation.compressed(data)
        return await asyncio.get_running_loop().run_in_executor(self.pool, representation.compressed, data)

    async def _answer(self, exchange: Exchange, client: streams.Client) -> Reply:
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
            await client.begin()
            exchange.request.stream = streams.chunks(client, asyncio.get_running_loop())
            self.chain.receive(exchange, b"")
        else:
            self.chain.receive(exchange, await streams.whole(client, BODY_LIMIT, self.patience))
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


def _request(scope: asgi.Scope, base_url: str, proxies: Proxies) -> Request:
    asked, query, headers = scope["path"], scope["query_string"].decode(errors="replace"), asgi.headers_of(scope)
    length = headers.get("content-length", "")
    path = asked.rstrip("/") or "/"
    address, proxied = proxies.client(_peer(scope), headers)
    return Request(
        method=scope["method"],
        path=path,
        base_url=base_url,
        headers=headers,
        raw_query=parse_qsl(query, keep_blank_values=True) if query else [],
        query_string=query,
        content_length=int(length) if length.isdecimal() else None,
        remote_address=address,
        proxied=proxied,
        trailing_slash=len(asked) > len(path),
    )


def _peer(scope: asgi.Scope) -> str:
    """The other end of the connection; a socket of this machine has none."""
    client = scope.get("client")
    return str(client[0]) if client else "127.0.0.1"


def _stream(
    front: Front, client: streams.Client, request: Request, reply: Reply
) -> AsyncGenerator[bytes, None] | None:
    """What the client is sent piece by piece, for as long as it is there."""
    if reply.events is not None:
        return streams.while_there(client, reply.events)
    if reply.stream is not None and request.method == "HEAD":
        if hasattr(reply.stream, "close"):
            reply.stream.close()
    elif reply.stream is not None:
        return streams.while_there(client, streams.outgoing(front.slow_pool, reply.stream))
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
