"""A container engine of the cloud's own: a private dockerd beside the user's Docker, or one that exists already."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Protocol

from stackyard.hosts import process, remains
from stackyard.hosts.process import Process
from stackyard.hosts.unix_http import ask

#: Directories that dockerd, containerd and its shims insist on, whatever they are told, parents first.
_SHARED_DIRECTORIES = {
    "/opt/containerd": 0o711,
    "/opt/containerd/bin": 0o711,
    "/opt/containerd/lib": 0o711,
    "/run/docker": 0o700,
    "/run/docker/plugins": 0o700,
    "/run/containerd": 0o711,
    "/run/containerd/s": 0o700,
}
_LONGEST_SOCKET_PATH = 107
_LOG_LIMIT = 16 * 1024 * 1024


class EngineFailed(Exception):
    """The engine cannot start, stop or answer; the text says why, with the end of its log."""


class Starting(Protocol):
    """An engine on its way up."""

    def wait_ready(self, within: float) -> None:
        """Return once the engine answers. EngineFailed when it ends, or says nothing for `within` seconds."""


class Engine(Protocol):
    """Where a container engine is, and how to bring it up and down."""

    url: str

    def start(self) -> Starting: ...
    def stop(self, grace: float = 10) -> None: ...
    def purge(self) -> None: ...


class ExistingEngine:
    """Somebody else's Docker: it is used, never started, stopped or cleaned."""

    def __init__(self, url: str) -> None:
        """`url` is `unix:///path/of/docker.sock`."""
        if not url.startswith("unix:///"):
            raise ValueError(f"engine {url!r}: only unix:///path is supported")
        self.url = url

    def start(self) -> Starting:
        """Nothing is started; the handle waits until it answers."""
        return self

    def wait_ready(self, within: float) -> None:
        """Return once the engine answers. EngineFailed after `within` seconds."""
        deadline = time.monotonic() + within
        while not _answers(Path(self.url.removeprefix("unix://"))):
            if time.monotonic() > deadline:
                raise EngineFailed(f"no Docker answers at {self.url}; is it running?")
            time.sleep(0.05)

    def stop(self, grace: float = 10) -> None:
        """It goes on running."""

    def purge(self) -> None:
        """Nothing of it is ours; the containers are the driver's to remove."""


