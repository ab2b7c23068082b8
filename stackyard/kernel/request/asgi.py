"""HTTP as the server under the front speaks it (ASGI): what a request's head says, and how an answer is sent."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

#: Headers that are no lists: of several the last counts. Those of any other name are one list.
_SINGLE = frozenset((
    b"content-length", b"content-type", b"cookie", b"expect", b"from", b"host", b"max-forwards", b"referer",
    b"user-agent",
))  # fmt: skip
#: Answers that have no body and say nothing of one (RFC 9110, 15.3.5 and 15.4.5).
_BODILESS = frozenset((204, 304))


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers by their names in lower case."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        found[name] = value if name not in found or name in _SINGLE else found[name] + b"," + value
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in found.items()}


def promised(scope: Scope) -> bool:
    """Whether a request's head says that a body follows."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False


def waits(scope: Scope) -> bool:
    """Whether a client sends its body only when it is told to (RFC 9110, 10.1.1), as curl does with large ones."""
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])


async def answer(
    send: Send, status: int, headers: Mapping[str, str], body: bytes | AsyncGenerator[bytes, None] | None, *, head: bool
) -> None:
    """Send an answer. A body that comes in pieces has no length but one that the headers tell. head: the body is told
    of and not sent."""
    named = {name.lower(): value for name, value in headers.items()}
    whole = body if isinstance(body, bytes) else b""
    if status in _BODILESS:
        whole = b""
    else:
        # An empty answer must not call itself JSON: clients would try to read it.
        named.setdefault("content-type", "text/plain; charset=utf-8")
        if body is None and head:
            named.setdefault("content-length", "0")
        elif body is None or isinstance(body, bytes):
            named["content-length"] = str(len(whole))
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    if body is not None and not isinstance(body, bytes):
        await _send_pieces(send, body, head)
    await send({"type": "http.response.body", "body": b"" if head else whole})


async def _send_pieces(send: Send, pieces: AsyncGenerator[bytes, None], head: bool) -> None:
    async with aclosing(pieces):
        if head:
            return
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
