"""A cloud for tests (`stackyard.testing.cloud`): what it costs a process, first and further ones.

    .venv/bin/python -m bench.testing [--runs 5]

Each run is a process of its own. CPU seconds, which other load disturbs least, and elapsed ones; the medians are shown.
cold: no migrated database is kept yet; warm: it is. Limit: a first cloud within 1 s of CPU, warm, imports aside.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

LIMIT = 1.0
_RUN = """
import json, sys, tempfile, time
from pathlib import Path
told = {}
def lap(name, since):
    now = time.process_time(), time.perf_counter()
    told[name] = [now[0] - since[0], now[1] - since[1]]
    return time.process_time(), time.perf_counter()
at = time.process_time(), time.perf_counter()
from stackyard.testing.cloud import cloud
at = lap("imports", at)
for which in ("first cloud", "second cloud"):
    with tempfile.TemporaryDirectory() as folder:
        at = time.process_time(), time.perf_counter()
        with cloud(Path(folder)) as running:
            at = lap(which, at)
            running.demo.get("/networking/v2.0/networks")
            at = lap(f"log-in and list, {which}", at)
json.dump(told, sys.stdout)
"""


def run(cache: str) -> dict[str, list[float]]:
    """One process: what it needed for what."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN], env={**os.environ, "XDG_CACHE_HOME": cache}, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def measured(runs: int) -> dict[str, tuple[float, float]]:
    """The medians, by what was done: CPU and elapsed seconds."""
    found: dict[str, list[list[float]]] = {}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as cache:
            for how in ("cold", "warm"):
                for what, seconds in run(cache).items():
                    found.setdefault(f"{what}, {how}", []).append(seconds)
    return {
        what: (statistics.median(each[0] for each in several), statistics.median(each[1] for each in several))
        for what, several in found.items()
    }


def main() -> int:
    """Print the medians; 1 when the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    found = measured(parser.parse_args().runs)
    for what, (cpu, elapsed) in found.items():
        print(f"{what:42} {cpu:6.2f} s CPU {elapsed:6.2f} s")
    return 1 if found["first cloud, warm"][0] > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
