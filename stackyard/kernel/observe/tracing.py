"""Spans, sent to an OpenTelemetry collector over OTLP/HTTP. Imported only where an exporter is set.

Spans are made when what they tell of has ended, with ids that were settled when it began: so an operation is one span
although several servers may have worked on it, and what belongs to it refers to it before it is told.
"""

from collections.abc import Mapping
from threading import Thread, local
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation import set_span_in_context

from stackyard import __version__
from stackyard.kernel.observe import trace
from stackyard.kernel.observe.trace import Trace

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
#: Seconds.
_PATIENCE = 3.0
KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}


class _Settled(RandomIdGenerator):
    """Gives the ids that were settled before."""

    def __init__(self) -> None:
        self.next = local()

    def generate_span_id(self) -> int:
        return int(self.next.span.span_id, 16)

    def generate_trace_id(self) -> int:
        return int(self.next.span.trace_id, 16)


class Tracer:
    """Tells a collector of spans, in batches, from a thread of its own. When the collector does not keep up, spans are
    dropped; work never waits for it. endpoint: the collector's base URL; empty: what OTEL_… in the environment says,
    as it does for sampling, limits and headers."""

    def __init__(self, endpoint: str, name: str, server: str) -> None:
        self._ids = _Settled()
        told = {"service.name": name, "service.version": __version__, "service.instance.id": server}
        self._provider = TracerProvider(
            id_generator=self._ids, resource=Resource.create(told), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces") if endpoint else OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("stackyard", __version__)

    def begin(self, header: str | None) -> tuple[Trace | None, Trace | None]:
        """The span of a request and what caused it. No span: its sender or the sampler does not want it recorded."""
        before, wanted = trace.read(header)
        if before is not None:
            return (before.child() if wanted else None), before
        root = Trace(f"{RandomIdGenerator().generate_trace_id():032x}", "").child()
        said = self._provider.sampler.should_sample(None, int(root.trace_id, 16), "request")
        return (root if said.decision is Decision.RECORD_AND_SAMPLE else None), None

    def tell(
        self, name: str, span: Trace, cause: Trace | None, began: float, ended: float, *,
        kind: str = "internal", error: str | None = None, attributes: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """A span has ended. `began`, `ended`: seconds since 1970."""
        self._ids.next.span = span
        parent = SpanContext(int(cause.trace_id, 16), int(cause.span_id, 16), True, _SAMPLED) if cause else None
        context = set_span_in_context(NonRecordingSpan(parent)) if parent else None
        known = {key: value for key, value in attributes.items() if value is not None}
        told = self._tracer.start_span(
            name, context, KINDS[kind], attributes=known, start_time=int(began * 1e9)
        )
        if error is not None:
            told.set_status(Status(StatusCode.ERROR, error))
        told.end(int(ended * 1e9))

    def flush(self) -> None:
        """Send what has been told so far. Blocking."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send what is left, for a few seconds at most: a collector that is away must not hold up a server's end."""
        sending = Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        sending.start()
        sending.join(_PATIENCE)
