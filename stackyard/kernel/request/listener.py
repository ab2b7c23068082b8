"""The HTTP server under the front: uvicorn, with what it does not limit by itself."""

import asyncio
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stackyard.kernel.request import presented

if TYPE_CHECKING:
    from stackyard.kernel.request.certificates import Serving

#: Bytes that the head of a request may have, and seconds that a client may take to send it.
HEAD_LIMIT, HEAD_PATIENCE = 64 * 1024, 20.0


class Protocol(HttpToolsProtocol):
    """One connection. A head that is too large is refused with 431, one that does not come with 408."""

    head_limit, head_patience = HEAD_LIMIT, HEAD_PATIENCE
    _head_bytes = 0
    _in_head = True
    _patience: asyncio.TimerHandle | None = None
    _tls: dict[str, Any] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock for the first head runs from here."""
        super().connection_made(transport)
        self._tls = presented.extension(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that is not complete after it."""
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        if self._head_bytes > self.head_limit:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """A head begins; on a connection that is used again the clock starts anew."""
        super().on_message_begin()
        if self._tls is not None:
            self.scope["extensions"] = self._tls
        self._await_head()

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._head_is_here()
        super().on_headers_complete()
        if self._tls is not None and self._is_past():
            # Its client comes again, and is verified as everybody is now.
            self.cycle.keep_alive = False

    def _is_past(self) -> bool:
        from stackyard.kernel.request.certificates import Serving

        serving = self.config.ssl
        return isinstance(serving, Serving) and serving.is_past(self.transport.get_extra_info("ssl_object"))

    def _await_head(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._in_head = True
        self._patience = self.loop.call_later(self.head_patience, self._refuse, b"408 Request Timeout")

    def _head_is_here(self) -> None:
        self._in_head, self._head_bytes = False, 0
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, status: bytes) -> None:
        self._head_is_here()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()


def config(
    app: Any, *, tls: "Serving | None" = None, grace: int = 5, host: str = "127.0.0.1", port: int = 0
) -> uvicorn.Config:
    """How uvicorn serves the API, on sockets that it is given or else on host and port. `grace`: seconds that requests
    get to end when the server stops."""
    made = uvicorn.Config(
        app, host=host, port=port, loop="uvloop", http=Protocol, ws="none", lifespan="off", log_config=None,
        access_log=False, timeout_graceful_shutdown=grace, server_header=False, date_header=False,
        proxy_headers=False,  # whom to believe is the front's to judge: see proxies.py
    )  # fmt: skip
    made.load()
    made.ssl = tls
    return made
