"""Which trace the work under way belongs to, in W3C's words: what goes from a request to its operations, their steps
and the calls of nodes. Plain data, so that it outlives a server in an operation's row."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

_HEADER = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class Trace(msgspec.Struct, frozen=True):
    """One span of a trace, as what it causes refers to it. Ids are lower-case hexadecimals: 32 and 16 digits."""

    trace_id: str
    span_id: str

    def child(self, span_id: str = "") -> "Trace":
        """A span that this one causes."""
        return Trace(self.trace_id, span_id or secrets.token_hex(8))

    def __str__(self) -> str:
        """The header `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-01"


#: The span that the work in this thread belongs to; None: it is not traced.
CURRENT: ContextVar[Trace | None] = ContextVar("CURRENT_TRACE", default=None)


def traceparent() -> str | None:
    """The header that names what is under way in this thread."""
    span = CURRENT.get()
    return str(span) if span is not None else None


def read(header: str | None) -> tuple[Trace | None, bool]:
    """The span that a `traceparent` names, None without a valid one, and whether its sender records the trace."""
    found = _HEADER.fullmatch(header.strip()) if header else None
    if found is None:
        return None, False
    return Trace(found.group(1), found.group(2)), bool(int(found.group(3), 16) & 1)


def of_operation(operation_id: str, cause: str | None) -> Trace | None:
    """The span of an operation: of the trace of what caused it, and with an id that follows from the operation's, so
    that every server that works on it means the same one."""
    before, _ = read(cause)
    return before.child(operation_id.replace("-", "")[:16]) if before else None


@contextmanager
def within(span: Trace | None) -> Iterator[None]:
    """What happens in this block, in this thread, belongs to the span."""
    token = CURRENT.set(span)
    try:
        yield
    finally:
        CURRENT.reset(token)
