"""How an answer travels: unchanged answers as 304, text compressed where the client reads that."""

import gzip
import hashlib
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import msgspec

from stackyard.kernel.request.exchange import Reply, Request

#: Smaller answers are not worth the time; larger ones are compressed away from the event loop's thread.
LEAST, LARGE = 1024, 64 * 1024
_TEXT = re.compile(r"text/|application/(json|[\w.+-]+\+json)\b")
_LEVEL = 1


def unless_known(request: Request, reply: Reply, data: bytes) -> bytes | None:
    """The data under its tag; None, and the reply says 304, when the client has just this already."""
    known_as = reply.headers.setdefault("ETag", tag(data))
    reply.headers.setdefault("Cache-Control", "no-cache")
    varying(reply.headers, "X-Auth-Token", "Accept-Encoding")
    known = request.headers.get("if-none-match")
    if known is None or not is_known(known, known_as):
        return data
    reply.status = 304
    return None


def json_of(body: Any) -> bytes:
    """A body as it is sent."""
    return msgspec.json.encode(body)


def tag(data: bytes) -> str:
    """Weak: it says that the content is the same, however it is compressed."""
    return f'W/"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'


def is_known(header: str, current: str) -> bool:
    """Whether an If-None-Match, or an If-Match, names this tag. Weak tags count: they tell content from content."""
    opaque = current.removeprefix("W/")
    return header.strip() == "*" or any(each.strip().removeprefix("W/") == opaque for each in header.split(","))


def reads_gzip(headers: Mapping[str, str]) -> bool:
    """Whether the client's Accept-Encoding admits gzip."""
    accepted = headers.get("accept-encoding")
    for entry in accepted.lower().split(",") if accepted else ():
        coding, _, weight = entry.strip().partition(";")
        if coding.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    return False


def wants_gzip(request: Request, reply: Reply) -> bool:
    """Whether an answer is text of free length, and its client reads gzip."""
    if not reads_gzip(request.headers) or not _TEXT.match(reply.content_type):
        return False
    return not {"content-encoding", "content-range", "content-length"} & {name.lower() for name in reply.headers}


def compressed(data: bytes) -> bytes:
    """The data as gzip, the same bytes for the same data."""
    return gzip.compress(data, _LEVEL, mtime=0)


async def compressing(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """A stream as gzip. Each part can be read as soon as it has come."""
    squeeze = zlib.compressobj(_LEVEL, wbits=31)
    try:
        async for part in parts:
            yield squeeze.compress(part) + squeeze.flush(zlib.Z_SYNC_FLUSH)
        yield squeeze.flush()
    finally:
        close = getattr(parts, "aclose", None)
        if close:
            await close()


def varying(headers: dict[str, str], *names: str) -> None:
    """Add to the Vary header what the answer depends on."""
    said = headers.get("Vary")
    if said is None:
        headers["Vary"] = ", ".join(names)
        return
    present = [each.strip() for each in said.split(",") if each.strip()]
    headers["Vary"] = ", ".join(dict.fromkeys([*present, *names]))
