"""Which hosts there are."""

from collections.abc import Sequence
from typing import Any

from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.resources.host import placing, resource, store
from stackyard.rooms.placement import facade as placement


def load(work: Work, hosts: Sequence[Record]) -> None:
    """Add what containers claim of each host."""
    used = placement.used(work, [each.uuid for each in hosts])
    for host in hosts:
        claimed = used.get(host.uuid, {})
        host["claimed"] = claimed.get(placing.CPU, 0), claimed.get(placing.MEMORY, 0)
        host["containers"] = claimed.get(placing.CONTAINERS, 0)


def register(work: Work, facts: Any) -> None:
    """Write down what a node announced of its host, here and for placement: a new row, or the known one made current.
    Raises Conflict when its name is that of another provider."""
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
        host = rows.insert(work, resource.HOST, {"hostname": facts.hostname, **values})
    else:
        host = rows.change(work, resource.HOST, known, {**values, "reports": (known.reports or 0) + 1})
    placing.offer(work, host)