class PrivateEngine:
    """A dockerd with its own socket, storage, containerd, bridge and control group, linked to one cloud.

    It outlives the process that started it, and its containers outlive it (live-restore): whoever comes next attaches
    by calling `start` again. It touches no firewall, no routing switch and no bridge but its own.
    """

    def __init__(self, cloud: str, data: Path, run: Path, program: str = "dockerd") -> None:
        """`data` (kept over a reboot) and `run` are directories of this engine alone: `purge` removes both.

        `cloud` is the cloud's id: lower-case letters, digits and dashes, at most 24. Two engines need different ones.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,23}", cloud):
            raise ValueError(f"cloud id {cloud!r}: use 1 to 24 lower-case letters, digits and dashes")
        self.data = data.absolute()
        self.run = run.absolute()
        longest = len(str(self.run / "exec/containerd/containerd.sock.ttrpc"))
        if longest > _LONGEST_SOCKET_PATH:
            raise ValueError(
                f"{self.run} is too long for sockets below it, by {longest - _LONGEST_SOCKET_PATH} characters"
            )
        self.socket = self.run / "docker.sock"
        self.url = f"unix://{self.socket}"
        self.log = self.data / "dockerd.log"
        self.bridge = _bridge_name(cloud)
        self.control_group = f"stackyard-{cloud}"
        self._program = program
        self._config = self.run / "daemon.json"

    def start(self) -> "StartingPrivateEngine":
        """Start it, or attach to the one that runs. EngineFailed when its program or its bridge cannot be had."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o711)
        self.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked():
            self._ensure_bridge()
            for found in self._dockerd():
                return StartingPrivateEngine(self, found)
            self._clear_stale_files()
            for directory, mode in _SHARED_DIRECTORIES.items():
                remains.borrow_directory(Path(directory), mode, self.control_group)
            return StartingPrivateEngine(self, self._spawn())

    def running(self) -> bool:
        """Whether its process lives and answers."""
        for found in self._dockerd():
            found.close()
            return _answers(self.socket)
        return False

    def stop(self, grace: float = 10) -> None:
        """Stop the containers (killed after `grace` seconds), then the engine; images and stopped containers stay."""
        if self.run.is_dir():
            with self._locked():
                self._stop_containers(grace)
                self._end(grace=20)

    def purge(self) -> None:
        """Remove everything this engine ever made, running or not, even half-started. It may be called again."""
        if self.run.is_dir():
            with self._locked():
                self._end(grace=0)
                shims = [*self.run.glob("exec/containerd/daemon/io.containerd.runtime.v2.task/*/*/address")]
                for address in shims:
                    Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)
                remains.remove_tree(self.run)
        else:
            self._end(grace=0)
        remains.remove_tree(self.data)
        for directory in reversed(_SHARED_DIRECTORIES):
            remains.return_directory(Path(directory), self.control_group)

    # --- starting

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.run / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _dockerd(self) -> Iterator[Process]:
        """Its process, known by its command line. A child that it is forking shows the same, but leads no session."""
        config = str(self._config)
        for found in process.running(lambda line: line[1:] == ["--config-file", config]):
            if found.leads_session():
                yield found

    def _spawn(self) -> Process:
        program = shutil.which(self._program, path=_search_path())
        if program is None:
            raise EngineFailed(f"{self._program} is not installed; on Debian: apt-get install docker.io")
        self._config.write_text(json.dumps(self._settings(_major_version(program)), indent=1))
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            program,
            [program, "--config-file", str(self._config)],
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
        )
        spawned = Process.open(pid)
        if spawned is None:
            raise EngineFailed(f"{program} ended at once; see {self.log}")
        while not process.command_line(pid):  # shown a moment after it began: the next to ask must not miss it
            if spawned.wait(0.001):
                break
        return spawned

    def _settings(self, version: int) -> dict[str, object]:
        settings: dict[str, object] = {
            "hosts": [self.url],
            "group": "root",
            "data-root": str(self.data / "docker"),
            "exec-root": str(self.run / "exec"),
            "pidfile": str(self.run / "docker.pid"),
            "bridge": self.bridge,
            "iptables": False,
            "ip6tables": False,
            "ip-forward": False,
            "ip-masq": False,
            "userland-proxy": False,
            "live-restore": True,
            "cgroup-parent": f"/{self.control_group}",
            "default-cgroupns-mode": "private",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "log-driver": "json-file",
            "log-opts": {"max-size": "10m", "max-file": "3"},
            "labels": [f"stackyard.cloud={self.control_group.removeprefix('stackyard-')}"],
        }
        if version < 23:  # later ones write no key; these would write it to /etc/docker
            settings["deprecated-key-path"] = str(self.data / "key.json")
        return settings

    def _clear_stale_files(self) -> None:
        """A dead engine's pid files would stop the next one: their numbers may be somebody else's by now.

        Control groups of dead containers keep their limits, under which runc cannot begin a container of the same id.
        """
        for left in self._containerd():
            with left:
                left.kill()
        for name in ("docker.pid", "docker.sock", "exec/containerd/containerd.pid"):
            (self.run / name).unlink(missing_ok=True)
        remains.remove_empty_control_groups(self.control_group)

    def _ensure_bridge(self) -> None:
        """dockerd insists on a bridge with an address; containers never join it."""
        if _link_exists(self.bridge):
            return
        address = _unused_address(self.bridge)
        _ip(
            f"link add {self.bridge} type bridge",
            f"link set {self.bridge} addrgenmode none",
            f"address add {address} dev {self.bridge}",
        )

    # --- stopping

    def _containerd(self) -> Iterator[Process]:
        config = str(self.run / "exec/containerd/containerd.toml")
        return process.running(lambda line: "containerd" in line[0] and config in line)

    def _shims(self) -> Iterator[Process]:
        address = str(self.run / "exec/containerd/containerd.sock")
        return process.running(lambda line: "containerd-shim" in line[0] and address in line)

    def _stop_containers(self, grace: float) -> None:
        try:
            _, containers = ask(self.socket, "GET", "/containers/json")
        except OSError:
            return

        def stop(container: str) -> None:
            with contextlib.suppress(OSError):
                ask(self.socket, "POST", f"/containers/{container}/stop?t={round(grace)}", timeout=grace + 20)

        with ThreadPoolExecutor(max_workers=16) as pool:
            list(pool.map(stop, [container["Id"] for container in containers]))

    def _end(self, grace: float) -> None:
        for dockerd in self._dockerd():
            with dockerd:
                dockerd.end(grace)
        for containerd in self._containerd():
            with containerd:
                containerd.end(grace)
        remains.end_control_group(self.control_group)
        for shim in self._shims():
            with shim:
                shim.kill()
        remains.unmount_below(self.run)
        remains.unmount_below(self.data)
        if _link_exists(self.bridge):
            _ip(f"link delete {self.bridge}")


