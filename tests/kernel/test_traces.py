"""A trace goes from a request through its operation and steps to the node's calls, also across a restart; told to a
real receiver of OTLP over HTTP."""

import gzip
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as protocol
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from stackyard.rooms.container.driver import Image
from stackyard.testing.cloud import RunningCloud, Worlds, cloud

TRACE = "0af7651916cd43dd8448eb211c80319c"
ASKED = f"00-{TRACE}-b7ad6b7169203331-01"


class Receiver:
    """A collector: keeps every span that is sent to it."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        taken = self._taken

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                taken(self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(protocol.ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _taken(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        for of_resource in protocol.ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services |= {each.value.string_value for each in of_resource.resource.attributes}
            for of_scope in of_resource.scope_spans:
                self.spans += of_scope.spans

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str) -> Span:
        (found,) = [each for each in self.spans if each.name == name and each.trace_id.hex() == TRACE]
        return found


@contextmanager
def traced(folder: Path, **options: Any) -> Iterator[tuple[RunningCloud, Receiver]]:
    receiver, worlds = Receiver(), Worlds()
    worlds.container.registry["web:latest"] = Image(id="sha256:web", names=["web:latest"], size=3)
    worlds.container.registry["web"] = worlds.container.registry["web:latest"]
    try:
        with cloud(folder, worlds=worlds, traces=receiver.url, **options) as running:
            yield running, receiver
    finally:
        receiver.close()


def sent(running: RunningCloud, receiver: Receiver, last: str = "container create") -> None:
    """Have everything sent, up to the span that is told last: of an operation that is after its end."""
    tracer, end = running.cloud.database.observer.tracer, time.monotonic() + 30
    assert tracer is not None
    tracer.flush()
    while not any(each.name == last for each in receiver.spans):
        assert time.monotonic() < end, f"{last} is not told"
        time.sleep(0.01)
        tracer.flush()


def create(running: RunningCloud, **headers: str) -> httpx.Response:
    return running.demo("POST", "/container/v1/containers", {"image": "web", "nets": []}, ok=202, **headers)


def test_request_operation_steps_and_calls_are_one_trace_that_the_client_began(tmp_path: Path) -> None:
    with traced(tmp_path) as (running, receiver):
        answer = create(running, traceparent=ASKED)
        running.settle()
        sent(running, receiver)
        request = receiver.named("POST /container/v1/containers")
        assert answer.headers["traceparent"] == f"00-{TRACE}-{request.span_id.hex()}-01"
        assert request.parent_span_id.hex() == "b7ad6b7169203331"
        told = {each.key: each.value.string_value for each in request.attributes}
        assert told["openstack.request_id"] == answer.headers["x-openstack-request-id"]
        operation = receiver.named("container create")
        step = receiver.named("create in the engine")
        calls = {each.kind: each for each in receiver.spans if each.name == "container.create"}
        asked, served = calls[Span.SPAN_KIND_CLIENT], calls[Span.SPAN_KIND_SERVER]
        chain = [request, operation, step, asked, served]
        assert [(a.span_id, a.trace_id) for a in chain[:-1]] == [(b.parent_span_id, b.trace_id) for b in chain[1:]]
        assert operation.start_time_unix_nano <= step.start_time_unix_nano < step.end_time_unix_nano
        assert "stackyard" in receiver.services


def test_spans_after_a_restart_still_belong(tmp_path: Path) -> None:
    with traced(tmp_path, threads=0) as (running, receiver):
        create(running, traceparent=ASKED)
        running.restart()
        running.cloud.workers.run_all()
        sent(running, receiver)
        request, operation = receiver.named("POST /container/v1/containers"), receiver.named("container create")
        assert operation.parent_span_id == request.span_id
        assert receiver.named("create in the engine").parent_span_id == operation.span_id


@pytest.mark.thorough
def test_what_fails_tells_its_reason(tmp_path: Path) -> None:
    with traced(tmp_path) as (running, receiver):
        body = {"image": "nowhere/none", "nets": []}
        running.demo("POST", "/container/v1/containers", body, ok=202, traceparent=ASKED)
        running.settle()
        sent(running, receiver)
        failed = receiver.named("container create").status
        assert failed.code == 2
        assert "nowhere/none" in failed.message


def test_a_client_that_records_nothing_is_not_recorded_and_one_without_a_trace_begins_one(tmp_path: Path) -> None:
    with traced(tmp_path) as (running, receiver):
        demo = running.demo
        quiet = demo("GET", "/networking/v2.0/networks", ok=200, traceparent=ASKED[:-1] + "0")
        assert "traceparent" not in quiet.headers
        for header in ("", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "nonsense"):
            answer = demo("GET", "/networking/v2.0/networks", ok=200, traceparent=header)
            assert TRACE not in answer.headers["traceparent"]
        sent(running, receiver, "GET /networking/v2.0/networks")
        assert [each for each in receiver.spans if each.trace_id.hex() == TRACE] == []


@pytest.mark.thorough
def test_a_collector_that_is_away_holds_up_nothing(tmp_path: Path) -> None:
    with cloud(tmp_path, traces="http://127.0.0.1:9") as running:
        create(running)
        running.settle()


def test_nothing_of_opentelemetry_is_loaded_unless_an_exporter_is_set() -> None:
    program = """
import sys
import stackyard.assemble
from stackyard.kernel.observe.observer import tracer
away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}
assert tracer("", {}, "a", "b") is None and tracer("", away, "a", "b") is None
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
