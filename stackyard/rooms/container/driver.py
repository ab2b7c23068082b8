"""What a container engine must do for a node: the contract of every driver in `drivers/`.

Server and node exchange these structs as msgpack, so their fields are plain values only.

Promises that every driver keeps:

- **Ids are the cloud's own** (the container's UUID). What an object is called in the engine is the driver's choice,
  but that name and its labels carry the cloud's id, so that several clouds can share an engine.
- **Every call may be repeated**, by the same process or by its successor after a crash. `create` of a created container
  returns it as it is, `start` of a running one succeeds, `remove` of an absent one succeeds, and so on.
- **Nothing starts by itself.** The engine never restarts a container: its network has to be wired first.
- **Calls are synchronous and thread-safe.** Calls on different containers run side by side. Long ones take a `cancel`
  event, which the node at the far end of the link supplies.
- **Failures are `DriverError`s** that carry the engine's own words, and are what the journal acts on: `Transient`
  ones are retried inside the operation's deadline, `Refused` ones end it with that reason.
"""

import threading
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Protocol, Self

import msgspec

from stackyard.kernel.steps import Cancelled, Refused, Transient


class DriverError(Exception):
    """A call failed. `reason`: the engine's own words. `subject`: the container, sandbox or image it is about."""

    def __init__(self, reason: str, subject: str = "") -> None:
        super().__init__(f"{subject}: {reason}" if subject else reason)
        self.reason = reason
        self.subject = subject


class EngineUnavailable(DriverError, Transient):
    """The engine does not answer (stopped, starting, restarting). Try again later."""


class EngineRefused(DriverError, Refused):
    """The engine or the driver's rules refuse this request as it stands; repeating it is useless."""


class NotSupported(EngineRefused):
    """This driver lacks the capability that the call needs; see `ContainerDriver.capabilities`."""


class NotFound(DriverError, Refused):
    """No such container or sandbox in the engine."""


class Conflict(DriverError, Refused):
    """The object is in a state that does not allow the call (for example `pause` of a stopped container)."""


class SandboxNotReady(Conflict):
    """The container's sandbox is absent or not running: call `ensure_sandbox`, plug its network again, then retry."""


class ImageNotFound(DriverError, Refused):
    """The image is not in the engine, or its registry answered that it has no such image."""


class ImageRefused(EngineRefused):
    """The reference is malformed, or the data is not a container image (a disk image, a damaged archive, …)."""


class RegistryFailed(DriverError, Refused):
    """The registry could not be reached, denied access, or broke off. `reason` holds its own words."""


class TimedOut(DriverError, Refused):
    """The call did not finish within the time its caller gave it. What it started may still be running."""


class PullCancelled(DriverError, Cancelled):
    """The call's `cancel` was set. Nothing half-made is visible; the call may be repeated."""


class NoSpace(DriverError, Refused):
    """The engine's disk is full."""


class Capability(StrEnum):
    """What a driver can do beyond create, start, stop, remove and inspect."""

    PAUSE = "pause"
    UPDATE = "update"
    EXECUTE = "execute"
    TOP = "top"
    STATS = "stats"
    HEALTHCHECK = "healthcheck"
    PULL = "pull"
    LOAD = "load"
    BUILD_BUSYBOX = "build_busybox"


class SandboxSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A network namespace that is there before, and outlives, the processes of the container that joins it."""

    id: str
    """The container's UUID (or a capsule's): one sandbox each."""
    hostname: str = ""
    """Seen by every process in the sandbox; empty lets the engine choose."""
    dns: list[str] = []
    """Resolvers' addresses; empty copies the host's."""
    dns_search: list[str] = []
    extra_hosts: dict[str, str] = {}
    """Lines of /etc/hosts: name to address. The container's own fixed address belongs here."""


