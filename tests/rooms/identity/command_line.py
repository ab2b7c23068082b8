"""The released `openstack` client, and a cloud on a real socket for it."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml

from tests.rooms.identity.cloud import Cloud

CLIENTS = Path(__file__).parents[3] / ".venv-clients" / "bin"


class Client:
    """Runs commands in one process of the client, as its interactive mode reads them."""

    def __init__(self, state: Path) -> None:
        self.state = state
        found = shutil.which("openstack", path=f"{CLIENTS}:{os.environ.get('PATH', '')}")
        assert found, "python-openstackclient is missing: run bin/setup"
        self.program = found

    def __call__(self, *commands: str, cloud: str = "stackyard-admin") -> list[Any]:
        """What the commands printed as JSON, in order. Every command must succeed."""
        done = self.run([], cloud, "".join(f"{each}\n" for each in commands))
        # The interactive mode ends with status 1 at the end of its input; a command that fails says so on stderr.
        assert done.stderr == "", done.stderr + done.stdout
        printed, documents = done.stdout.strip(), []
        while printed:
            document, end = json.JSONDecoder().raw_decode(printed)
            documents.append(document)
            printed = printed[end:].lstrip()
        return documents

    @property
    def auth_url(self) -> str:
        clouds = yaml.safe_load((self.state / "clouds.yaml").read_text())["clouds"]
        return str(clouds["stackyard"]["auth"]["auth_url"])

    def environment(self, cloud: str, **settings: str) -> dict[str, str]:
        """Of a command that uses one of the clouds in the file, or else these settings."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        where = {"OS_CLOUD": cloud, "OS_CLIENT_CONFIG_FILE": str(self.state / "clouds.yaml")} if cloud else settings
        return {**inherited, "NO_PROXY": "*", **where}

    def run(
        self, arguments: list[str], cloud: str, script: str = "", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments],
            input=script,
            capture_output=True,
            text=True,
            env=self.environment(cloud, **settings),
            timeout=60,
        )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with served(tmp_path_factory.mktemp("served")) as made:
        yield made


@contextmanager
def served(state: Path) -> Iterator[Client]:
    """A new cloud on a socket, and the client for it."""
    listening = socket.create_server(("127.0.0.1", 0))
    cloud = Cloud(state, public_url=f"http://127.0.0.1:{listening.getsockname()[1]}")
    cloud.seed()
    server = uvicorn.Server(uvicorn.Config(cloud.front, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    yield Client(state)
    server.should_exit = True
    thread.join(30)
    cloud.close()


def named(rows: list[dict[str, Any]], column: str = "Name") -> set[str]:
    return {str(row[column]) for row in rows}
