"""How long the operator's own commands take on a running cloud: the median of several runs each, the target beside it.

    .venv/bin/python bench/commands.py [--state DIR] [--runs 10]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

TARGET = 0.3  # seconds
COMMANDS = (["--help"], ["status"], ["check"], ["reconcile", "--once", "containers"])


def seconds(words: list[str]) -> float:
    """One run, from the shell's view."""
    began = time.perf_counter()
    subprocess.run([Path(sys.executable).parent / "stackyard", *words], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", default=os.environ.get("STACKYARD_STATE", "/var/lib/stackyard"), metavar="DIR")
    parser.add_argument("--runs", type=int, default=10)
    asked = parser.parse_args()
    for words in COMMANDS:
        where = [] if words == ["--help"] else ["--state", asked.state]
        times = [seconds([*words, *where]) for _ in range(asked.runs)]
        median = statistics.median(times)
        spread = f"{min(times):.2f} to {max(times):.2f}"
        print(f"stackyard {' '.join(words):<28} {median:.2f} s ({spread}); {median / TARGET:.2f} of the target")


if __name__ == "__main__":
    main()
