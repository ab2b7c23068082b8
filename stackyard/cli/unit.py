"""A systemd unit, so that a cloud comes back when its host does; and what the server tells systemd then."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from stackyard.cli.operator import CommandFailed
from stackyard.kernel.settings import Settings

FOLDER = Path("/etc/systemd/system")
DEFAULT_STATE = Path("/var/lib/stackyard")

_TEXT = """\
[Unit]
Description=The Stackyard cloud in {said}
Wants=network-online.target
After=network-online.target
RequiresMountsFor={state}

[Service]
Type=notify
ExecStart={python} -m stackyard.cli.main serve --state {state} --log {log}
ExecReload=/bin/kill -HUP $MAINPID
# The engine and the containers outlive the server, also when it is started again.
KillMode=process
Restart=on-failure
RestartSec=2
TimeoutStartSec=300
TimeoutStopSec={stop}
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
"""


def name(settings: Settings) -> str:
    """The unit's: a cloud in the usual folder has the plain one."""
    usual = settings.state_dir == DEFAULT_STATE
    return "stackyard.service" if usual else f"stackyard-{settings.cloud_id}.service"


def text(settings: Settings) -> str:
    """The unit file."""
    state = settings.state_dir
    return _TEXT.format(
        said=str(state).replace("%", "%%"), state=_quoted(state), python=_quoted(Path(sys.executable)),
        log=_quoted(state / "logs" / "server.log"), stop=int(90 + settings.drain),
    )  # fmt: skip


def install(settings: Settings, folder: Path = FOLDER) -> Path:
    """Write the unit and have it started at boot. Raises CommandFailed on a host without systemd."""
    if not folder.is_dir():
        raise CommandFailed(f"--install-unit: there is no {folder} on this host; the cloud needs no unit to run.")
    path = folder / name(settings)
    path.write_text(text(settings))
    path.chmod(0o644)
    wants = folder / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    enabled = wants / path.name
    if not enabled.is_symlink():
        enabled.symlink_to(path)
    _reload()
    return path


def remove(settings: Settings, folder: Path = FOLDER) -> None:
    """Take the unit from the host; done already is done."""
    path = folder / name(settings)
    if not path.exists():
        return
    (folder / "multi-user.target.wants" / path.name).unlink(missing_ok=True)
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
