"""The systemd unit that brings a cloud back at boot."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from stackyard.cli import unit
from stackyard.cli.operator import CommandFailed
from stackyard.kernel.settings import Settings


def test_a_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    odd = tmp_path / "odd 100% $HOME folder"
    states = (Path("/var/lib/stackyard"), odd)
    clouds = [unit.of_cloud(Settings(state_dir=state, cloud_id="ab12", drain=5)) for state in states]
    for made in (*clouds, unit.of_node(odd, odd / "node.log")):
        path = unit.install(made, tmp_path)
        told = path.read_text()
        assert "KillMode=process\n" in told
        assert f"TimeoutStopSec={made.patience:g}\n" in told
        assert f" -m stackyard.cli.main {made.verb} --state " in told
        assert (tmp_path / "multi-user.target.wants" / path.name).resolve() == path
        if shutil.which("systemd-analyze"):
            judged = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True)
            complaints = [line for line in judged.stderr.splitlines() if path.name in line or str(path) in line]
            assert complaints == []


def test_a_cloud_in_a_folder_of_its_own_has_a_unit_of_its_own() -> None:
    clouds = [Settings(state_dir=Path(each), cloud_id="ab12") for each in ("/var/lib/stackyard", "/srv")]
    names = [
        *(unit.of_cloud(each).name for each in clouds),
        *(unit.of_node(Path(state), Path("log")).name for state in ("/var/lib/stackyard-node", "/srv/a", "/srv/b")),
    ]
    assert names[:3] == ["stackyard.service", "stackyard-ab12.service", "stackyard-node.service"]
    assert len(set(names)) == 5


def test_a_unit_that_is_removed_leaves_nothing(tmp_path: Path) -> None:
    made = unit.of_cloud(Settings(state_dir=tmp_path / "state", cloud_id="ab12"))
    unit.install(made, tmp_path)
    unit.install(made, tmp_path)
    unit.remove(made, tmp_path)
    unit.remove(made, tmp_path)
    assert [each for each in tmp_path.rglob("*") if not each.is_dir()] == []


def test_a_host_without_systemd_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="nothing needs a unit to run"):
        unit.install(unit.of_cloud(Settings(state_dir=tmp_path)), tmp_path / "nowhere")


def test_systemd_is_told_how_the_server_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        unit.tell("READY=1")
        assert systemd.recv(100) == b"READY=1"
    monkeypatch.delenv("NOTIFY_SOCKET")
    unit.tell("READY=1")
