"""Whom the kernel tells what it does: one call for each thing that happened, counted there and then.

Everything here is called in the way of work: it is quick, it does not block and it does not raise.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import Histogram

from stackyard.kernel.observe import trace
from stackyard.kernel.observe.calls import Calling
from stackyard.kernel.observe.metrics import Metrics
from stackyard.kernel.observe.trace import Trace

if TYPE_CHECKING:
    from stackyard.kernel.observe.tracing import Tracer
    from stackyard.kernel.observe.trail import Trail
    from stackyard.kernel.repair.reconcilers import Status
    from stackyard.kernel.request.chain import Exchange
    from stackyard.kernel.request.endpoints import Endpoint
    from stackyard.kernel.request.exchange import Reply
    from stackyard.kernel.storage.database import Record

_UNTRACED = nullcontext()
#: Methods that are counted by name where no route says one.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


#: What says in the environment, in OpenTelemetry's words, that there is a collector; and that there is none for us.
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def tracer(endpoint: str, environment: Mapping[str, str], name: str, server: str) -> "Tracer | None":
    """What sends spans to the collector at this base URL, or at the one that the environment names; None without one.
    `name`, `server`: which program tells, and which of its kind."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or not (endpoint or any(environment.get(each) for each in _ENDPOINTS)):
        return None
    # Imported here because whoever sends no traces must not pay for it.
    from stackyard.kernel.observe.tracing import Tracer

    return Tracer(endpoint, name, server)


