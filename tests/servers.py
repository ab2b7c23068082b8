"""Servers of one cloud on one PostgreSQL, each with a state folder of its own; one may be a process that can be killed.

`python -m tests.servers FOLDER NAME TOLD` is such a process: it serves until it is killed. `TOLD` is what `settings_of`
gives; the environment may name a crash (`kernel/journal/crash.py`).
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from stackyard.kernel.journal import Pace, from_environment
from stackyard.kernel.settings import Settings
from stackyard.rooms.container.driver import Image
from stackyard.testing.cloud import FACTS, RunningCloud, Worlds, cloud, free_port
from stackyard.testing.personas import Doors

#: An image that every server's own host can get, and how long the claims of a process last.
IMAGE = "web"
LEASE = timedelta(seconds=3)


def settings_of(url: str, **more: Any) -> dict[str, Any]:
    """What a server is to be told: its ports stay the same when it comes back."""
    ports = {"port": free_port(), "nodes": f"127.0.0.1:{free_port()}"}
    return {"database": url, "password_cost": 4, **ports, **more}


@contextmanager
def server(folder: Path, name: str, told: dict[str, Any], **how: Any) -> Iterator[RunningCloud]:
    """A server in this process, its machine of that name."""
    with cloud(folder, facts=msgspec.structs.replace(FACTS, hostname=name), **how, **told) as running:
        yield running


@dataclass
class Process(Doors):
    """A server in a process of its own. `environment`: of that process, beside the tests' own."""

    folder: Path
    name: str
    told: dict[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(init=False)
    _process: "subprocess.Popen[str] | None" = None

    def __post_init__(self) -> None:
        self.settings = Settings(state_dir=self.folder, **self.told)

    def start(self) -> None:
        """Come up, unless it is; returns when it answers."""
        if self._process is not None:
            return
        told = msgspec.json.encode(self.told).decode()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers", str(self.folder), self.name, told],
            stdout=subprocess.PIPE, text=True, env=os.environ | self.environment,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def is_dead(self) -> bool:
        """Whether it has died by itself."""
        return self._process is None or self._process.poll() is not None

    def send(self, number: signal.Signals) -> None:
        """Stop it where it is, let it go on, kill it."""
        assert self._process is not None
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()
            self._process = None

    def end(self) -> None:
        """Make sure that it is gone."""
        if self._process is not None:
            self.send(signal.SIGKILL)


def joins(first: Path, folder: Path) -> Path:
    """The state folder of a further server, prepared as docs/operate/database.md says."""
    folder.mkdir()
    for name in ("cloud.secret", "clouds.yaml"):
        shutil.copy(first / name, folder / name)
    return folder


def eventually(holds: Any, within: float = 30) -> None:
    """Wait for something; an AssertionError when it does not come."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"not so after {within:g} s"
        time.sleep(0.01)


def main(folder: str, name: str, told: str) -> None:
    """Serve until killed."""
    if "LD_PRELOAD" in os.environ:
        # libfaketime takes the moment that Python's sleep is to end at, by the clock it leaves alone, for one of its
        # own.
        time.sleep = lambda seconds: select.select([], [], [], seconds)  # type: ignore[assignment]
    worlds = Worlds()
    worlds.container.registry[IMAGE] = Image(id="sha256:web", names=[f"{IMAGE}:latest"], size=3)
    how = {"worlds": worlds, "pace": Pace(lease=LEASE), "crash_hook": from_environment(os.environ)}
    with server(Path(folder), name, msgspec.json.decode(told), **how):
        print("ready", flush=True)
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
