"""Load on an HTTP server of this machine: a few connections that each ask again as soon as they have their answer."""

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """One stretch of load: how many requests were answered, in how many seconds, for how many CPU seconds of the
    server, and how long each took."""

    answered: int
    seconds: float
    cpu: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.answered / self.seconds

    @property
    def per_cpu(self) -> float:
        """Requests per CPU second of the server: what a machine shared with others does not distort."""
        return self.answered / self.cpu

    @property
    def p99(self) -> float:
        """The time within which 99 of 100 requests were answered, in milliseconds."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)] * 1000


def cpu_seconds(pids: Iterable[int]) -> float:
    """What processes have used so far, their threads included."""
    stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / _TICKS


def family(pid: int) -> list[int]:
    """A process and those that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def megabytes(*families: Iterable[int]) -> list[float]:
    """Memory of families of processes, each for itself, as if nobody else were on the machine: what processes have
    written, and of the files that they map what is in memory, divided among those that have it."""
    written, files = [0.0 for _ in families], dict[str, list[tuple[int, int]]]()
    for place, pids in enumerate(families):
        for pid in pids:
            written[place] += _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss_Anon")
            for name, size in _mapped(pid):
                files.setdefault(name, []).append((place, size))
    for held in files.values():
        most = max(size for _, size in held)
        for place, _ in held:
            written[place] += most / len(held)
    return [each / 1024 for each in written]


def _mapped(pid: int) -> Iterable[tuple[str, int]]:
    """The parts of files that a process has in memory, by what tells them from others, each with its kilobytes."""
    for head, told in _MAPPING.findall(Path(f"/proc/{pid}/smaps").read_text()):
        _, rights, offset, device, inode, *_ = head.split()
        size = _kilobytes(told, "Rss") - _kilobytes(told, "Anonymous")
        if size:
            yield f"{rights} {offset} {device} {inode}", size


#: A mapping in /proc/<pid>/smaps: its own line, and the lines that tell of it.
_MAPPING = re.compile(r"^([0-9a-f]+-[0-9a-f]+ .*)\n((?:[A-Z].*\n)+)", re.MULTILINE)


def _kilobytes(text: str, name: str) -> int:
    found = re.search(rf"^{name}: +(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


class _Connection(asyncio.Protocol):
    def __init__(self, next_request: Callable[[], bytes], status: int, latencies: list[float]) -> None:
        self._next = next_request
        self._expected = f"HTTP/1.1 {status} ".encode()
        self._latencies = latencies
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._next())

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < length:
            return
        if not head.startswith(self._expected):
            self._end(RuntimeError(f"an unexpected answer: {self._received[:500]!r}"))
            return
        self._latencies.append(time.perf_counter() - self._asked)
        self._received = b""
        if self.stopping:
            self._end(None)
        else:
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionError("the server closed the connection"))

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(None)
        self._transport.close()


async def _load(
    port: int, next_request: Callable[[], bytes], status: int, connections: int, seconds: float
) -> list[float]:
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    made = [
        (await loop.create_connection(lambda: _Connection(next_request, status, latencies), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    for each in made:
        each.stopping = True
    async with asyncio.timeout(30):
        await asyncio.gather(*(each.done for each in made))
    return latencies


def load(
    port: int, pids: Iterable[int], next_request: Callable[[], bytes], *, status: int, connections: int, seconds: float
) -> Sample:
    """Ask for so many seconds. `pids`: the server's processes; what this one uses does not count. Raises RuntimeError
    at the first answer with another status."""
    pids = list(pids)
    before, began = cpu_seconds(pids), time.perf_counter()
    latencies = uvloop.run(_load(port, next_request, status, connections, seconds))
    return Sample(len(latencies), time.perf_counter() - began, cpu_seconds(pids) - before, latencies)


def request(method: str, path: str, token: str, body: bytes = b"", subject: str = "") -> bytes:
    """An HTTP request as bytes. `subject`: a token that is asked about."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"X-Auth-Token: {token}", f"Content-Length: {len(body)}"]
    if subject:
        lines.append(f"X-Subject-Token: {subject}")
    if body:
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "", ""]).encode() + body
