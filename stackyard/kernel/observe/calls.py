"""One call of a driver, as it is counted, traced and told by `stackyard why`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from prometheus_client import Histogram

from stackyard.kernel.observe.trace import CURRENT, Trace
from stackyard.kernel.steps import Cancelled, Refused, Transient

if TYPE_CHECKING:
    from stackyard.kernel.observe.tracing import Tracer

#: How many calls of a step are kept; a step that calls more often tells of the first ones.
MOST = 20

#: Where the calls of the step under way in this thread are noted; None: nobody wants to know.
_NOTED: ContextVar[list[dict[str, Any]] | None] = ContextVar("NOTED_CALLS", default=None)

_OUTCOMES = {Cancelled: "cancelled", Transient: "transient", Refused: "refused"}


@contextmanager
def noting(calls: list[dict[str, Any]]) -> Iterator[None]:
    """The calls made in this block, in this thread, are added to the list as JSON-able data."""
    token = _NOTED.set(calls)
    try:
        yield
    finally:
        _NOTED.reset(token)


class Calling:
    """The block in which a driver is called. A class, not a generator: it is entered for every call."""

    __slots__ = ("_began", "_cause", "_driver", "_method", "_metric", "_node", "_span", "_token", "_tracer")

    def __init__(self, metric: Histogram, tracer: "Tracer | None", node: str, driver: str, method: str) -> None:
        self._metric = metric
        self._tracer = tracer
        self._node = node
        self._driver = driver
        self._method = method

    def __enter__(self) -> None:
        self._began = time.perf_counter()
        self._cause = CURRENT.get() if self._tracer is not None else None
        self._span: Trace | None = self._cause.child() if self._cause is not None else None
        self._token: Token[Trace | None] | None = CURRENT.set(self._span) if self._span is not None else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        seconds, outcome = time.perf_counter() - self._began, _outcome(error)
        self._metric.labels(self._driver, self._method, outcome).observe(seconds)
        if self._token is not None:
            CURRENT.reset(self._token)
        noted = _NOTED.get()
        if noted is not None and len(noted) < MOST:
            call = {"node": self._node, "call": f"{self._driver}.{self._method}", "seconds": round(seconds, 6)}
            noted.append(call if error is None else {**call, "error": f"{outcome}: {error}"})
        if self._tracer is not None and self._span is not None:
            self._tell(self._tracer, self._span, error, seconds)

    def _tell(self, tracer: "Tracer", span: Trace, error: BaseException | None, seconds: float) -> None:
        ended = time.time()
        about = {"stackyard.node": self._node, "rpc.system": "stackyard", "rpc.service": self._driver,
                 "rpc.method": self._method}  # fmt: skip
        failed = f"{type(error).__name__}: {error}" if error is not None else None
        name = f"{self._driver}.{self._method}"
        tracer.tell(
            name, span, self._cause, ended - seconds, ended, kind="client", error=failed, attributes=about
        )


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "ok"
    return next((told for kind, told in _OUTCOMES.items() if isinstance(error, kind)), "failed")