class Observer:
    """One server's. It counts from the start; nobody needs to look."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        #: Where spans go; None: nothing is traced.
        self.tracer: Tracer | None = None
        #: Where the audit trail goes; None: nothing is audited.
        self.trail: Trail | None = None
        #: By endpoint and class of status: to find them by their labels would cost more than to count.
        self._requests: dict[tuple[int, int], Histogram] = {}

    def reopen(self) -> None:
        """Go on in new files where another program has put the old ones aside."""
        if self.trail is not None:
            self.trail.reopen()

    def close(self) -> None:
        """Send what has been told and is not sent yet."""
        if self.trail is not None:
            self.trail.close()
        if self.tracer is not None:
            self.tracer.close()

    def asked(self, exchange: "Exchange") -> None:
        """A request has come: settle which span it is."""
        if self.tracer is not None:
            exchange.trace, exchange.cause = self.tracer.begin(exchange.request.headers.get("traceparent"))

    def answered(self, exchange: "Exchange", reply: "Reply", seconds: float) -> None:
        """A request has its answer."""
        endpoint, kind = exchange.endpoint, reply.status // 100
        child = self._requests.get((id(endpoint), kind)) if endpoint is not None else None
        if child is None:
            child = self._counting(exchange, endpoint, kind)
        child.observe(seconds)
        if self.tracer is not None and exchange.trace is not None:
            self._told(self.tracer, exchange, exchange.trace, reply.status, seconds)
        if self.trail is not None:
            self.trail.tell(exchange, reply)

    def _told(self, tracer: "Tracer", exchange: "Exchange", span: Trace, status: int, seconds: float) -> None:
        endpoint, ended = exchange.endpoint, time.time()
        about = {
            "http.request.method": exchange.request.method, "http.route": endpoint.path if endpoint else None,
            "url.path": exchange.request.path, "http.response.status_code": status,
            "openstack.request_id": exchange.request_id, "openstack.project_id": exchange.caller.project_id,
            "enduser.id": exchange.caller.user_id,
        }  # fmt: skip
        name = f"{exchange.request.method} {endpoint.path}" if endpoint else exchange.request.method
        error = f"status {status}" if status >= 500 else None
        tracer.tell(
            name, span, exchange.cause, ended - seconds, ended, kind="server", error=error, attributes=about
        )

    def _counting(self, exchange: "Exchange", endpoint: "Endpoint | None", kind: int) -> Histogram:
        if endpoint is None:
            asked, service = exchange.request.method, exchange.room.name if exchange.room else ""
            method = asked if asked in _METHODS else "other"
            return self.metrics.requests.labels(service, "", method, f"{kind}xx")
        child = self.metrics.requests.labels(endpoint.room.name, endpoint.path, endpoint.method, f"{kind}xx")
        self._requests[id(endpoint), kind] = child
        return child

    def ended(self, operation: "Record", state: str, reason: str | None, now: datetime) -> None:
        """An operation has ended."""
        self.metrics.operations.labels(operation.resource, operation.action, state).inc()
        lasted = (now - operation.begun_at).total_seconds()
        self.metrics.lasted.labels(operation.resource, operation.action).observe(lasted)
        span = trace.of_operation(operation.id, operation.get("trace")) if self.tracer is not None else None
        if self.tracer is None or span is None:
            return
        about = {
            "stackyard.operation": operation.id, "stackyard.resource": operation.resource,
            "stackyard.object": operation.object_id, "stackyard.result": state,
            "openstack.request_id": operation.request_id, "openstack.project_id": operation.project_id,
        }  # fmt: skip
        self.tracer.tell(
            f"{operation.resource} {operation.action}", span, trace.read(operation.trace)[0],
            operation.begun_at.timestamp(), now.timestamp(), error=reason, attributes=about,
        )  # fmt: skip

    def stepping(self, operation: "Record", step: str) -> AbstractContextManager[None]:
        """A step of an operation is tried in the block that this is for; what it causes belongs to its span."""
        if self.tracer is None:
            return _UNTRACED
        cause = trace.of_operation(operation.id, operation.get("trace"))
        about = {"stackyard.operation": operation.id, "stackyard.epoch": operation.epoch}
        return _spanned(self.tracer, step, cause, "internal", about)

    def stepped(self, operation: "Record", step: "Record") -> None:
        """A step is done."""
        seconds = (step.ended_at - step.started_at).total_seconds()
        self.metrics.steps.labels(operation.resource, operation.action, step.name).observe(seconds)

    def stumbled(self, operation: "Record", step: str, consequence: str) -> None:
        """A step has failed; what follows is a retry, giving up, or (of an undo) failure for good."""
        self.metrics.failures.labels(operation.resource, operation.action, step, consequence).inc()

    def calling(self, node: str, driver: str, method: str) -> Calling:
        """A driver is called in the block that this is for."""
        return Calling(self.metrics.calls, self.tracer, node, driver, method)

    def serving(self, node: str, cause: str | None, driver: str, method: str) -> AbstractContextManager[None]:
        """A node does in the block that this is for what a server asked of it, because of the span that a `traceparent`
        names."""
        if self.tracer is None:
            return _UNTRACED
        about = {"stackyard.node": node, "rpc.service": driver, "rpc.method": method}
        return _spanned(self.tracer, f"{driver}.{method}", trace.read(cause)[0], "server", about)

    def audited(self, outcome: str, number: int) -> None:
        """So many events of the audit trail were written, or lost."""
        self.metrics.audited.labels(outcome).inc(number)

    def reconciled(self, status: "Status") -> None:
        """A repair has run."""
        self.metrics.repairs.labels(status.name, "failed" if status.error else "done").observe(status.seconds)
        if status.report is not None:
            self.metrics.repaired.labels(status.name).inc(len(status.report.repaired))
            self.metrics.unmended.labels(status.name).inc(len(status.report.failed))

    def wrote(self, waited: float, committing: float) -> None:
        """A write transaction was committed."""
        self.metrics.waits.observe(waited)
        self.metrics.commits.observe(committing)


@contextmanager
def _spanned(
    tracer: "Tracer", name: str, cause: Trace | None, kind: str, about: Mapping[str, str | int]
) -> Iterator[None]:
    """A block that is a span, unless what causes it is not traced."""
    if cause is None:
        yield
        return
    span, began, error = cause.child(), time.time(), None
    try:
        with trace.within(span):
            yield
    except BaseException as failure:
        error = f"{type(failure).__name__}: {failure}"
        raise
    finally:
        tracer.tell(name, span, cause, began, time.time(), kind=kind, error=error, attributes=about)
