"""The private engine: it comes up beside anything, survives its starter, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.hosts.dockerd import EngineFailed, ExistingEngine, PrivateEngine

pytestmark = pytest.mark.integration


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sy-") as path:
        yield Path(path)


@pytest.fixture
def engine(directory: Path) -> Iterator[PrivateEngine]:
    private = PrivateEngine(f"eng{os.getpid()}", data=directory / "data", run=directory / "run")
    yield private
    private.purge()


#: All of an engine's life, in namespaces of its own, where nobody else changes links, mounts or /run.
_LIFE = """
import os, re, signal, subprocess, sys
from pathlib import Path
from stackyard.hosts.dockerd import PrivateEngine
from stackyard.rooms.container.driver import ContainerSpec, SandboxSpec
from stackyard.rooms.container.drivers.docker.driver import DockerDriver
from stackyard.testing.host_snapshot import differences, snapshot

how, cloud, top = sys.argv[1], sys.argv[2], Path(sys.argv[3])
subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["ip", "link", "add", "docker0", "type", "bridge"], check=True)
before = snapshot()

def changes():
    # Other clouds on this machine come and go: their control groups, and the mounts copied from their namespaces.
    other = re.compile(f"/stackyard-(?!{cloud})|^- mounts: ")
    return [line for line in differences(before, snapshot()) if not other.search(line)]

engine = PrivateEngine(cloud, top / "data", top / "run")
engine.start().wait_ready(60)
driver = DockerDriver(engine.url, cloud)
driver.build_busybox_image("cirros")
for id in ("runs", "paused", "created"):
    driver.ensure_sandbox(SandboxSpec(id=id))
    driver.create(ContainerSpec(id=id, sandbox_id=id, image="cirros", command=["sleep", "1000"]))
driver.start("runs")
driver.start("paused")
driver.pause("paused")
assert changes()
if how == "killed":
    os.kill(engine.start().pid, signal.SIGKILL)
if how == "stopped":
    engine.stop(grace=1)
    assert not engine.running()
    left = changes()
    assert all(line.startswith("+ directories: ") for line in left), left
engine.purge()
engine.purge()
print(*changes(), sep="\\n", end="")
assert not list(top.iterdir())
"""


@pytest.mark.parametrize("how", ["running", "stopped", "killed"])
def test_after_a_purge_the_host_is_as_it_was(directory: Path, how: str) -> None:
    life = [sys.executable, "-c", _LIFE, how, f"life{os.getpid()}", str(directory)]
    done = subprocess.run(["unshare", "--net", "--mount", *life], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ""


def test_start_attaches_to_the_engine_that_runs(engine: PrivateEngine) -> None:
    first = engine.start()
    first.wait_ready(within=30)
    again = PrivateEngine(f"eng{os.getpid()}", data=engine.data, run=engine.run).start()
    again.wait_ready(within=1)
    assert again.pid == first.pid
    assert os.getsid(first.pid) == first.pid


def test_a_stale_pid_file_with_anothers_number_does_not_hinder(engine: PrivateEngine) -> None:
    engine.run.joinpath("exec/containerd").mkdir(parents=True)
    for file in ("docker.pid", "exec/containerd/containerd.pid"):
        engine.run.joinpath(file).write_text(str(os.getpid()))
    engine.start().wait_ready(within=30)
    assert engine.running()


def test_the_socket_is_for_root_alone(engine: PrivateEngine) -> None:
    engine.start().wait_ready(within=30)
    assert engine.socket.stat().st_gid == 0
    assert engine.run.stat().st_mode & 0o077 == 0


def test_two_engines_run_side_by_side_and_one_is_purged_alone(engine: PrivateEngine, directory: Path) -> None:
    other = PrivateEngine(f"oth{os.getpid()}", data=directory / "data2", run=directory / "run2")
    try:
        starting = [engine.start(), other.start()]
        for each in starting:
            each.wait_ready(within=60)
        assert engine.bridge != other.bridge
        other.purge()
        assert engine.running()
        assert not other.running()
    finally:
        other.purge()


def test_stop_leaves_images_and_stopped_containers(engine: PrivateEngine) -> None:
    engine.start().wait_ready(within=30)
    docker = ["docker", "-H", engine.url]
    imported = subprocess.run([*docker, "import", "-", "one:1"], input=bytes(1024), capture_output=True, check=True)
    engine.stop()
    engine.stop()
    assert not engine.running()
    engine.start().wait_ready(within=30)
    listed = subprocess.run([*docker, "images", "-q", "--no-trunc"], capture_output=True, check=True)
    assert imported.stdout == listed.stdout


def test_an_engine_that_cannot_start_says_why(engine: PrivateEngine) -> None:
    engine.data.mkdir()
    (engine.data / "docker").write_text("in the way")
    with pytest.raises(EngineFailed, match="points to a file"):
        engine.start().wait_ready(within=30)


def test_a_silent_engine_is_given_up_in_time(engine: PrivateEngine) -> None:
    starting = engine.start()
    os.kill(starting.pid, signal.SIGSTOP)
    try:
        with pytest.raises(EngineFailed, match=r"does not answer after 0\.5 s"):
            starting.wait_ready(within=0.5)
    finally:
        os.kill(starting.pid, signal.SIGCONT)


def test_a_missing_program_is_named(directory: Path) -> None:
    lost = PrivateEngine("lost", data=directory / "data", run=directory / "run", program="no-dockerd")
    try:
        with pytest.raises(EngineFailed, match="no-dockerd is not installed"):
            lost.start()
    finally:
        lost.purge()


def test_an_existing_engine_is_used_and_left_alone(engine: PrivateEngine) -> None:
    engine.start().wait_ready(within=30)
    existing = ExistingEngine(engine.url)
    existing.start().wait_ready(within=1)
    existing.stop()
    existing.purge()
    assert engine.running()


def test_an_existing_engine_that_is_none_is_named(directory: Path) -> None:
    with pytest.raises(EngineFailed, match="no Docker answers at unix:///"):
        ExistingEngine(f"unix://{directory}/docker.sock").start().wait_ready(within=0)


def test_names_that_would_not_fit_are_refused(directory: Path) -> None:
    with pytest.raises(ValueError, match="cloud id"):
        PrivateEngine("Not An Id", data=directory, run=directory)
    with pytest.raises(ValueError, match="too long for sockets"):
        PrivateEngine("fine", data=directory, run=directory / ("x" * 80))
