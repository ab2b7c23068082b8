"""The real clients on a whole cloud: openstacksdk in one walk, and the openstack command, which speaks through it."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.testing.cloud import RunningCloud, cloud

# Each command is a process of its own that takes a second to start.
pytestmark = pytest.mark.thorough

CLIENTS = Path(__file__).parents[3] / ".venv-clients" / "bin"


@pytest.fixture(scope="module")
def whole_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A cloud of every room on fake drivers."""
    with cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def _run(running: RunningCloud, *command: object) -> "subprocess.CompletedProcess[str]":
    config = str(running.settings.state_dir / "clouds.yaml")
    environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": config, "OS_CLOUD": "stackyard", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [str(each) for each in command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def test_openstacksdk_walks_through_the_whole_service(whole_cloud: RunningCloud, tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    data.write_bytes(os.urandom(3_000_000))
    done = _run(whole_cloud, CLIENTS / "python", Path(__file__).with_name("sdk_walk.py"), data, copy)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["created"] == ["active", 3_000_000, "arm", ["t"]]
    assert found["updated"] == ["walked", 64, "x86_64"]
    assert found["digest"] == hashlib.sha512(data.read_bytes()).hexdigest()
    assert copy.read_bytes() == data.read_bytes()
    assert found["members"] == [[True, "pending"]]
    assert found["accepted"] == ["accepted"]
    assert found["tags"] == ["u"]
    assert found["deactivated"] == "deactivated"
    assert found["imported"] == "active"
    assert found["listed"] == ["staged", "walked"]
    assert found["stores"] == ["files"]
    assert "make an image public" in found["refused"]
    assert found["left"] == []


def test_the_openstack_command_creates_saves_and_says_what_is_wrong(whole_cloud: RunningCloud, tmp_path: Path) -> None:
    openstack, data, copy = CLIENTS / "openstack", tmp_path / "data", tmp_path / "copy"
    data.write_bytes(b"some data" * 1000)
    made = _run(
        whole_cloud, openstack, "image", "create", "--disk-format", "raw", "--container-format", "bare",
        "--file", data, "--property", "a=b", "-f", "json", "by-command",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    image = json.loads(made.stdout)
    assert (image["status"], image["properties"]["a"]) == ("active", "b")
    assert _run(whole_cloud, openstack, "image", "save", "--file", copy, "by-command").returncode == 0
    assert copy.read_bytes() == data.read_bytes()
    public = _run(whole_cloud, openstack, "image", "set", "--public", "by-command")
    assert public.returncode == 1
    assert "not permitted to make an image public" in public.stderr
