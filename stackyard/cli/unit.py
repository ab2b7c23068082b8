"""Systemd units, so that a cloud or a node comes back when its host does; and what they tell systemd then."""

import os
import shutil
import socket
import subprocess
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

from stackyard.cli.operator import CommandFailed
from stackyard.kernel.settings import Settings

FOLDER = Path("/etc/systemd/system")

_TEXT = """\
[Unit]
Description={title}
Wants=network-online.target
After=network-online.target
RequiresMountsFor={state}

[Service]
Type=notify
ExecStart={python} -m stackyard.cli.main {verb} --state {state} --log {log}
ExecReload=/bin/kill -HUP $MAINPID
# The engine and the containers outlive it, also when it is started again.
KillMode=process
Restart=on-failure
RestartSec=2
TimeoutStartSec=300
TimeoutStopSec={stop}
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
"""


class Unit(NamedTuple):
    """What systemd is to start. verb: the command. patience: seconds that it gets to stop."""

    name: str
    title: str
    verb: str
    state: Path
    log: Path
    patience: float

    def text(self) -> str:
        """The unit file."""
        return _TEXT.format(
            title=self.title.replace("%", "%%"), verb=self.verb, state=_quoted(self.state), log=_quoted(self.log),
            python=_quoted(Path(sys.executable)), stop=int(self.patience),
        )  # fmt: skip


def of_cloud(settings: Settings) -> Unit:
    """A server's: that of a cloud in the usual folder has the plain name."""
    state = settings.state_dir
    name = "stackyard.service" if state == Path("/var/lib/stackyard") else f"stackyard-{settings.cloud_id}.service"
    return Unit(
        name, f"The Stackyard cloud in {state}", "serve", state, state / "logs" / "server.log", 90 + settings.drain
    )


def of_node(state: Path, log: Path) -> Unit:
    """A node's: that in the usual folder has the plain name."""
    usual = state == Path("/var/lib/stackyard-node")
    name = "stackyard-node.service" if usual else f"stackyard-node-{zlib.crc32(bytes(state)):08x}.service"
    return Unit(name, f"The Stackyard node in {state}", "node serve", state, log, 90)


def install(unit: Unit, folder: Path = FOLDER) -> Path:
    """Write the unit and have it started at boot. Raises CommandFailed on a host without systemd."""
    if not folder.is_dir():
        raise CommandFailed(f"--install-unit: there is no {folder} on this host; nothing needs a unit to run.")
    path = folder / unit.name
    path.write_text(unit.text())
    path.chmod(0o644)
    wants = folder / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    enabled = wants / unit.name
    if not enabled.is_symlink():
        enabled.symlink_to(path)
    _reload()
    return path


def remove(unit: Unit, folder: Path = FOLDER) -> None:
    """Take the unit from the host; done already is done."""
    path = folder / unit.name
    if not path.exists():
        return
    (folder / "multi-user.target.wants" / unit.name).unlink(missing_ok=True)
    path.unlink()
    _reload()


def tell(words: str) -> None:
    """Tell the systemd that started this process how it is ("READY=1", see sd_notify(3)); nobody else listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
        door.connect("\0" + address[1:] if address.startswith("@") else address)
        door.sendall(words.encode())


def _reload() -> None:
    """Have a systemd that runs here read its units again."""
    if Path("/run/systemd/system").is_dir() and shutil.which("systemctl"):
        subprocess.run(["systemctl", "daemon-reload"], check=False, timeout=30)


def _quoted(path: Path) -> str:
    """A word of a unit file that means the path, whatever is in it."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if set(escaped) & set(" \"'\\") else escaped
