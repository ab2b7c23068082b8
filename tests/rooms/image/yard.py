"""Servers of one cloud on one PostgreSQL, each with a state folder of its own; one may be a process that can be killed.

`python -m tests.rooms.image.yard SETTINGS NAME` is such a process: it serves until it is killed.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from stackyard.kernel.settings import Settings
from stackyard.rooms.image.drivers.files import ID
from stackyard.testing.cloud import FACTS, RunningCloud, cloud, free_port
from stackyard.testing.personas import Doors, Persona

IMAGES = "/image/v2/images"
OCTETS = {"Content-Type": "application/octet-stream"}


def settings_of(url: str) -> dict[str, Any]:
    """What a server is to be told: its ports stay the same when it comes back."""
    return {"database": url, "port": free_port(), "nodes": f"127.0.0.1:{free_port()}", "password_cost": 4}


@contextmanager
def server(folder: Path, name: str, told: dict[str, Any], **how: Any) -> Iterator[RunningCloud]:
    """A server in this process, its machine of that name."""
    with cloud(folder, facts=msgspec.structs.replace(FACTS, hostname=name), **how, **told) as running:
        yield running


@dataclass
class Process(Doors):
    """A server in a process of its own."""

    folder: Path
    name: str
    told: dict[str, Any]
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
            [sys.executable, "-m", "tests.rooms.image.yard", str(self.folder), self.name, told],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def send(self, number: signal.Signals) -> None:
        """Stop it where it is, let it go on, kill it."""
        assert self._process is not None
        os.kill(self._process.pid, number)
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


def made(persona: Persona, **attributes: Any) -> str:
    """A new image; its id."""
    body = {"name": "an image", "disk_format": "raw", "container_format": "bare", **attributes}
    return str(persona.post(IMAGES, body)["id"])


def uploaded(persona: Persona, data: bytes, **attributes: Any) -> str:
    """A new image with data; its id."""
    image_id = made(persona, **attributes)
    sent(persona, image_id, data)
    return image_id


def sent(persona: Persona, image_id: str, data: Any, path: str = "file") -> None:
    """Send an image's data."""
    answer = persona.http.put(f"{IMAGES}/{image_id}/{path}", content=data, headers=OCTETS)
    assert answer.status_code == 204, answer.text


def got(persona: Persona, image_id: str, **headers: str) -> httpx.Response:
    """The answer to a download."""
    return persona.http.get(f"{IMAGES}/{image_id}/file", headers=headers)


def kept(folder: Path) -> list[str]:
    """What is in a server's store, whole or in part."""
    images = folder / "images"
    found = (each for each in images.rglob("*") if each.is_file() and each.name != ID)
    return sorted(str(each.relative_to(images)) for each in found if ".claims" not in each.parts)


def eventually(holds: Any, within: float = 30) -> None:
    """Wait for something; an AssertionError when it does not come."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"not so after {within:g} s"
        time.sleep(0.01)


def main(folder: str, name: str, told: str) -> None:
    """Serve until killed."""
    with server(Path(folder), name, msgspec.json.decode(told)):
        print("ready", flush=True)
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
