"""Whom the kernel tells what it does: one call for each thing that happened, counted there and then.

Everything here is called in the way of work: it is quick, it does not block and it does not raise.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import Histogram

from stackyard.kernel.observe.metrics import Metrics

if TYPE_CHECKING:
    from stackyard.kernel.repair.reconcilers import Status
    from stackyard.kernel.request.chain import Exchange
    from stackyard.kernel.request.endpoints import Endpoint
    from stackyard.kernel.storage.database import Record

#: Methods that are counted by name where no route says one.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observer:
    """One server's. It counts from the start; nobody needs to look."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        #: By endpoint and class of status: to find them by their labels would cost more than to count.
        self._requests: dict[tuple[int, int], Histogram] = {}

    def answered(self, exchange: "Exchange", status: int, seconds: float) -> None:
        """A request has its answer."""
        endpoint, kind = exchange.endpoint, status // 100
        child = self._requests.get((id(endpoint), kind)) if endpoint is not None else None
        if child is None:
            child = self._counting(exchange, endpoint, kind)
        child.observe(seconds)

    def _counting(self, exchange: "Exchange", endpoint: "Endpoint | None", kind: int) -> Histogram:
        if endpoint is None:
            asked, service = exchange.request.method, exchange.room.name if exchange.room else ""
            method = asked if asked in _METHODS else "other"
            return self.metrics.requests.labels(service, "", method, f"{kind}xx")
        child = self.metrics.requests.labels(endpoint.room.name, endpoint.path, endpoint.method, f"{kind}xx")
        self._requests[id(endpoint), kind] = child
        return child

    def ended(self, operation: "Record", state: str, now: datetime) -> None:
        """An operation has ended."""
        self.metrics.operations.labels(operation.resource, operation.action, state).inc()
        lasted = (now - operation.begun_at).total_seconds()
        self.metrics.lasted.labels(operation.resource, operation.action).observe(lasted)

    def stepped(self, operation: "Record", step: "Record") -> None:
        """A step is done."""
        seconds = (step.ended_at - step.started_at).total_seconds()
        self.metrics.steps.labels(operation.resource, operation.action, step.name).observe(seconds)

    def stumbled(self, operation: "Record", step: str, consequence: str) -> None:
        """A step has failed; what follows is a retry, giving up, or (of an undo) failure for good."""
        self.metrics.failures.labels(operation.resource, operation.action, step, consequence).inc()

    def called(self, driver: str, method: str, outcome: str, seconds: float) -> None:
        """A driver was called."""
        self.metrics.calls.labels(driver, method, outcome).observe(seconds)

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
