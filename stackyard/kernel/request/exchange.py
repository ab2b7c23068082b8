"""What a handler sees of a request and gives as an answer, free of any HTTP framework."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stackyard.kernel.storage.database import Record


@dataclass(kw_only=True)
class Request:
    """A request after routing. `params` are the path's placeholders, `query` the declared query fields (or all raw
    ones, last value wins, when the route declares none), `query_string` the query as it came, `body` the parsed and
    validated body (or the JSON as it came when the route declares no fields), `stream` the unread body of a streaming
    route, in chunks. `proxied`: passed on by a reverse proxy that the operator trusts: only then do headers tell who
    the client is. `certificate`: the client's, as DER, if it has presented one that was verified."""

    method: str
    path: str
    base_url: str
    headers: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    query: Record = field(default_factory=Record)
    raw_query: list[tuple[str, str]] = field(default_factory=list)
    query_string: str = ""
    body: Any = None
    stream: Iterator[bytes] | None = None
    content_length: int | None = None
    remote_address: str = ""
    proxied: bool = False
    certificate: bytes | None = None
    trailing_slash: bool = False

    @property
    def content_type(self) -> str:
        """The body's media type without parameters, lower case."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


@dataclass(kw_only=True)
class Reply:
    """An answer: JSON-able `body`, or `data` as it is sent (then `body` is what the audit trail reads), or a `stream`
    of chunks (closed in every case when it has `close`), or `events` that come on the event loop's thread for as long
    as the client stays. `noted`: what the audit trail is told beside."""

    status: int = 200
    body: Any = None
    data: bytes | None = None
    stream: Iterable[bytes] | None = None
    events: AsyncIterator[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    noted: Mapping[str, Any] = field(default_factory=dict)
