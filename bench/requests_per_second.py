"""Requests per second and p99 of Stackyard against the same handler written bare on the same server, in one run.

    .venv/bin/python -m bench.requests_per_second                          on SQLite
    .venv/bin/python -m bench.requests_per_second --postgresql             both on a PostgreSQL started for it
    .venv/bin/python -m bench.requests_per_second --profile show           where Stackyard's time goes

Both servers are processes of their own with the settings of `stackyard serve`; the bare one is bench/bare.py. The two
take turns, so that what else the machine does meets both alike; the ratio is that of requests per CPU second of the
server. Their answers are compared first. Target: at least 0.5.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.load import Sample, load, request
from bench.processes import free_port, serving
from stackyard.kernel.settings import Settings
from stackyard.testing.personas import Doors
from stackyard.testing.postgres import postgres

POOLS = "/networking/v2.0/subnetpools"
TARGET = 0.5
OBJECTS = 100


@dataclass(frozen=True)
class Server:
    """A server under load: where it is, and a member's token."""

    name: str
    process: "subprocess.Popen[str]"
    port: int
    token: str
    project: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request, its JSON."""
        headers = {"X-Auth-Token": self.token}
        answer = httpx.request(
            method, f"http://127.0.0.1:{self.port}{path}", headers=headers, json=body, trust_env=False, timeout=30
        )
        answer.raise_for_status()
        return answer.json()


@dataclass
class _Ways(Doors):
    settings: Settings


@contextmanager
def stackyard(folder: Path, *options: str) -> Iterator[Server]:
    """Stackyard, whole, on drivers that touch no host; asked by a member of the project demo."""
    port = free_port()
    with serving("stackyard", folder, port, *options) as process:
        demo = _Ways(Settings(state_dir=folder, port=port)).demo
        yield Server("stackyard", process, port, demo.token, demo.project_id or "")


@contextmanager
def bare(folder: Path, project: str, *options: str) -> Iterator[Server]:
    """The measure, asked by a member of `project`."""
    port, token = free_port(), uuid.uuid4().hex
    with serving("bare", folder, port, "--token", token, "--project", project, *options) as process:
        yield Server("bare", process, port, token, project)


def pool(number: int) -> dict[str, Any]:
    """The body of a create."""
    return {"subnetpool": {"name": f"pool-{number}", "prefixes": [f"10.{number % 250}.0.0/16"]}}


def kinds_of_request(each: Server) -> dict[str, tuple[Callable[[], bytes], int]]:
    """What is measured: name → (the next request, the status it is answered with)."""
    ids = itertools.cycle([one["id"] for one in each.ask("GET", POOLS)["subnetpools"]])
    numbers = itertools.count(OBJECTS)
    listing = request("GET", f"{POOLS}?limit={OBJECTS}", each.token)
    return {
        f"list of {OBJECTS}": (lambda: listing, 200),
        "show": (lambda: request("GET", f"{POOLS}/{next(ids)}", each.token), 200),
        "create": (lambda: request("POST", POOLS, each.token, json.dumps(pool(next(numbers))).encode()), 201),
    }


def compare(one: Server, other: Server) -> None:
    """Both answer alike but for ids and times. Raises AssertionError."""
    mine, theirs = (each.ask("GET", f"{POOLS}?limit={OBJECTS}")["subnetpools"] for each in (one, other))
    assert len(mine) == len(theirs) == OBJECTS
    for a, b in zip(mine, theirs, strict=True):
        assert list(a) == list(b), f"{list(a)} is not {list(b)}"
        differing = {name for name in a if a[name] != b[name]}
        assert differing <= {"id", "created_at", "updated_at"}, f"{differing} differ: {a} and {b}"


def measure(servers: list[Server], *, rounds: int, seconds: float, connections: int) -> Iterator[str]:
    """Lines of the table."""
    asked = {each.name: kinds_of_request(each) for each in servers}
    yield f"{'':12}{'':11}{'requests/s':>12}{'p99 ms':>9}{'requests/CPU s':>16}{'ratio':>8}"
    for kind in asked["bare"]:
        found: dict[str, list[Sample]] = {each.name: [] for each in servers}
        for turn in range(rounds + 1):
            for each in servers:
                following, status = asked[each.name][kind]
                sample = load(
                    each.port, [each.process.pid], following, status=status, connections=connections, seconds=seconds
                )
                if turn:
                    found[each.name].append(sample)
        middle = {name: _middle(samples) for name, samples in found.items()}
        ratio = middle["stackyard"][2] / middle["bare"][2]
        for name, (rate, p99, per_cpu) in middle.items():
            shown = f"{ratio:8.2f}" if name == "stackyard" else ""
            yield f"{kind:12}{name:11}{rate:12.0f}{p99:9.1f}{per_cpu:16.0f}{shown}"


def _middle(samples: list[Sample]) -> tuple[float, float, float]:
    return (
        statistics.median(each.rate for each in samples),
        statistics.median(each.p99 for each in samples),
        statistics.median(each.per_cpu for each in samples),
    )


def profile(each: Server, kind: str, seconds: float) -> None:
    """Load of one kind on a server that profiles itself and tells when it ends."""
    named = next(name for name in kinds_of_request(each) if name.startswith(kind))
    following, status = kinds_of_request(each)[named]
    load(each.port, [each.process.pid], following, status=status, connections=1, seconds=seconds)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", action="store_true", help="both on PostgreSQL (default: SQLite)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server, after one to warm up")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--profile", choices=["list", "show", "create"], help="profile this instead")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        extra = ["--profile"] if asked.profile else []
        databases: dict[str, list[str]] = {"ours": [], "bare": []}
        if asked.postgresql:
            engine = stack.enter_context(postgres(durable=True))
            databases = {name: ["--database", engine.database(name)] for name in databases}
        ours = stack.enter_context(stackyard(folder / "cloud", *extra, *databases["ours"]))
        bound = stack.enter_context(bare(folder / "bare", ours.project, *databases["bare"]))
        for each in (ours, bound):
            for number in range(OBJECTS):
                each.ask("POST", POOLS, pool(number))
        compare(bound, ours)
        if asked.profile:
            profile(ours, asked.profile, asked.seconds)
            return
        for line in measure([bound, ours], rounds=asked.rounds, seconds=asked.seconds, connections=asked.connections):
            print(line, flush=True)
    print(f"Target: {TARGET} or more.")


if __name__ == "__main__":
    main()
