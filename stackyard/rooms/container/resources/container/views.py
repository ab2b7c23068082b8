"""How containers are shown: what is computed for an answer, and what older versions and ordinary users see."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.resources.container.requested import COMMAND_IS_A_LIST
from stackyard.rooms.network import facade as network

#: Attributes that only those see who pass the policy rule of the same name.
GUARDED = ("host", "image_pull_policy", "privileged", "runtime")


def load(work: Work, records: Sequence[Record]) -> None:
    """Fetch the ports of all containers of an answer with one query."""
    ports = network.ports_of(work, [each.uuid for each in records])
    for each in records:
        each["ports_on_networks"] = ports.get(each.uuid, [])


def addresses(work: Work, record: Record) -> dict[str, list[dict[str, Any]]]:
    """The container's addresses by network id."""
    shown: dict[str, list[dict[str, Any]]] = {}
    for port in record.get("ports_on_networks", []):
        shown.setdefault(port.network_id, []).extend(
            {
                "addr": each.ip,
                "version": each.version,
                "port": port.id,
                "subnet_id": each.subnet_id,
                "preserve_on_delete": port.preserve,
            }
            for each in port.addresses
        )
    return shown


def memory(work: Work, record: Record) -> str | None:
    """Zun writes MiB as text."""
    return None if record.memory is None else str(record.memory)


def status_detail(work: Work, record: Record) -> str | None:
    """What the status means in time: "Up 5 minutes", "Exited(0) 2 hours ago"."""
    if record.status == "Running" and record.started_at:
        return f"Up {_ago(work.now, record.started_at)}"
    if record.status == "Paused" and record.started_at:
        return f"Up {_ago(work.now, record.started_at)} (paused)"
    if record.status == "Stopped" and record.finished_at:
        return f"Exited({record.exit_code}) {_ago(work.now, record.finished_at)} ago"
    return "Created" if record.status == "Created" else None


def _ago(now: datetime, then: datetime) -> str:
    seconds = max(0, int((now - then).total_seconds()))
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size or size == 1:
            count = seconds // size
            return f"{count} {word}{'' if count == 1 else 's'}"
    return ""


def in_version(work: Work, record: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """Older versions write the command as one string; guarded attributes are left out for whom policy keeps them
    from."""
    command = shown.get("command")
    if work.version and work.version < COMMAND_IS_A_LIST and isinstance(command, list):
        shown["command"] = " ".join(f'"{word}"' for word in command)
    for name in GUARDED:
        if name in shown and not work.allows(f"container:get_one:{name}", record):
            del shown[name]
    return shown


def network_list(work: Work, record: Record, body: Any, query: Record) -> dict[str, Any]:
    """The container's ports with their addresses."""
    ports = network.ports_of(work, [record.uuid]).get(record.uuid, [])
    return {
        "networks": [
            {
                "net_id": port.network_id,
                "port_id": port.id,
                "fixed_ips": [
                    {"ip_address": each.ip, "version": each.version, "subnet_id": each.subnet_id}
                    for each in port.addresses
                ],
            }
            for port in ports
        ]
    }
