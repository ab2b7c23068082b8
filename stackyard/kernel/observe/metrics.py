"""The cloud's metrics, in Prometheus' words. Every label takes its values from declarations and code, never from ids or
what a client sends, so that their number is bounded.

What happens is counted when it happens, at about a microsecond each; how things stand is looked up when it is asked.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

#: Seconds: a request, a step or a call; a transaction.
_SPANS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_MOMENTS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)


class Metrics:
    """What one server counts. Each has a registry of its own, so that several can live in one process."""

    def __init__(self) -> None:
        # When a series began would double their number, and nobody asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = self._histogram(
            "request_duration_seconds", "Requests to the API, from their head to their answer.",
            "service", "route", "method", "status",
        )  # fmt: skip
        self.operations = self._counter(
            "operations", "Operations that have ended: done, failed, cancelled, dead.", "resource", "action", "result"
        )
        self.lasted = self._histogram(
            "operation_duration_seconds", "Operations, from the request to their end.", "resource", "action"
        )
        self.steps = self._histogram(
            "step_duration_seconds", "Steps that were done: the last try.", "resource", "action", "step"
        )
        self.failures = self._counter(
            "step_failures", "Steps that failed, and what followed: retry, given up, failed (an undo).",
            "resource", "action", "step", "consequence",
        )  # fmt: skip
        self.calls = self._histogram(
            "driver_call_duration_seconds", "Calls of drivers, by how they ended.", "driver", "method", "outcome"
        )
        self.repairs = self._histogram("reconciler_duration_seconds", "Runs of repairs.", "reconciler", "outcome")
        self.repaired = self._counter("reconciler_repaired", "What repairs have mended.", "reconciler")
        self.unmended = self._counter("reconciler_unmended", "What repairs could not mend, each time.", "reconciler")
        self.waits = self._histogram("database_write_wait_seconds", "Waits for the turn to write.", spans=_MOMENTS)
        self.commits = self._histogram("database_commit_seconds", "Commits of writes.", spans=_MOMENTS)
        self.audited = self._counter("audit_events", "Events of the audit trail: written, lost.", "outcome")

    def _histogram(self, name: str, doc: str, *labels: str, spans: tuple[float, ...] = _SPANS) -> Histogram:
        return Histogram(f"stackyard_{name}", doc, labels, buckets=spans, registry=self.registry)

    def _counter(self, name: str, doc: str, *labels: str) -> Counter:
        return Counter(f"stackyard_{name}", doc, labels, registry=self.registry)
