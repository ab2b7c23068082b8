"""Containers in Docker: each joins the network namespace of a pause container that was wired before it starts.

Inside the engine a container is `stackyard-<cloud>-<id>`, its sandbox `stackyard-<cloud>-sandbox-<id>`.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.types import LogConfig

from stackyard.hosts.docker import DockerEngine
from stackyard.rooms.container.driver import (
    Capability,
    Conflict,
    ContainerSpec,
    ContainerState,
    EngineFacts,
    EngineRefused,
    EngineUnavailable,
    Execution,
    Image,
    ImageNotFound,
    Inventory,
    NotFound,
    PullPolicy,
    Sandbox,
    SandboxNotReady,
    SandboxSpec,
    Stats,
    Status,
    Top,
)
from stackyard.rooms.container.drivers.docker import facts, watch
from stackyard.rooms.container.drivers.docker.images import Images
from stackyard.rooms.container.drivers.docker.sandboxes import Sandboxes, seen

#: Off Docker's default set: what a tenant's container never needs. NET_RAW stays, for ping: what a container sends is
#: filtered where it leaves its namespace.
_DROPPED_CAPABILITIES = ["AUDIT_WRITE", "MKNOD"]
_CPU_PERIOD = 100_000
_MIB = 1 << 20
_LIVE = (Status.RUNNING, Status.PAUSED)
_SECOND = 1_000_000_000


class DockerDriver:
    """The contract's containers in one Docker engine, private or shared. See the contract for each method."""

    capabilities = frozenset(Capability)

    def __init__(self, url: str, cloud: str, spool: Path | None = None, allow_privileged: bool = False) -> None:
        """`url` is the engine's, `cloud` the id that marks all that is made there.

        `spool` is a directory with room for one image while it is loaded; the system's own for temporary files if None.
        """
        self._engine = DockerEngine(url)
        self._names = facts.Names(cloud)
        self._images = Images(self._engine, self._names.pause_image, spool)
        self._sandboxes = Sandboxes(self._engine, self._names, self._images)
        self._allow_privileged = allow_privileged

    def close(self) -> None:
        """Close the connections to the engine; nothing in it changes."""
        self._engine.close()

    def describe(self) -> EngineFacts:
        with facts.calls(self._engine) as api:
            said, version = api.info(), api.version()
            pauses = [each["State"] for each in api.containers(all=True, filters={"label": f"{facts.KIND}=sandbox"})]
        labels = dict(label.partition("=")[::2] for label in said.get("Labels") or [])
        return EngineFacts(
            name="docker",
            version=said["ServerVersion"],
            api_version=version["ApiVersion"],
            storage_driver=said["Driver"],
            containers=said["Containers"] - len(pauses),
            running=said["ContainersRunning"] - pauses.count("running"),
            paused=said["ContainersPaused"],
            stopped=said["ContainersStopped"] - sum(each != "running" for each in pauses),
            images=said["Images"],
            labels=labels,
        )

    def inventory(self) -> Inventory:
        sandboxes, containers = [], []
        for details in self._owned():
            if details["Config"]["Labels"][facts.KIND] == "sandbox":
                sandboxes.append(seen(details))
            else:
                containers.append(facts.container_state(details))
        return Inventory(sandboxes=sandboxes, containers=containers)

    def events(self) -> watch.DockerEvents:
        return watch.DockerEvents(self._engine, self._names)

    def remove_all(self) -> None:
        for details in self._owned():
            self._remove(details["Name"].lstrip("/"), force=True)
        self._images.remove_pause()

    def ensure_sandbox(self, spec: SandboxSpec) -> Sandbox:
        return self._sandboxes.ensure(spec)

    def remove_sandbox(self, id: str) -> None:
        self._remove(self._names.sandbox(id), force=True)

    def create(self, spec: ContainerSpec) -> ContainerState:
        name = self._names.container(spec.id)
        if spec.privileged and not self._allow_privileged:
            raise EngineRefused("privileged containers are not allowed on this host", spec.id)
        self._find_sandbox(spec.id, spec.sandbox_id)
        image = spec.image if spec.image.startswith("sha256:") else self._images.image(spec.image).id
        labels = spec.labels | self._names.labels("container", spec.id) | {facts.SANDBOX: spec.sandbox_id}
        recorded = {"stackyard.restart": spec.restart_policy, "stackyard.auto_remove": str(spec.auto_remove).lower()}
        try:
            with facts.calls(self._engine, spec.id) as api, contextlib.suppress(facts.AlreadyThere):
                facts.create(
                    api,
                    name,
                    image=image,
                    command=spec.command or None,
                    entrypoint=spec.entrypoint or None,
                    environment=spec.environment,
                    working_dir=spec.workdir or None,
                    labels=labels | recorded,
                    stdin_open=spec.interactive,
                    tty=spec.tty,
                    healthcheck=_healthcheck(spec),
                    host_config=api.create_host_config(**self._host_settings(spec)),
                )
        except NotFound as error:
            raise ImageNotFound(error.reason, spec.image) from error
        return self.inspect(spec.id)

    def start(self, id: str) -> ContainerState:
        found = self.inspect(id)
        if found.status in _LIVE:
            return found
        sandbox = self._find_sandbox(id, found.sandbox_id)
        if sandbox and not sandbox.running:
            raise SandboxNotReady("its sandbox is not running", id)
        try:
            with facts.calls(self._engine, id) as api:
                api.start(self._names.container(id))
        except NotFound as error:  # the engine knows the sandbox by an id of its own
            self.inspect(id)
            raise Conflict("its sandbox was replaced since; the container has to be created anew", id) from error
        return self.inspect(id)

    def stop(self, id: str, timeout: float = 10) -> ContainerState:
        with facts.calls(self._engine, id) as api:
            api.stop(self._names.container(id), timeout=round(timeout))
        return self.inspect(id)

    def restart(self, id: str, timeout: float = 10) -> ContainerState:
        self.stop(id, timeout)
        return self.start(id)

    def kill(self, id: str, signal: str = "SIGKILL") -> ContainerState:
        with facts.calls(self._engine, id) as api:
            api.kill(self._names.container(id), signal)
        if signal.upper() in ("SIGKILL", "KILL", "9"):
            return self._settled(id, lambda found: found.status not in _LIVE)
        return self.inspect(id)

    def pause(self, id: str) -> ContainerState:
        return self._switch(id, Status.PAUSED, lambda api, name: api.pause(name))

    def unpause(self, id: str) -> ContainerState:
        return self._switch(id, Status.RUNNING, lambda api, name: api.unpause(name))

    def update(self, id: str, cpu: float | None = None, memory: int | None = None) -> ContainerState:
        if (cpu is not None and cpu <= 0) or (memory is not None and memory <= 0):
            raise EngineRefused("a limit can be changed, not lifted: cpu and memory must be more than 0", id)
        limits: dict[str, Any] = {}
        if cpu is not None:
            limits |= {"cpu_period": _CPU_PERIOD, "cpu_quota": round(cpu * _CPU_PERIOD)}
        if memory is not None:
            limits |= {"mem_limit": memory * _MIB, "memswap_limit": memory * _MIB}
        with facts.calls(self._engine, id) as api:
            if limits:
                api.update_container(self._names.container(id), **limits)
        return self.inspect(id)

    def remove(self, id: str, force: bool = False) -> None:
        self._remove(self._names.container(id), force)

    def inspect(self, id: str) -> ContainerState:
        return facts.container_state(self._details(self._names.container(id), id))

    def logs(
        self,
        id: str,
        stdout: bool = True,
        stderr: bool = True,
        timestamps: bool = False,
        tail: int | None = None,
        since: float | None = None,
    ) -> bytes:
        return watch.logs(self._engine, self._names.container(id), stdout, stderr, timestamps, tail, since)

    def execute(self, id: str, command: list[str], run: bool = True, timeout: float = 60) -> Execution:
        self._require(id, Status.RUNNING)
        return watch.execute(self._engine, self._names.container(id), command, run, timeout)

    def top(self, id: str, ps_args: str = "") -> Top:
        self._require(id, *_LIVE)
        with facts.calls(self._engine, id) as api:
            found = api.top(self._names.container(id), ps_args or None)
        return Top(titles=found["Titles"], processes=found["Processes"])

    def stats(self, id: str) -> Stats:
        return watch.stats(self._engine, self._names.container(id), self._require(id, *_LIVE).pid)

    def image(self, name: str) -> Image:
        return self._images.image(name)

    def images(self) -> list[Image]:
        return self._images.images()

    def pull_image(
        self, name: str, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT, cancel: threading.Event | None = None
    ) -> Image:
        return self._images.pull(name, policy, cancel)

    def load_image(self, name: str, data: Iterable[bytes], cancel: threading.Event | None = None) -> Image:
        return self._images.load(name, data, cancel)

    def export_image(self, name: str) -> Iterator[bytes]:
        return self._images.export(name)

    def tag_image(self, name: str, new_name: str) -> Image:
        return self._images.tag(name, new_name)

    def remove_image(self, name: str) -> None:
        self._images.remove(name)

    def build_busybox_image(self, name: str) -> Image:
        return self._images.build_busybox(name)

    # --- how

    def _host_settings(self, spec: ContainerSpec) -> dict[str, Any]:
        limits: dict[str, Any] = {}
        if spec.cpu:
            limits |= {"cpu_period": _CPU_PERIOD, "cpu_quota": round(spec.cpu * _CPU_PERIOD)}
        if spec.memory:
            limits |= {"mem_limit": spec.memory * _MIB, "memswap_limit": spec.memory * _MIB}
        if spec.mounts:
            limits["binds"] = [
                f"{each.source}:{each.target}:{'ro' if each.read_only else 'rw'}" for each in spec.mounts
            ]
        return limits | {
            "network_mode": f"container:{self._names.sandbox(spec.sandbox_id)}" if spec.sandbox_id else "none",
            "restart_policy": {"Name": "no"},
            "privileged": spec.privileged,
            "cap_drop": None if spec.privileged else _DROPPED_CAPABILITIES,
            "security_opt": ["no-new-privileges"] if spec.no_new_privileges and not spec.privileged else None,
            "pids_limit": spec.pids_limit,
            "log_config": LogConfig(type="json-file", config={"max-size": "10m", "max-file": "3"}),
        }

    def _find_sandbox(self, id: str, sandbox: str) -> Sandbox | None:
        """The engine would take a container whose sandbox does not exist, or start it in one that is half made."""
        try:
            return self._sandboxes.find(sandbox) if sandbox else None
        except NotFound as error:
            raise SandboxNotReady(error.reason, id) from error

    def _switch(self, id: str, wanted: Status, change: Callable[[APIClient, str], object]) -> ContainerState:
        try:
            with facts.calls(self._engine, id) as api:
                change(api, self._names.container(id))
        except (Conflict, EngineRefused) as error:
            found = self.inspect(id)
            if found.status != wanted:
                raise Conflict(error.reason, id) from error
        return self.inspect(id)

    def _require(self, id: str, *allowed: Status) -> ContainerState:
        found = self.inspect(id)
        if found.status not in allowed:
            raise Conflict(f"the container is {found.status}, not {' or '.join(allowed)}", id)
        return found

    def _settled(self, id: str, enough: Callable[[ContainerState], bool]) -> ContainerState:
        """The state once the engine has noticed, or the latest after two seconds."""
        for _ in range(100):
            if enough(found := self.inspect(id)):
                break
            time.sleep(0.02)
        return found

    def _remove(self, name: str, force: bool) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                with facts.calls(self._engine, name) as api:
                    api.remove_container(name, v=True, force=force)
                return
            except NotFound:
                return
            except Conflict as error:
                if "in progress" not in error.reason:
                    raise
                if time.monotonic() > deadline:
                    raise EngineUnavailable(error.reason, name) from error
            except EngineRefused as error:  # busy mounts and the like: worth another try by whoever is patient
                raise EngineUnavailable(error.reason, name) from error
            time.sleep(0.05)

    def _details(self, name: str, subject: str) -> facts.Details:
        with facts.calls(self._engine, subject) as api:
            return dict(api.inspect_container(name))

    def _owned(self) -> Iterator[facts.Details]:
        with facts.calls(self._engine) as api:
            listed = api.containers(all=True, filters={"label": f"{facts.CLOUD}={self._names.cloud}"})
        for each in listed:
            if any(self._names.owned(name, each["Labels"]) for name in each["Names"]):
                with contextlib.suppress(NotFound):  # removed meanwhile
                    yield self._details(each["Id"], each["Id"])


def _healthcheck(spec: ContainerSpec) -> dict[str, Any] | None:
    check = spec.healthcheck
    if check is None:
        return None
    times = {"interval": round(check.interval * _SECOND), "timeout": round(check.timeout * _SECOND)}
    return {"test": ["CMD-SHELL", check.command], "retries": check.retries, **times}
