"""Containers that only exist in memory: the contract's promises, without an engine, in microseconds."""

import hashlib
import re
import signal as signals
import tempfile
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from stackyard.hosts import container_image
from stackyard.rooms.container.driver import (
    Capability,
    Conflict,
    ContainerSpec,
    ContainerState,
    EngineFacts,
    EngineRefused,
    Execution,
    Happening,
    Image,
    ImageNotFound,
    ImageRefused,
    Inventory,
    NotFound,
    PullCancelled,
    PullPolicy,
    RegistryFailed,
    Sandbox,
    SandboxNotReady,
    SandboxSpec,
    Stats,
    Status,
    TimedOut,
    Top,
)
from stackyard.rooms.container.drivers.fake.world import LIVE, FakeContainer, FakeEvents, Program, World, now

_SIGNALS = {each.name.removeprefix("SIG"): str(each.value) for each in signals.Signals}


class FakeDriver:
    """The contract's containers in a `World`. See the contract for each method."""

    capabilities = frozenset(Capability)

    def __init__(self, world: World, allow_privileged: bool = False) -> None:
        self._world = world
        self._allow_privileged = allow_privileged

    def close(self) -> None:
        """Nothing is held."""

    def describe(self) -> EngineFacts:
        with self._world.call("describe"):
            states = [found.state.status for found in self._world.containers.values()]
            return EngineFacts(
                name="fake",
                version="1",
                api_version="1",
                containers=len(states),
                running=states.count(Status.RUNNING),
                paused=states.count(Status.PAUSED),
                stopped=sum(state not in LIVE for state in states),
                images=len(self._world.images),
            )

    def inventory(self) -> Inventory:
        with self._world.call("inventory"):
            containers = [found.state for found in self._world.containers.values()]
            return Inventory(sandboxes=list(self._world.sandboxes.values()), containers=containers)

    def events(self) -> FakeEvents:
        with self._world.call("events"):
            return FakeEvents(self._world)

    def remove_all(self) -> None:
        with self._world.call("remove_all"):
            self._world.containers.clear()
            self._world.sandboxes.clear()

    def ensure_sandbox(self, spec: SandboxSpec) -> Sandbox:
        with self._world.call("ensure_sandbox"):
            found = self._world.sandboxes.get(spec.id)
            if found is None or not found.running:
                pid = self._world.new_pid()
                netns = f"/fake/netns/{spec.id}-{pid}"
                found = Sandbox(id=spec.id, running=True, netns=netns, pid=pid, generation=str(pid))
                self._world.sandboxes[spec.id] = found
                self._world.tell(spec.id, Happening.STARTED, sandbox=True)
            return found

    def remove_sandbox(self, id: str) -> None:
        with self._world.call("remove_sandbox"):
            if self._world.sandboxes.pop(id, None):
                self._world.tell(id, Happening.REMOVED, sandbox=True)

    def create(self, spec: ContainerSpec) -> ContainerState:
        with self._world.call("create"):
            if spec.id in self._world.containers:
                return self._world.containers[spec.id].state
            if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", spec.id):
                raise EngineRefused(f"{spec.id!r} cannot be the id of a container")
            if spec.privileged and not self._allow_privileged:
                raise EngineRefused("privileged containers are not allowed on this host", spec.id)
            image = self._image(spec.image)
            if spec.sandbox_id and spec.sandbox_id not in self._world.sandboxes:
                raise SandboxNotReady(f"No such container: {spec.sandbox_id}", spec.id)
            state = ContainerState(
                id=spec.id,
                engine_id=hashlib.sha256(spec.id.encode()).hexdigest(),
                status=Status.CREATED,
                image_id=image.id,
                sandbox_id=spec.sandbox_id,
                created_at=now(),
            )
            self._world.containers[spec.id] = FakeContainer(spec, state)
            return state

    def start(self, id: str) -> ContainerState:
        with self._world.call("start"):
            found = self._find(id)
            if found.state.status in LIVE:
                return found.state
            sandbox = self._world.sandboxes.get(found.spec.sandbox_id)
            if found.spec.sandbox_id and (sandbox is None or not sandbox.running):
                raise SandboxNotReady("cannot join network of a non running container", id)
            self._world.runs(id)
            return self._find(id).state

    def stop(self, id: str, timeout: float = 10) -> ContainerState:
        with self._world.call("stop"):
            self._find(id)
            self._world.dies(id)
            return self._find(id).state

    def restart(self, id: str, timeout: float = 10) -> ContainerState:
        self.stop(id, timeout)
        return self.start(id)

    def kill(self, id: str, signal: str = "SIGKILL") -> ContainerState:
        with self._world.call("kill"):
            found = self._require(id, *LIVE)
            number = _SIGNALS.get(signal.upper().removeprefix("SIG"), signal)
            if number not in _SIGNALS.values():
                raise EngineRefused(f"Invalid signal: {signal}", id)
            if number == "9":
                self._world.dies(id)
            return found.state

    def pause(self, id: str) -> ContainerState:
        with self._world.call("pause"):
            return self._switch(id, Status.PAUSED, Happening.PAUSED)

    def unpause(self, id: str) -> ContainerState:
        with self._world.call("unpause"):
            return self._switch(id, Status.RUNNING, Happening.UNPAUSED)

    def update(self, id: str, cpu: float | None = None, memory: int | None = None) -> ContainerState:
        with self._world.call("update"):
            found = self._find(id)
            if (cpu is not None and cpu <= 0) or (memory is not None and memory <= 0):
                raise EngineRefused("a limit can be changed, not lifted: cpu and memory must be more than 0", id)
            return found.state

    def remove(self, id: str, force: bool = False) -> None:
        with self._world.call("remove"):
            found = self._world.containers.get(id)
            if found is None:
                return
            if found.state.status in LIVE and not force:
                raise Conflict("You cannot remove a running container", id)
            self._world.dies(id)
            del self._world.containers[id]
            self._world.tell(id, Happening.REMOVED)

    def inspect(self, id: str) -> ContainerState:
        with self._world.call("inspect"):
            return self._find(id).state

    def logs(
        self,
        id: str,
        stdout: bool = True,
        stderr: bool = True,
        timestamps: bool = False,
        tail: int | None = None,
        since: float | None = None,
    ) -> bytes:
        with self._world.call("logs"):
            if not stdout and not stderr:
                raise EngineRefused("Bad parameters: you must choose at least one stream", id)
            lines = [line for line in self._find(id).output if line[0] >= (since or 0)]
            return b"".join(
                f"{datetime.fromtimestamp(at, UTC).isoformat()} ".encode() * timestamps + text
                for at, is_error, text in (lines if tail is None else lines[max(0, len(lines) - tail) :])
                if (stderr if is_error else stdout)
            )

    def execute(self, id: str, command: list[str], run: bool = True, timeout: float = 60) -> Execution:
        with self._world.call("execute"):
            self._require(id, Status.RUNNING)
            program = self._world.programs.get(tuple(command), Program(exit_code=0))
            if not run:
                return Execution(exit_code=None, exec_id="exec")
            if program.missing:
                return Execution(exit_code=127, output=f"{command[0]}: not found".encode(), exec_id="exec")
            if program.exit_code is None:
                raise TimedOut(f"the command did not end within {timeout:g} seconds", id)
            return Execution(exit_code=program.exit_code, output=program.stdout + program.stderr, exec_id="exec")

    def top(self, id: str, ps_args: str = "") -> Top:
        with self._world.call("top"):
            found = self._require(id, *LIVE)
            return Top(titles=["PID", "CMD"], processes=[[str(found.state.pid), " ".join(found.spec.command)]])

    def stats(self, id: str) -> Stats:
        with self._world.call("stats"):
            found = self._require(id, *LIVE)
            return Stats(memory_usage=1 << 20, memory_limit=found.spec.memory << 20)

    def image(self, name: str) -> Image:
        with self._world.call("image"):
            return self._image(name)

    def images(self) -> list[Image]:
        with self._world.call("images"):
            return sorted((image for image, _ in self._world.images.values()), key=lambda image: image.names)

    def pull_image(
        self, name: str, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT, cancel: threading.Event | None = None
    ) -> Image:
        with self._world.call("pull_image"):
            if policy != PullPolicy.ALWAYS and (policy == PullPolicy.NEVER or self._has(name)):
                return self._image(name)
            if cancel is not None and cancel.is_set():
                raise PullCancelled("cancelled", name)
            if not re.fullmatch(r"[a-z0-9][\w./:@-]*", name):
                raise ImageRefused("invalid reference format", name)
            found = self._world.registry.get(name)
            if found is None:
                raise ImageNotFound(f"manifest for {name} not found: manifest unknown", name)
            if isinstance(found, str):
                raise RegistryFailed(found, name)
            return self._keep(name, found.id, b"")

    def load_image(self, name: str, data: Iterable[bytes], cancel: threading.Event | None = None) -> Image:
        with self._world.call("load_image"), tempfile.TemporaryFile() as file:
            for chunk in data:
                if cancel is not None and cancel.is_set():
                    raise PullCancelled("cancelled", name)
                file.write(chunk)
            try:
                archive = b"".join(container_image.renamed(file, _full(name)))
            except container_image.BadArchive as error:
                raise ImageRefused(str(error), name) from error
            return self._keep(name, f"sha256:{hashlib.sha256(archive).hexdigest()}", archive)

    def export_image(self, name: str) -> Iterator[bytes]:
        with self._world.call("export_image"):
            image = self._image(name)
            return iter([self._world.images[image.id][1]])

    def tag_image(self, name: str, new_name: str) -> Image:
        with self._world.call("tag_image"):
            image = self._image(name)
            return self._keep(new_name, image.id, self._world.images[image.id][1])

    def remove_image(self, name: str) -> None:
        with self._world.call("remove_image"):
            if not self._has(name):
                return
            image, data = self._world.images[self._image(name).id]
            left = [each for each in image.names if each not in (_full(name), name)] if name != image.id else []
            if left:
                self._world.images[image.id] = (msgspec.structs.replace(image, names=left), data)
            elif any(found.state.image_id == image.id for found in self._world.containers.values()):
                raise Conflict("the image is being used by a container", name)
            else:
                del self._world.images[image.id]

    def build_busybox_image(self, name: str) -> Image:
        with self._world.call("build_busybox_image"):
            archive = b"".join(container_image.saved(_full(name), b"busybox", {"Cmd": ["/bin/sh"]}))
            return self._keep(name, "sha256:" + hashlib.sha256(b"busybox").hexdigest(), archive, ["/bin/sh"])

    # --- how

    def _find(self, id: str) -> FakeContainer:
        found = self._world.containers.get(id)
        if found is None:
            raise NotFound(f"No such container: {id}", id)
        return found

    def _require(self, id: str, *allowed: Status) -> FakeContainer:
        found = self._find(id)
        if found.state.status not in allowed:
            raise Conflict(f"the container is {found.state.status}, not {' or '.join(allowed)}", id)
        return found

    def _switch(self, id: str, wanted: Status, what: Happening) -> ContainerState:
        found = self._require(id, *LIVE)
        if found.state.status != wanted:
            found.state = msgspec.structs.replace(found.state, status=wanted)
            self._world.tell(id, what)
        return found.state

    def _image(self, name: str) -> Image:
        for image, _ in self._world.images.values():
            if name == image.id or _full(name) in image.names:
                return image
        raise ImageNotFound(f"No such image: {name}", name)

    def _has(self, name: str) -> bool:
        return any(name == image.id or _full(name) in image.names for image, _ in self._world.images.values())

    def _keep(self, name: str, id: str, archive: bytes, command: list[str] | None = None) -> Image:
        """Store an image under a name, which another one may lose by that."""
        for other, data in list(self._world.images.values()):
            if _full(name) in other.names and other.id != id:
                names = [each for each in other.names if each != _full(name)]
                self._world.images[other.id] = (msgspec.structs.replace(other, names=names), data)
        known, archive = self._world.images.get(id, (Image(id=id, size=len(archive), command=command or []), archive))
        image = msgspec.structs.replace(known, names=sorted({*known.names, _full(name)}))
        self._world.images[id] = (image, archive)
        return image


def _full(name: str) -> str:
    """With a tag."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