class Healthcheck(msgspec.Struct, frozen=True, kw_only=True):
    """A command run inside the container, by the engine. Times in seconds; 0 is the engine's default."""

    command: str
    interval: float = 0
    timeout: float = 0
    retries: int = 0


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A file or directory of the host that the container sees at `target`."""

    source: str
    target: str
    read_only: bool = False


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the engine needs to create one container."""

    id: str
    sandbox_id: str
    """The sandbox whose network, hostname, resolvers and hosts it uses. Empty: no network at all."""
    image: str
    """A reference or an image id that the engine has; `create` never pulls."""
    command: list[str] = []
    """Empty runs the image's own."""
    entrypoint: list[str] = []
    """Empty keeps the image's own."""
    environment: dict[str, str] = {}
    workdir: str = ""
    labels: dict[str, str] = {}
    """The tenant's labels. The driver's own, all named `stackyard.…`, win."""
    cpu: float = 0
    """Cores, fractions allowed. 0: no limit."""
    memory: int = 0
    """MiB, without any swap beyond it. 0: no limit."""
    restart_policy: str = "no"
    """no, always, on-failure or unless-stopped: recorded only. The engine never restarts; the cloud does."""
    restart_retries: int = 0
    auto_remove: bool = False
    """Recorded only, for the same reason."""
    interactive: bool = False
    """Keeps standard input open."""
    tty: bool = False
    privileged: bool = False
    """Refused unless the node's operator allowed it."""
    no_new_privileges: bool = True
    pids_limit: int = 4096
    healthcheck: Healthcheck | None = None
    mounts: list[Mount] = []


class PullPolicy(StrEnum):
    """When `pull_image` asks the registry."""

    ALWAYS = "always"
    IF_NOT_PRESENT = "ifnotpresent"
    NEVER = "never"


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """A sandbox as it is now."""

    id: str
    running: bool
    netns: str = ""
    """Path of its network namespace on the node; empty when not running."""
    pid: int = 0
    """A process inside it; 0 when not running."""
    generation: str = ""
    """Changes whenever the namespace is a new, empty one: whoever wired an older generation must wire it again."""


class Status(StrEnum):
    """A container's state in Zun's words, as far as the engine can tell."""

    CREATED = "Created"
    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPED = "Stopped"
    RESTARTING = "Restarting"
    DEAD = "Dead"


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """A container as it is now. Times are RFC 3339 in UTC, None when it has not happened."""

    id: str
    engine_id: str
    status: Status
    image_id: str = ""
    sandbox_id: str = ""
    pid: int = 0
    exit_code: int | None = None
    """Of the last run; None while running or when never started."""
    created_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    error: str = ""
    """Why the last start failed, in the engine's words."""
    out_of_memory: bool = False
    health: str = ""
    """starting, healthy, unhealthy, or empty without a health check."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image the engine holds."""

    id: str
    names: list[str] = []
    """`repository:tag` references."""
    size: int = 0
    """Bytes."""
    architecture: str = ""
    created_at: str | None = None
    command: list[str] = []
    """What runs when the container asks for nothing: entry point and command joined."""


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a command run in a container."""

    exit_code: int | None
    """None when it was only prepared, not run."""
    output: bytes = b""
    """Standard output and standard error, as they came."""
    truncated: bool = False
    """The command wrote more than the driver keeps (1 MiB)."""
    exec_id: str = ""
    """The engine's id of a prepared command."""


