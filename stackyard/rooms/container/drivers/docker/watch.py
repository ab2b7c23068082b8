"""Looking at containers in a Docker engine: logs, commands, processes, use of resources, events."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

from docker.types import CancellableStream

from stackyard.hosts import machine
from stackyard.hosts.docker import DockerEngine
from stackyard.rooms.container.driver import (
    EngineUnavailable,
    Event,
    Execution,
    Happening,
    Stats,
    TimedOut,
)
from stackyard.rooms.container.drivers.docker import facts

_MOST_OUTPUT = 1 << 20
_HAPPENINGS = {
    "start": Happening.STARTED,
    "die": Happening.DIED,
    "pause": Happening.PAUSED,
    "unpause": Happening.UNPAUSED,
    "destroy": Happening.REMOVED,
    "health_status": Happening.HEALTH,
}


def logs(
    engine: DockerEngine,
    name: str,
    stdout: bool,
    stderr: bool,
    timestamps: bool,
    tail: int | None,
    since: float | None,
) -> bytes:
    with facts.calls(engine, name) as api:
        wanted: dict[str, Any] = {"stdout": stdout, "stderr": stderr, "timestamps": timestamps}
        if since is not None and since > 0:
            wanted["since"] = since
        return bytes(api.logs(name, stream=False, tail="all" if tail is None else tail, **wanted))


def execute(engine: DockerEngine, name: str, command: list[str], run: bool, timeout: float) -> Execution:
    with facts.calls(engine, name) as api:
        exec_id = api.exec_create(name, command)["Id"]
        if not run:
            return Execution(exit_code=None, exec_id=exec_id)
        stream = api.exec_start(exec_id, stream=True)
        late = threading.Event()
        alarm = threading.Timer(timeout, _interrupt, (stream, late))
        alarm.start()
        try:
            output, truncated = _collect(stream)
        finally:
            alarm.cancel()
        if late.is_set():
            raise TimedOut(f"the command did not end within {timeout:g} seconds", name)
        return Execution(exit_code=_exit_code(engine, exec_id), output=output, truncated=truncated, exec_id=exec_id)


def _interrupt(stream: CancellableStream[bytes], late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError, AttributeError):
        stream.close()


def _collect(stream: CancellableStream[bytes]) -> tuple[bytes, bool]:
    kept, size = [], 0
    for chunk in stream:  # read to the end all the same: a full pipe would hold the command up
        if size < _MOST_OUTPUT:
            kept.append(chunk)
        size += len(chunk)
    return b"".join(kept)[:_MOST_OUTPUT], size > _MOST_OUTPUT


def _exit_code(engine: DockerEngine, exec_id: str) -> int | None:
    """Of a command whose output ended; the engine notes its end a moment later."""
    for _ in range(100):
        with facts.calls(engine) as api:
            found = api.exec_inspect(exec_id)
        if not found["Running"]:
            return int(found["ExitCode"])
        time.sleep(0.01)
    return None


def stats(engine: DockerEngine, name: str, pid: int) -> Stats:
    with facts.calls(engine, name) as api:
        now = api.stats(name, stream=False)
    received, sent = machine.traffic(pid)
    memory, detail = now["memory_stats"], now["memory_stats"].get("stats", {})
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return Stats(
        cpu_percent=_cpu_percent(now["precpu_stats"], now["cpu_stats"]),
        memory_usage=max(0, memory.get("usage", 0) - cache),
        memory_limit=memory.get("limit", 0),
        block_read=_blocks(now, "read"),
        block_written=_blocks(now, "write"),
        network_received=received,
        network_sent=sent,
    )


def _cpu_percent(before: facts.Details, now: facts.Details) -> float:
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    cores = now.get("online_cpus") or 1
    return round(100 * cores * used / passed, 2) if used > 0 and passed > 0 else 0.0


def _blocks(now: facts.Details, operation: str) -> int:
    entries = now["blkio_stats"].get("io_service_bytes_recursive") or []
    return sum(entry["value"] for entry in entries if entry["op"].lower() == operation)


class DockerEvents:
    """One cloud's events from an engine."""

    def __init__(self, engine: DockerEngine, names: facts.Names) -> None:
        self._names = names
        self._closed = False
        wanted = {"type": "container", "label": f"{facts.CLOUD}={names.cloud}", "event": list(_HAPPENINGS)}
        with facts.calls(engine) as api:
            # Its past reaches back to now: nothing is missed while the engine opens the stream.
            since: Any = time.time()  # the library's annotation knows no fractions of a second
            self._stream = api.events(since=since, filters=wanted, decode=True)

    def __iter__(self) -> Iterator[Event]:
        for message in self._stream:
            attributes = message["Actor"]["Attributes"]
            if self._names.owned(attributes.get("name", ""), attributes):
                yield _event(message, attributes)
        if not self._closed:
            raise EngineUnavailable("the engine's events broke off")

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError, AttributeError):
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _event(message: facts.Details, attributes: dict[str, str]) -> Event:
    code = attributes.get("exitCode")
    return Event(
        id=attributes[facts.ID],
        what=_HAPPENINGS[message["Action"].partition(":")[0]],
        sandbox=attributes[facts.KIND] == "sandbox",
        at=message["timeNano"] / 1e9,
        exit_code=int(code) if code else None,
    )
