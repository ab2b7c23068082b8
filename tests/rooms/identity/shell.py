"""The `openstack` command, many times in one process, as a fixture."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rooms.identity.command_line import CLIENTS, Client

SHELL = Path(__file__).with_name("openstack_shell.py")


class Shell:
    """`shell("user show demo")` is what that command says as JSON, None when it says nothing."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client, self.folder = client, folder
        self._process = subprocess.Popen(
            [CLIENTS / "python", SHELL], env=client.environment("stackyard-admin"), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, line: str, *more: str) -> Any:
        status, out, err = self.run(*shlex.split(line), *more)
        assert status == 0, f"openstack {line}\n{out}{err}"
        return json.loads(out) if out.strip().startswith(("{", "[")) else out.strip() or None

    def run(self, *words: str) -> tuple[int, str, str]:
        """Any command: its exit status and what it printed. Those that show something show it as JSON."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        shows = {"create", "show", "list", "authorize"} & set(words[:4]) and "add" not in words
        self._process.stdin.write(json.dumps([*words, *(["-f", "json"] if shows else [])]) + "\n")
        self._process.stdin.flush()
        status, out, err = json.loads(self._process.stdout.readline())
        return status, out, err

    def refuses(self, line: str, said: str) -> None:
        """The command fails and says why."""
        status, out, err = self.run(*shlex.split(line))
        assert status != 0, out
        assert said in err, err

    def file(self, name: str, text: str) -> str:
        """The path of a file with that text."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture(scope="module")
def shell(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    opened = Shell(client, tmp_path_factory.mktemp("files"))
    yield opened
    opened.close()
