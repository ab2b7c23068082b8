"""A whole cloud for tests on this very machine: a server of its own, a private dockerd, real networks. Needs root.

It takes a free port and a free range, and marks all it makes with an id of its own, so that it lives beside others.
"""

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from stackyard.hosts import process
from stackyard.hosts.unix_http import ask
from stackyard.kernel.settings import Settings, save
from stackyard.testing.cloud import free_port
from stackyard.testing.personas import Doors

T = TypeVar("T")


class RealCloud(Doors):
    """A cloud that the operator's commands start and stop, and that tests may kill at any moment."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        save(settings)

    # -- the operator's commands --

    def command(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `stackyard <words> --state …`. What it printed and its exit status are the caller's to judge."""
        return subprocess.run(
            [sys.executable, "-m", "stackyard.cli.main", *words, "--state", str(self.settings.state_dir)],
            check=False, capture_output=True, text=True, env={**os.environ, **environment}, timeout=180,
        )  # fmt: skip

    def up(self) -> str:
        """Start it, or bring it back; what `up` printed. A crash can be armed from now on."""
        return self._done("up", STACKYARD_CRASH_FILE=str(self._crash_file))

    def down(self, *, purge: bool = False) -> str:
        """Stop it, and with `purge` leave the host as it was; what `down` printed."""
        return self._done("down", "--grace", "1", *(["--purge"] if purge else []))

    def status(self) -> dict[str, Any]:
        """What `status` says."""
        return dict(json.loads(self._done("status", "--json")))

    def check(self) -> list[str]:
        """Every difference between database and host, as sentences."""
        done = self.command("check", "--json")
        assert done.stdout, done.stderr
        found = [str(each["text"]) for each in json.loads(done.stdout)]
        assert done.returncode == bool(found), "the exit status says whether there are any"
        return found

    def why(self, object_id: str) -> dict[str, Any]:
        """The story of an object."""
        [story] = json.loads(self._done("why", object_id, "--json"))
        return dict(story)

    def steps(self, object_id: str, action: str) -> list[str]:
        """The names of the steps that the object's last operation of that action took, in order."""
        story = self.why(object_id)
        operation = [each["id"] for each in story["operations"] if each["action"] == action][-1]
        return [each["text"] for each in story["lines"] if each["kind"] == "step" and each["operation"] == operation]

    def repair(self) -> None:
        """`reconcile --once` of every repair of the host; twice, since leftovers are given a second look."""
        for name in ("network", "containers", "network", "containers"):
            self._done("reconcile", "--once", name)

    def settle(self, within: float = 30) -> None:
        """Return when no operation is queued or running."""
        eventually(lambda: not self.status()["operations"] or None, within, "operations never end")

    def agrees(self, within: float = 10) -> None:
        """Return when database and host agree; an AssertionError with the differences when they do not in time."""
        eventually(lambda: True if not self.check() else None, within, lambda: f"differences stay: {self.check()}")

    def _done(self, *words: str, **environment: str) -> str:
        done = self.command(*words, **environment)
        assert done.returncode == 0, f"stackyard {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    # -- what happens behind its back --

    @property
    def _crash_file(self) -> Path:
        return self.settings.state_dir / "crash"

    @contextmanager
    def dying_at(self, action: str, step: str, moment: str) -> Iterator[None]:
        """The server kills itself at that moment of whatever the body asks for; leaves when it is dead."""
        self._crash_file.write_text(f"{action}:{step}:{moment}")
        try:
            yield
            eventually(lambda: self.is_dead() or None, 30, f"{action}: {step}: the server did not die {moment}")
        finally:
            self._crash_file.unlink(missing_ok=True)

    def is_dead(self) -> bool:
        """Whether no server uses the state folder."""
        with (self.settings.state_dir / "server.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def kill_server(self) -> None:
        """kill -9."""
        os.kill(self.status()["pid"], signal.SIGKILL)
        eventually(lambda: self.is_dead() or None, 10, "the server lives on")

    def kill_engine(self) -> None:
        """kill -9 of dockerd; its containers live on."""
        config = str(self.settings.run_dir / "engine/daemon.json")
        for found in process.running(lambda line: line[1:] == ["--config-file", config]):
            with found:
                found.kill()

    def engine(self, method: str, target: str, timeout: float = 30) -> Any:
        """Ask the cloud's dockerd directly."""
        status, answer = ask(self.settings.run_dir / "engine/docker.sock", method, target, timeout)
        assert status < 300, f"{method} {target}: {status} {answer}"
        return answer

    def in_engine(self, object_id: str) -> list[dict[str, Any]]:
        """The engine's containers, stopped ones too, that carry the id in name or label: the container, its sandbox."""
        listed = self.engine("GET", "/containers/json?all=1")
        return [each for each in listed if object_id in f"{each['Names']} {each['Labels']}"]


@contextmanager
def real_cloud(**settings: Any) -> Iterator[RealCloud]:
    """A cloud that is not up yet; purged at the end, whatever happened. `settings`: those of `kernel.settings`.

    When the purge fails, its folder stays, so that `down --purge --state <folder>/s` can be tried again."""
    folder = Path(tempfile.mkdtemp(prefix="sy-"))
    chosen: dict[str, Any] = {
        "port": free_port(), "external_cidr": str(free_range()), "cloud_id": f"t{secrets.token_hex(2)}",
        "password_cost": 4,
    }  # fmt: skip
    cloud = RealCloud(Settings(state_dir=folder / "s", **{**chosen, **settings}))
    try:
        yield cloud
    finally:
        cloud.down(purge=True)
        shutil.rmtree(folder)


def free_range() -> IPv4Network:
    """A range of 198.18.0.0/16 (set aside for tests of network devices) where the host has no route, no address."""
    taken = [IPv4Network(each["dst"]) for each in _ip("route") if each["dst"] != "default"]
    taken += [IPv4Network(each["local"]) for link in _ip("address") for each in link["addr_info"]]
    free = [each for each in IPv4Network("198.18.0.0/16").subnets(new_prefix=24) if not any(map(each.overlaps, taken))]
    return secrets.choice(free)


def _ip(what: str) -> list[dict[str, Any]]:
    listed = subprocess.run(["ip", "-json", "-4", what], capture_output=True, check=True).stdout
    return list(json.loads(listed))


def eventually(probe: Callable[[], T | None], within: float, otherwise: str | Callable[[], str]) -> T:
    """The first answer that is not None. AssertionError after `within` seconds."""
    end = time.monotonic() + within
    while (answer := probe()) is None:
        if time.monotonic() > end:
            raise AssertionError(otherwise if isinstance(otherwise, str) else otherwise())
        time.sleep(0.05)
    return answer
