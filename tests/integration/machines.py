"""Other machines on this one: network namespaces with a link of their own to the cloud's server. Needs root."""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stackyard.hosts import netns
from stackyard.testing.real_cloud import eventually

_MARK = "symach"


class Switch:
    """A bridge on the server's side, to which machines are connected. Its address is the server's."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(2)
        self.link = f"{_MARK}{self.id}"
        # Of the block for documentation that no cloud of the tests uses for its external network.
        self.prefix = f"198.19.{int(self.id[:2], 16)}"
        self.address = f"{self.prefix}.1"

    def make(self) -> None:
        """The bridge and its address."""
        ip("link", "add", self.link, "type", "bridge")
        ip("address", "add", f"{self.address}/24", "dev", self.link)
        ip("link", "set", self.link, "up")

    def remove(self) -> None:
        """Nothing of it stays."""
        ip("link", "delete", self.link)


class Machine:
    """A machine with an interface of its own and a folder for a node."""

    def __init__(self, switch: Switch, number: int, folder: Path) -> None:
        self.name = f"machine{number}"
        self.folder = folder / self.name
        self.namespace = f"{_MARK}{switch.id}n{number}"
        self.port = f"{_MARK}{switch.id}p{number}"
        self._switch, self._number = switch, number

    def make(self) -> None:
        """The namespace and its link."""
        netns.create(self.namespace)
        ip("link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        ip("link", "set", self.port, "master", self._switch.link, "up")
        for words in (
            ["link", "set", "lo", "up"], ["link", "set", "eth0", "up"],
            ["address", "add", f"{self._switch.prefix}.{self._number + 10}/24", "dev", "eth0"],
        ):  # fmt: skip
            ip("-n", self.namespace, *words)

    def remove(self) -> None:
        """Node, link and namespace are gone."""
        if (self.folder / "node.json").exists():
            self.node("down", "--grace", "1", "--purge")
        subprocess.run(["ip", "link", "delete", self.port], check=False, capture_output=True)
        netns.remove(self.namespace)

    def unplug(self) -> None:
        """The cable is out: nobody is told."""
        ip("link", "set", self.port, "down")

    def plug(self) -> None:
        """The cable is in again."""
        ip("link", "set", self.port, "up")

    def run(self, *words: str, timeout: float = 180) -> "subprocess.CompletedProcess[str]":
        """A program on this machine."""
        inside = ["nsenter", f"--net={netns.path(self.namespace)}"]
        return subprocess.run([*inside, *words], check=False, capture_output=True, text=True, timeout=timeout)

    def node(self, word: str, *words: str) -> str:
        """`stackyard node <word>` on this machine; what it printed. It must not fail."""
        done = self.try_node(word, *words)
        assert done.returncode == 0, f"stackyard node {word}: {done.stdout}{done.stderr}"
        return done.stdout

    def try_node(self, word: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """`stackyard node <word>` on this machine, however it ends."""
        command = [sys.executable, "-m", "stackyard.cli.main", "node", word, *words, "--state", str(self.folder)]
        return self.run(*command)

    def kill_node(self) -> None:
        """kill -9 of the node's process; its engine and containers live on."""
        os.kill(int((self.folder / "node.lock").read_text()), 9)
        eventually(lambda: self.try_node("status").returncode or None, 10, "the node lives on")


def ip(*words: str) -> None:
    """The program `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def machines(count: int) -> Iterator[tuple[Switch, list[Machine]]]:
    """Machines on a switch, without nodes yet. Everything is removed afterwards, whatever happened."""
    switch = Switch()
    with tempfile.TemporaryDirectory(prefix="sym-") as folder:
        made = [Machine(switch, number, Path(folder)) for number in range(count)]
        switch.make()
        try:
            for each in made:
                each.make()
            yield switch, made
        finally:
            for each in made:
                each.remove()
            switch.remove()
