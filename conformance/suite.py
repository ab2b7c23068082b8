"""Tempest: configure it for a cloud, run a list of its tests, and read what became of them."""

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from conformance.score import Outcome

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".venv-tempest"
TEMPLATE = Path(__file__).parent / "tempest.conf.template"
WORKERS = 2


class SuiteFailed(Exception):
    """Tempest did not run at all."""


def configure(workspace: Path, marks: Mapping[str, str]) -> None:
    """Write the configuration into the workspace. KeyError names a mark that nothing is known about."""
    for folder in ("etc", "logs", "locks"):
        (workspace / folder).mkdir(parents=True, exist_ok=True)
    text = re.sub(r"@([A-Z_]+)@", lambda mark: marks[mark.group(1)], TEMPLATE.read_text())
    (workspace / "etc/tempest.conf").write_text(text)
    [discovery] = ENVIRONMENT.glob("lib/python3*/site-packages/tempest/test_discover")
    (workspace / ".stestr.conf").write_text(
        f"[DEFAULT]\ntest_path={discovery}\ntop_dir={discovery.parents[1]}\ngroup_regex=([^\\.]*\\.)*\n"
    )


def run(workspace: Path, tests: Sequence[str], limit: float) -> dict[str, Outcome]:
    """Run the tests, `limit` seconds at most; the outcome of every id that Tempest reported, its class set-ups
    included. Raises SuiteFailed when it reported none."""
    (workspace / "load").write_text("\n".join(tests) + "\n")
    words = ["run", "--config-file", "etc/tempest.conf", "--load-list", "load", "--concurrency", str(WORKERS)]
    with (workspace / "run.log").open("wb") as log:
        try:
            _tempest(workspace, words, limit, log.fileno())
        except subprocess.TimeoutExpired:
            log.write(f"\nended after {limit:.0f} seconds\n".encode())
    found = _outcomes(workspace)
    if not found:
        raise SuiteFailed((workspace / "run.log").read_text()[-3000:])
    return found


def version() -> str:
    """Tempest's version."""
    return _tempest_text(["--version"]).split()[-1]


def _tempest(workspace: Path, words: Sequence[str], limit: float, output: int) -> None:
    """Run it in a process group of its own, so that its workers end with it."""
    environment = {**_surroundings(), "HOME": str(workspace)}
    with subprocess.Popen(
        [ENVIRONMENT / "bin/tempest", *words], cwd=workspace, env=environment, stdin=subprocess.DEVNULL,
        stdout=output, stderr=output, start_new_session=True,
    ) as running:  # fmt: skip
        try:
            running.wait(limit)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, 9)


def _tempest_text(words: Sequence[str]) -> str:
    return subprocess.run(
        [ENVIRONMENT / "bin/tempest", *words], capture_output=True, text=True, check=True, env=_surroundings()
    ).stdout


def _surroundings() -> dict[str, str]:
    """No proxies and no other cloud: everything is on this machine. stestr is found where Tempest is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return {**kept, "no_proxy": "*", "NO_PROXY": "*", "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}"}


def _outcomes(workspace: Path) -> dict[str, Outcome]:
    """The last run's, read by Tempest's own libraries."""
    stream = subprocess.run(
        [ENVIRONMENT / "bin/stestr", "last", "--subunit"], cwd=workspace, env=_surroundings(), capture_output=True,
        check=False,
    ).stdout  # fmt: skip
    reader = Path(__file__).parent / "read_subunit.py"
    read = subprocess.run([ENVIRONMENT / "bin/python", reader], input=stream, capture_output=True, check=True)
    return {each["id"]: Outcome(each["status"], each["reason"]) for each in json.loads(read.stdout)}