class StartingPrivateEngine:
    """A private engine whose process exists; it answers about a second later."""

    def __init__(self, engine: PrivateEngine, dockerd: Process) -> None:
        self._engine = engine
        self._dockerd = dockerd
        self.pid = dockerd.pid

    def wait_ready(self, within: float) -> None:
        """Return once it answers. EngineFailed, with its log's end, when it ends or stays silent for `within` s."""
        deadline = time.monotonic() + within
        while not _answers(self._engine.socket):
            if self._dockerd.wait(0.02):
                raise EngineFailed(f"dockerd ended: {_tail(self._engine.log)}")
            if time.monotonic() > deadline:
                raise EngineFailed(f"dockerd does not answer after {within:g} s: {_tail(self._engine.log)}")


def _answers(path: Path) -> bool:
    try:
        return ask(path, "GET", "/_ping")[0] == 200
    except OSError:
        return False


def _tail(log: Path, lines: int = 5) -> str:
    """The last lines that are more than chatter."""
    text = log.read_bytes()[-65536:].decode(errors="replace").splitlines() if log.exists() else []
    telling = [line for line in text if "level=info" not in line and "level=debug" not in line]
    return " / ".join((telling or text)[-lines:]) or f"nothing in {log}"


def _search_path() -> str:
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"


def _environment() -> dict[str, str]:
    """The caller's, without what would make dockerd believe it was started by systemd or for another purpose."""
    strange = ("DOCKER_", "LISTEN_", "NOTIFY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange)} | {
        "PATH": _search_path()
    }


def _major_version(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"version v?(\d+)\.", said)
    if number is None:
        raise EngineFailed(f"{program} does not tell its version: {said.strip()!r}")
    return int(number[1])


def _bridge_name(cloud: str) -> str:
    """At most 15 characters: the cloud's id where it fits, its digest otherwise."""
    return f"sye-{cloud}" if len(cloud) <= 11 else f"sye-{hashlib.blake2s(cloud.encode()).hexdigest()[:11]}"


def _unused_address(bridge: str) -> IPv4Interface:
    """An address in 198.19.0.0/16 (set aside for tests of network devices) of which the host has no neighbour."""
    listed = subprocess.run(["ip", "-json", "-4", "address"], capture_output=True, check=True).stdout
    taken = [
        IPv4Interface(f"{each['local']}/{each['prefixlen']}").network
        for link in json.loads(listed)
        for each in link["addr_info"]
    ]
    start = int.from_bytes(hashlib.blake2s(bridge.encode()).digest()[:2], "big")
    for step in range(1 << 14):
        block = (start + step) % (1 << 14)
        found = IPv4Interface((IPv4Address("198.19.0.1") + 4 * block, 30))
        if not any(found.network.overlaps(network) for network in taken):
            return found
    raise EngineFailed("no free address for the engine's bridge in 198.19.0.0/16")


def _link_exists(name: str) -> bool:
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


def _ip(*commands: str) -> None:
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineFailed(f"ip {'; '.join(commands)}: {done.stderr.strip()}")