class Top(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of a container, as `ps` prints them."""

    titles: list[str]
    processes: list[list[str]]


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What a running container uses. Bytes, except `cpu_percent`, where 100 is one core."""

    cpu_percent: float = 0.0
    memory_usage: int = 0
    memory_limit: int = 0
    block_read: int = 0
    block_written: int = 0
    network_received: int = 0
    network_sent: int = 0


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """All that this cloud has in the engine."""

    sandboxes: list[Sandbox]
    containers: list[ContainerState]


class Happening(StrEnum):
    """What an event tells."""

    STARTED = "started"
    DIED = "died"
    PAUSED = "paused"
    UNPAUSED = "unpaused"
    REMOVED = "removed"
    HEALTH = "health"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened in the engine, at anyone's request. A hint to look, not a fact to store: `inspect` tells."""

    id: str
    what: Happening
    sandbox: bool = False
    """It is about the sandbox of that id, not the container."""
    at: float = 0.0
    """Seconds since the epoch."""
    exit_code: int | None = None


class EngineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine says about itself. Counts cover the whole engine, not only this cloud; sandboxes do not count."""

    name: str
    version: str
    api_version: str
    storage_driver: str = ""
    containers: int = 0
    running: int = 0
    paused: int = 0
    stopped: int = 0
    images: int = 0
    labels: dict[str, str] = {}


class Events(Protocol):
    """A live stream of events. `close` may be called by any thread and ends the iteration."""

    def __iter__(self) -> Iterator[Event]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


class ContainerDriver(Protocol):
    """Containers, their sandboxes and their images, on one node, for one cloud."""

    capabilities: frozenset[Capability]

    def describe(self) -> EngineFacts:
        """Also the cheapest way to learn whether the engine answers. EngineUnavailable."""

    def inventory(self) -> Inventory:
        """Everything labelled with this cloud's id, running or not."""

    def events(self) -> Events:
        """Events from now on. The iteration ends with EngineUnavailable when the engine goes away."""

    def remove_all(self) -> None:
        """Remove all this cloud's containers and sandboxes; images stay."""

    def ensure_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """Make the sandbox, or revive it after the engine or the host restarted, or just return it. It is running."""

    def remove_sandbox(self, id: str) -> None:
        """Its namespace goes with it once no process is left inside."""

    def create(self, spec: ContainerSpec) -> ContainerState:
        """Create, not start. ImageNotFound; EngineRefused; SandboxNotReady when its sandbox does not exist."""

    def start(self, id: str) -> ContainerState:
        """Start it in its sandbox, which must be running (SandboxNotReady). EngineRefused: its command cannot run.

        A paused container counts as started and stays paused.
        """

    def stop(self, id: str, timeout: float = 10) -> ContainerState:
        """Ask it to end; after `timeout` seconds, kill it. A paused container is resumed for that."""

    def restart(self, id: str, timeout: float = 10) -> ContainerState:
        """Stop, then start."""

    def kill(self, id: str, signal: str = "SIGKILL") -> ContainerState:
        """Send a signal, by name or number. Conflict unless it runs; EngineRefused for an unknown signal."""

    def pause(self, id: str) -> ContainerState:
        """Freeze it. Conflict unless it runs or is paused already."""

    def unpause(self, id: str) -> ContainerState:
        """Resume it. Conflict unless it is paused or runs already."""

    def update(self, id: str, cpu: float | None = None, memory: int | None = None) -> ContainerState:
        """Change its limits (cores, MiB), running or not. None keeps one as it is."""

    def remove(self, id: str, force: bool = False) -> None:
        """Remove it with its anonymous volumes. Conflict while it runs or is paused, unless forced."""

    def inspect(self, id: str) -> ContainerState:
        """NotFound when absent."""

    def logs(
        self,
        id: str,
        stdout: bool = True,
        stderr: bool = True,
        timestamps: bool = False,
        tail: int | None = None,
        since: float | None = None,
    ) -> bytes:
        """What it wrote so far: all that is kept, or since a moment (Unix time).

        Of that the last `tail` lines, counted over both streams, and of those the streams asked for.
        """

    def execute(self, id: str, command: list[str], run: bool = True, timeout: float = 60) -> Execution:
        """Run a command inside and wait, at most `timeout` seconds (TimedOut). Conflict unless it runs."""

    def top(self, id: str, ps_args: str = "") -> Top:
        """Its processes. Conflict unless it runs; EngineRefused for arguments that `ps` refuses."""

    def stats(self, id: str) -> Stats:
        """What it uses now, measured over one to two seconds. Conflict unless it runs or is paused."""

    def image(self, name: str) -> Image:
        """An image the engine holds, by reference or id. ImageNotFound."""

    def images(self) -> list[Image]:
        """All that the engine holds, by name, the driver's own left out."""

    def pull_image(
        self, name: str, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT, cancel: threading.Event | None = None
    ) -> Image:
        """Get an image from its registry. A reference without tag means `latest`.

        ImageNotFound, ImageRefused, RegistryFailed, PullCancelled, NoSpace.
        """

    def load_image(self, name: str, data: Iterable[bytes], cancel: threading.Event | None = None) -> Image:
        """Take an image from a `docker save` archive or an OCI layout (tar, plain or gzip, bzip2, xz), as `name`.

        The names inside the archive are ignored: they are the tenant's words, and would replace others' images.
        ImageRefused says what the data is instead.
        """

    def export_image(self, name: str) -> Iterator[bytes]:
        """The image as a `docker save` archive. ImageNotFound is raised at once, not at the first chunk."""

    def tag_image(self, name: str, new_name: str) -> Image:
        """Give an image one more name."""

    def remove_image(self, name: str) -> None:
        """Forget a name; the image goes with its last. Conflict while a container uses it."""

    def build_busybox_image(self, name: str) -> Image:
        """Make a small Linux image from the node's own static busybox: shell, ping, wget, httpd. Needs no registry."""
