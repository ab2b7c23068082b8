"""Which hosts there are, and which of them a container goes to."""

from collections.abc import Sequence
from typing import Any

from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.resources.container import store as containers
from stackyard.rooms.container.resources.host import resource, store
from stackyard.rooms.network import facade as network

#: How far containers' limits may exceed what a host has: most containers idle.
CPU_RATIO, MEMORY_RATIO = 16.0, 1.5

_DOWN = "its node is down"


def load(work: Work, hosts: Sequence[Record]) -> None:
    """Add what containers claim of each host."""
    claims = containers.claims(work)
    for host in hosts:
        cpu, memory, count = claims.get(host.hostname, (0.0, 0, 0))
        host["claimed"], host["containers"] = (cpu, memory), count


def register(work: Work, facts: Any) -> None:
    """Write down what a node announced of its host: a new row, or the known one made current."""
    values = {
        "mem_total": facts.memory // 2**20,
        "cpus": facts.cpus,
        "disk_total": facts.disk // 2**30,
        "disk_used": (facts.disk - facts.disk_available) // 2**30,
        "architecture": facts.architecture,
        "os_type": facts.os_type,
        "os": facts.os,
        "kernel_version": facts.kernel_version,
        "labels": facts.labels,
        "last_seen": work.now,
    }
    known = store.named(work, facts.hostname)
    if known is None:
        rows.insert(work, resource.HOST, {"hostname": facts.hostname, **values})
    else:
        rows.change(work, resource.HOST, known, {**values, "reports": (known.reports or 0) + 1})


def choose(work: Work, container: Record) -> str:
    """The host with the most free memory that can take the container. Raises Refused naming each host and what it
    lacks; Transient when its networks live on a host whose node is away now."""
    hosts = store.all_hosts(work)
    load(work, hosts)
    connected = set(work.services.nodes.names())
    homes = network.homes_of(work, container.uuid)
    refusals = {
        host.hostname: _is_elsewhere(host, homes) or _lacks(host, container, connected) for host in hosts
    }
    fitting = [host for host in hosts if not refusals[host.hostname]]
    if not fitting:
        said = "; ".join(f"{name}: {why}" for name, why in refusals.items()) or "no host has registered yet"
        # Where its networks live is where it goes: a node that is away is waited for, within the deadline.
        waits = homes and _DOWN in refusals.values()
        raise (Transient if waits else Refused)(f"No host can take the container. {said}.")
    return str(max(fitting, key=lambda host: host.mem_total * MEMORY_RATIO - host.claimed[1]).hostname)


def _is_elsewhere(host: Record, homes: dict[str, str]) -> str:
    """Which of the container's networks keeps it from this host; empty when none does."""
    return "; ".join(
        f"its network {each} lives on host {home}" for home, each in sorted(homes.items()) if home != host.hostname
    )


def _lacks(host: Record, container: Record, connected: set[str]) -> str:
    """What keeps a host from taking the container; empty when nothing does."""
    if container.host and container.host != host.hostname:
        return f"host {container.host} was asked for"
    if host.hostname not in connected or host.forced_down:
        return _DOWN
    if host.disabled:
        return f"disabled: {host.disabled_reason or 'no reason given'}"
    cpu, memory = host.claimed
    free_memory = int(host.mem_total * MEMORY_RATIO) - memory
    if (container.memory or 0) > free_memory:
        return f"needs {container.memory} MiB of memory, {max(free_memory, 0)} MiB are free"
    if (container.cpu or 0) > host.cpus * CPU_RATIO - cpu:
        return f"needs {container.cpu:g} CPUs, {max(host.cpus * CPU_RATIO - cpu, 0):g} are free"
    return ""
