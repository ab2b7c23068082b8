"""Which host a container goes to, and what it claims there.

A container is on a host exactly as long as it has a claim of that host's provider, for exactly what its row says: both
change in one transaction, wherever they change. `differences` tells where that is not so.
"""

import math
from collections.abc import Iterator

from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.resources.container import store as containers
from stackyard.rooms.container.resources.host import store
from stackyard.rooms.network import facade as network
from stackyard.rooms.placement import facade as placement
from stackyard.rooms.placement.facade import Candidate, Claim, Consumer, Inventory

#: How far containers' limits may exceed what a host has, unless an operator sets it otherwise: most containers idle.
CPU_RATIO, MEMORY_RATIO = 16.0, 1.5
#: How many containers a host takes. Each has a process of the engine's and a port on a bridge, which has 1,024.
MOST_CONTAINERS = 1000

#: Resource classes, and the type of consumers that are containers.
CPU, MEMORY, DISK, CONTAINERS = "VCPU", "MEMORY_MB", "DISK_GB", "CUSTOM_CONTAINER"
TYPE = "CONTAINER"

_DOWN = "its node is down"


def offer(work: Work, host: Record) -> None:
    """Say to placement what a host has. Raises Conflict when another provider has its name."""
    totals = {
        CPU: Inventory(total=host.cpus, max_unit=host.cpus, allocation_ratio=CPU_RATIO),
        MEMORY: Inventory(total=host.mem_total, max_unit=host.mem_total, allocation_ratio=MEMORY_RATIO),
        DISK: Inventory(total=host.disk_total, max_unit=host.disk_total),
        CONTAINERS: Inventory(total=MOST_CONTAINERS, max_unit=1),
    }
    placement.offer(work, host.uuid, host.hostname, totals)


def needs(container: Record) -> dict[str, int]:
    """What a container claims: whole cores, MiB, GiB, and a place. What it has no limit for, it claims none of."""
    wanted = {
        CPU: math.ceil(container.cpu or 0), MEMORY: container.memory or 0, DISK: container.disk or 0, CONTAINERS: 1,
    }  # fmt: skip
    return {name: amount for name, amount in wanted.items() if amount}


def place(work: Work, container: Record, asked: str | None) -> str:
    """Claim what the container needs of the host with the most free memory that can take it (`asked`: of this one
    only), and bind it and its ports there. One that was on another host leaves that. Raises Refused naming each host
    and what it lacks; Transient when its networks live on a host whose node is away now."""
    connected, homes = set(work.services.nodes.names()), network.homes_of(work, container.uuid)
    hosts = {each.uuid: each for each in store.all_hosts(work)}
    candidates = [
        Candidate(provider=each.uuid, name=each.hostname, refusal=_refusal(each, asked, homes, connected))
        for each in hosts.values()
    ]
    try:
        chosen = placement.claim(work, _consumer(container), needs(container), candidates, spread=MEMORY)
    except placement.NoHost as error:
        # Where its networks live is where it goes: a node that is away is waited for, within the deadline.
        waits = homes and any(each.refusal == _DOWN for each in candidates)
        raise (Transient if waits else Refused)(error.detail) from error
    host = str(hosts[chosen].hostname)
    containers.change(work, container.uuid, host=host)
    network.bind_ports(work, container.uuid, host)
    return host


def is_up(work: Work, hostname: str) -> bool:
    """Whether the host's node is connected, and not declared down."""
    host = store.named(work, hostname)
    return host is not None and not host.forced_down and hostname in work.services.nodes.names()


def _consumer(container: Record) -> Consumer:
    return Consumer(
        id=container.uuid, project_id=container.project_id, user_id=container.user_id or container.project_id, type=TYPE
    )


def _refusal(host: Record, asked: str | None, homes: dict[str, str], connected: set[str]) -> str:
    """What keeps a host from taking the container, however much it has; empty when nothing does."""
    elsewhere = [
        f"its network {each} lives on host {home}" for home, each in sorted(homes.items()) if home != host.hostname
    ]
    if elsewhere:
        return "; ".join(elsewhere)
    if asked and asked != host.hostname:
        return f"host {asked} was asked for"
    if host.hostname not in connected or host.forced_down:
        return _DOWN
    if host.disabled:
        return f"disabled: {host.disabled_reason or 'no reason given'}"
    return ""


def grow(work: Work, container: Record) -> None:
    """Claim for the limits that the container's row has now. Raises NoHost when its host has too little."""
    provider = _provider(work, container)
    candidate = Candidate(provider=provider, name=container.host)
    placement.change(work, _consumer(container), needs(container), candidate)


def limit(work: Work, uuid: str, /, **limits: float | int | None) -> None:
    """Write down the limits that the container has, in its row and in its claim."""
    containers.change(work, uuid, **limits)
    container = containers.get(work, uuid)
    if container is not None and container.host:
        placement.record(work, _consumer(container), _provider(work, container), needs(container))


def leave(work: Work, uuid: str) -> None:
    """Let go of what the container claims."""
    placement.release(work, uuid)


def _provider(work: Work, container: Record) -> str:
    host = store.named(work, container.host)
    assert host is not None, "no container is on a host that never registered"
    return str(host.uuid)


# -- whether claims are what rows say --


def differences(work: Work) -> Iterator[tuple[str, str]]:
    """Containers whose claim is not what their row says, and claims without a container: the id, and a sentence."""
    claims, providers = placement.claims(work, TYPE), {each.hostname: each.uuid for each in store.all_hosts(work)}
    # A host that never registered has been asked for, and was not given.
    placed = {each.uuid: each for each in containers.placed(work) if each.host in providers}
    for uuid in sorted(claims.keys() | placed.keys()):
        container, claimed = placed.get(uuid), claims.get(uuid, [])
        if container is None:
            yield uuid, f"claimed for container {uuid}, which is on no host: {_said(claimed)}"
        elif claimed != [wanted := Claim(providers[container.host], needs(container))]:
            here = [each for each in claimed if each.provider == wanted.provider]
            said = f"needs {_said([wanted])}; claimed for it there: {_said(here)}"
            yield uuid, f"container {uuid} on {container.host} {said}"


def _said(claims: list[Claim]) -> str:
    amounts = [f"{amount} {name}" for each in claims for name, amount in sorted(each.needs.items())]
    return ", ".join(amounts) or "nothing"


def mend(work: Work, uuid: str) -> None:
    """Make a container's claim what its row says."""
    container = containers.get(work, uuid)
    if container is None or not container.host or store.named(work, container.host) is None:
        placement.release(work, uuid)
    else:
        placement.record(work, _consumer(container), _provider(work, container), needs(container))
