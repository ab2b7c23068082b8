"""From `stackyard up` to the first authenticated answer, and the memory of the idle cloud, on a real engine.

    .venv/bin/python -m bench.start [--state DIR] [--runs 5]     as root; makes a cloud there when there is none

Each run is warm: the state and the page cache are there, server and engine are not. CPU: seconds of the server process
until `up` returned, which other load disturbs least. Memory: resident, five seconds after the cloud was ready; the
engine's (dockerd, containerd) beside it. Limits: an answer within 2 s, the server within 150 MB.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from stackyard.cli.operator import ask
from stackyard.kernel.settings import load

SECONDS, MEGABYTES = 2.0, 150.0


class Start(NamedTuple):
    """One start: seconds to the first answer, CPU seconds of the server, MB of the server and of its engine."""

    answer: float
    cpu: float
    server: float
    engine: float


def stackyard(*words: str) -> str:
    """The output of a command of the operator's."""
    command = [str(Path(sys.executable).parent / "stackyard"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return done.stdout


def start(state: Path, *options: str) -> Start:
    """Bring it up, look at it, and take it down."""
    said = stackyard("up", "--state", str(state), *options)
    answer = re.search(r"([\d.]+) s  first authenticated answer", said)
    assert answer is not None, said
    status = ask(state, "status")
    server = psutil.Process(status["pid"])
    times = server.cpu_times()
    time.sleep(5)
    mine = str(status["engine"]).removeprefix("unix://").removesuffix("/docker.sock")
    engine = [each for each in psutil.process_iter() if mine in " ".join(_command(each)) and each.pid != server.pid]
    found = Start(float(answer[1]), times.user + times.system, _megabytes(server), sum(map(_megabytes, engine)))
    stackyard("down", "--state", str(state))
    return found


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 1e6)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path("/var/tmp/stackyard-bench"), metavar="DIR")
    parser.add_argument("--port", default="18899")
    # Not the default range, which a cloud that runs on this machine has.
    parser.add_argument("--external-cidr", default="198.18.77.0/24", metavar="CIDR")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    chosen = ["--port", asked.port, "--external-cidr", asked.external_cidr]
    start(asked.state, *([] if load(asked.state) else chosen))
    starts = [start(asked.state) for _ in range(asked.runs)]
    stackyard("down", "--purge", "--state", str(asked.state))
    answer, cpu, server, engine = (statistics.median(column) for column in zip(*starts, strict=True))
    print(f"first authenticated answer {answer:6.2f} s    limit {SECONDS:g} s    ratio {answer / SECONDS:.2f}")
    print(f"CPU of the server          {cpu:6.2f} s")
    print(f"memory of the server       {server:6.0f} MB   limit {MEGABYTES:g} MB  ratio {server / MEGABYTES:.2f}")
    print(f"memory of the engine       {engine:6.0f} MB")


if __name__ == "__main__":
    main()
