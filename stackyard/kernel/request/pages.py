"""The pages beside the services: the OpenAPI document, and one to read it in. They need no token."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from stackyard.kernel.request.chain import Chain
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.request.openapi import document

_READER = Path(__file__).with_name("reader.html")


class Pages:
    """What is at `/openapi.json` and `/docs`. Made when it is first asked for."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._making = threading.Lock()
        self._made: dict[str, bytes] = {}
        self._pages: Mapping[str, tuple[str, Callable[[], bytes]]] = {
            "/openapi.json": ("application/json", self._document),
            "/docs": ("text/html; charset=utf-8", _READER.read_bytes),
        }

    def answer(self, request: Request) -> Reply | None:
        """The page that a request asks for; None when it asks for none."""
        if request.path not in self._pages or request.method not in ("GET", "HEAD"):
            return None
        kind, make = self._pages[request.path]
        with self._making:
            if request.path not in self._made:
                self._made[request.path] = make()
        headers = {"Content-Security-Policy": "default-src 'self' 'unsafe-inline'"} if "html" in kind else {}
        return Reply(data=self._made[request.path], content_type=kind, headers=headers)

    def _document(self) -> bytes:
        router = self._chain.router
        return msgspec.json.encode(
            document(router.rooms, router.endpoints, self._chain.services.settings.base_url), enc_hook=str
        )
