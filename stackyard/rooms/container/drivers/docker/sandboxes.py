"""Sandboxes in a Docker engine: pause containers that make their own network namespace.

Docker takes 100 ms to make a namespace for a container, the pause container's own shell one. It starts in the host's
network, leaves it, and only then becomes the command by which a finished sandbox is known: until that moment it is not
running for anybody, and nothing may join it.
"""

import contextlib
import time

from docker.types import LogConfig

from stackyard.hosts.docker import DockerEngine
from stackyard.hosts.process import command_line
from stackyard.rooms.container.driver import EngineUnavailable, NotFound, Sandbox, SandboxSpec
from stackyard.rooms.container.drivers.docker import facts
from stackyard.rooms.container.drivers.docker.images import Images

_FINISHED = ["/bin/busybox", "sleep", "infinity"]
#: Inside its namespace it does what Docker does in those it makes: loopback, ping and low ports for everybody.
_SCRIPT = f"""
set -e
cd /proc/sys/net/ipv4
/bin/busybox ip link set lo up
echo 0 > ip_unprivileged_port_start
echo 0 2147483647 > ping_group_range
exec {" ".join(_FINISHED)}
"""


class Sandboxes:
    """The part of the driver that deals with sandboxes; see the contract for what each method promises."""

    def __init__(self, engine: DockerEngine, names: facts.Names, images: Images) -> None:
        self._engine = engine
        self._names = names
        self._images = images

    def ensure(self, spec: SandboxSpec) -> Sandbox:
        name = self._names.sandbox(spec.id)
        with contextlib.suppress(NotFound):  # the usual case on every call but the first
            return self._started(name, spec.id)
        image = self._images.ensure_pause()
        with facts.calls(self._engine, spec.id) as api, contextlib.suppress(facts.AlreadyThere):
            host_config = api.create_host_config(
                network_mode="host",
                dns=spec.dns or None,
                dns_search=spec.dns_search or None,
                extra_hosts=spec.extra_hosts or None,
                cap_drop=["ALL"],
                cap_add=["SYS_ADMIN", "NET_ADMIN"],
                security_opt=["no-new-privileges", "seccomp=unconfined"],  # a filter costs 50 ms
                read_only=True,
                pids_limit=4,
                log_config=LogConfig(type="json-file", config={"max-size": "64k"}),
            )
            host_config |= {"ReadonlyPaths": [], "MaskedPaths": []}  # the script sets switches of its namespace
            facts.create(
                api,
                name,
                image=image,
                command=["/bin/busybox", "unshare", "-n", "/bin/busybox", "sh", "-c", _SCRIPT],
                hostname=spec.hostname or spec.id[:12],
                labels=self._names.labels("sandbox", spec.id),
                stop_signal="SIGKILL",
                host_config=host_config,
            )
        return self._started(name, spec.id)

    def find(self, id: str) -> Sandbox:
        """The sandbox as it is, NotFound when absent."""
        with facts.calls(self._engine, id) as api:
            return seen(api.inspect_container(self._names.sandbox(id)))

    def _started(self, name: str, id: str) -> Sandbox:
        with facts.calls(self._engine, id) as api:
            api.start(name)
            deadline = time.monotonic() + 10
            while not (found := seen(details := api.inspect_container(name))).running:
                if not details["State"]["Running"] or time.monotonic() > deadline:
                    said = api.logs(name, tail=3).decode(errors="replace").strip()
                    raise EngineUnavailable(f"the sandbox does not start: {details['State']['Error']} {said}", id)
                time.sleep(0.002)
            return found


def seen(details: facts.Details) -> Sandbox:
    """What `inspect` of a pause container says, and its process shows. Each start of it makes a new namespace."""
    state, id = details["State"], (details["Config"]["Labels"] or {}).get(facts.ID, "")
    if not state["Running"] or command_line(state["Pid"]) != _FINISHED:
        return Sandbox(id=id, running=False)
    generation = f"{details['Id'][:12]}@{state['StartedAt']}"
    return Sandbox(id=id, running=True, netns=f"/proc/{state['Pid']}/ns/net", pid=state["Pid"], generation=generation)
