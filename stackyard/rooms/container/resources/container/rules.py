"""What callers may ask of a container: each use case accepts the intent in one transaction; the steps follow after
commit."""

from contextlib import suppress
from typing import Any

from stackyard.kernel.declare.versions import Version
from stackyard.kernel.errors import BadRequest, Conflict, Forbidden, NotImplementedYet
from stackyard.kernel.journal.book import refusal
from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.resources.container import resource, store
from stackyard.rooms.container.resources.container.requested import (
    chosen_image,
    exposed_ports,
    generated_name,
    restart_policy,
    words,
)
from stackyard.rooms.container.resources.host import placing
from stackyard.rooms.network import facade as network

#: How Zun's `nets` call an address of IPv4 and of IPv6.
_FIXED = {False: "v4-fixed-ip", True: "v6-fixed-ip"}
#: Signals by which people end a process. NONE is what clients send for the default, KILL.
_ENDING = {"NONE", "KILL", "9", "TERM", "15", "INT", "2", "QUIT", "3"}
#: The version that brought each way to delete.
_DELETES_SINCE = {"force": Version(1, 7), "stop": Version(1, 12)}
_MOUNTS_PAGE = "See docs/conformance.md for what is offered."


def create(work: Work, wanted: Record) -> Record:
    """Accept a container: its row, its ports and its claim of a host are committed together, or none is. Where no host
    can take it now, the operation looks once more, and says why. `?run=true` starts it as well."""
    _refuse_what_is_not_offered(wanted)
    run = work.query.get("run", "").lower() in ("true", "1", "on", "yes")
    groups, ports = wanted.get("security_groups"), exposed_ports(wanted)
    values = {
        **{name: value for name, value in wanted.items() if resource.CONTAINER.all_fields[name].stored},
        **chosen_image(work, wanted),
        "user_id": work.caller.user_id,
        "host": None,
        "name": wanted.name or generated_name(work.new_id()),
        "command": words(wanted.command, work.version),
        "restart_policy": restart_policy(wanted),
        "tty": bool(wanted.tty or (wanted.interactive and (work.version or (1, 40)) < (1, 36))),
        "ports": sorted({number for _, number in ports}),
        "task_state": "image_pulling",
        "wanted": "running" if run else "created",
    }
    project_id = rows.owner_of(work, values)
    if groups is not None:
        values["security_groups"] = network.find_security_groups(work, project_id, groups)
    container = rows.insert(work, resource.CONTAINER, values)
    if ports:
        opened = network.open_ports(work, project_id=project_id, name=ports_group(container), ports=ports)
        container = rows.change(work, resource.CONTAINER, container, {"security_groups": [opened]})
    network.reserve_ports(
        work,
        device_id=container.uuid,
        project_id=project_id,
        nets=wanted.get("nets") or [],
        security_groups=container.security_groups,
        hostname=container.hostname or "",
    )
    asked = wanted.get("host")
    with suppress(Refused, Transient):
        container["host"] = placing.place(work, container, asked)
    work.begin(resource.CONTAINER, container, "create", {"run": run, "host": asked})
    return container


def ports_group(container: Record) -> str:
    """The name of the security group that opens the ports a container exposes, as Zun forms it."""
    return f"zun-{container.uuid}"


def _refuse_what_is_not_offered(wanted: Record) -> None:
    for name, what in (("mounts", "Volumes and injected files"), ("registry", "Private registries")):
        if wanted.get(name):
            raise NotImplementedYet(f"{what} are not offered yet.", field=name, remedy=_MOUNTS_PAGE)
    if wanted.get("exposed_ports") and wanted.get("security_groups"):
        raise BadRequest("exposed_ports and security_groups cannot be given together.", field="exposed_ports")


def update(work: Work, container: Record, changes: Record) -> Record:
    """Rename at once; change limits in the engine. The answer shows what was asked for, as Zun's does."""
    _check(container, "update")
    given = {name: value for name, value in changes.items() if value is not None}
    limits: dict[str, Any] = {name: given.pop(name) for name in ("cpu", "memory") if name in given}
    if limits.get("cpu") == 0:
        raise BadRequest("A limit can be changed, not lifted.", field="cpu", remedy="Give more than 0.")
    if given:
        container = rows.change(work, resource.CONTAINER, container, given)
    if limits:
        work.begin(resource.CONTAINER, container, "update", {**limits, "before": _grow(work, container, limits)})
    return Record({**container, **limits})


def _grow(work: Work, container: Record, limits: dict[str, Any]) -> dict[str, Any]:
    """What grows counts against the project's quota and its host from now on, what shrinks when the engine has done it.
    Returns what the limits were."""
    before = {name: container[name] for name in limits}
    larger = {name: max(limits[name], was or 0) for name, was in before.items()}
    placing.grow(work, rows.change(work, resource.CONTAINER, container, larger))
    return before


def resize(work: Work, container: Record, body: Record, query: Record) -> Record:
    """Change the limits of a container (since 1.19)."""
    if not any(body.get(name) is not None for name in ("cpu", "memory")):
        raise BadRequest("Give cpu, memory or both.", field="cpu")
    return update(work, container, body)


def rename(work: Work, container: Record, body: Any, query: Record) -> Record:
    """Give another name (until 1.13)."""
    if query.name == container.name:
        raise Conflict("The new name for the container is the same as the old name.")
    return rows.change(work, resource.CONTAINER, container, {"name": query.name})


def delete(work: Work, container: Record, query: Record) -> None:
    """Accept the deletion: plain (of what does not run), after a stop, or by force from any state."""
    for name, since in _DELETES_SINCE.items():
        if query[name] and work.version and work.version < since:
            raise BadRequest(f"'{name}' is known since version {since}.", field=name)
    if query.force and not query.stop:
        if not work.allows("container:delete_force", container):
            raise Forbidden(
                "Deleting by force is not allowed to you.",
                remedy="Use stop, or ask an administrator.",
                kind="PolicyNotAuthorized",
            )
        action = "force_delete"
    else:
        action = "stop_and_delete" if query.stop else "delete"
    store.change(work, container.uuid, task_state="container_deleting", wanted="gone")
    work.begin(resource.CONTAINER, container, action)


def purge(work: Work, container: Record) -> None:
    """Accept the deletion by force: its project goes."""
    store.change(work, container.uuid, task_state="container_deleting", wanted="gone")
    work.begin(resource.CONTAINER, container, "force_delete")


def start(work: Work, container: Record, body: Any, query: Record) -> None:
    """Accept a start."""
    _task(work, container, "start", "container_starting", wanted="running")


def stop(work: Work, container: Record, body: Any, query: Record) -> None:
    """Accept a stop: asked to end, killed after `timeout` seconds."""
    _task(work, container, "stop", "container_stopping", {"timeout": query.timeout}, wanted="stopped")


def reboot(work: Work, container: Record, body: Any, query: Record) -> None:
    """Accept a restart."""
    _task(work, container, "reboot", "container_rebooting", {"timeout": query.timeout}, wanted="running")


def pause(work: Work, container: Record, body: Any, query: Record) -> None:
    """Accept a pause: its processes are frozen."""
    _task(work, container, "pause", "container_pausing")


def unpause(work: Work, container: Record, body: Any, query: Record) -> None:
    """Accept the end of a pause."""
    _task(work, container, "unpause", "container_unpausing")


def kill(work: Work, container: Record, body: Any, query: Record) -> None:
    """Accept a signal to the container's first process. One that asks it to end also ends its restart policy's turn."""
    ends = query.signal.upper().removeprefix("SIG") in _ENDING
    _task(work, container, "kill", "container_killing", {"signal": query.signal}, wanted="stopped" if ends else None)


def _task(
    work: Work,
    container: Record,
    action: str,
    task: str,
    inputs: dict[str, Any] | None = None,
    wanted: str | None = None,
) -> None:
    work.begin(resource.CONTAINER, container, action, inputs)
    store.change(work, container.uuid, task_state=task, **({"wanted": wanted} if wanted else {}))


def add_security_group(work: Work, container: Record, body: Any, query: Record) -> None:
    """Put the container's ports under one more security group, at once."""
    _check(container, "security_groups")
    [group] = network.find_security_groups(work, container.project_id, [query.name])
    have = container.security_groups or []
    if group in have:
        raise BadRequest(f"Security group {query.name} has been added to the container already.", field="name")
    _set_groups(work, container, [*have, group])


def remove_security_group(work: Work, container: Record, body: Any, query: Record) -> None:
    """Take the container's ports out of a security group, at once."""
    _check(container, "security_groups")
    [group] = network.find_security_groups(work, container.project_id, [query.name])
    have = container.security_groups or []
    if group not in have:
        raise BadRequest(f"Security group {query.name} was not added to the container.", field="name")
    _set_groups(work, container, [each for each in have if each != group])


def _set_groups(work: Work, container: Record, groups: list[str]) -> None:
    network.set_security_groups(work, container.uuid, groups)
    store.change(work, container.uuid, security_groups=groups)


def network_attach(work: Work, container: Record, body: Any, query: Record) -> None:
    """Give the container a port on one more network."""
    _check(container, "attach_network")
    if bool(query.get("network")) == bool(query.get("port")):
        raise BadRequest("Give either network or port.", field="network")
    net = {
        "network": query.get("network"),
        "port": query.get("port"),
        _FIXED[query.get("fixed_ip", "").count(":") > 0]: query.get("fixed_ip"),
    }
    network.attach_port(
        work,
        device_id=container.uuid,
        project_id=container.project_id,
        security_groups=container.security_groups,
        net={name: value for name, value in net.items() if value},
    )
    work.begin(resource.CONTAINER, container, "attach_network")


def network_detach(work: Work, container: Record, body: Any, query: Record) -> None:
    """Take the container's port off a network."""
    _check(container, "detach_network")
    if bool(query.get("network")) == bool(query.get("port")):
        raise BadRequest("Give either network or port.", field="network")
    network.detach_port(work, container.uuid, network=query.get("network"), port=query.get("port"))
    work.begin(resource.CONTAINER, container, "detach_network")


def _check(container: Record, action: str) -> None:
    """Raise Conflict when the container's state does not allow the action."""
    if not resource.LIFE.allowed(action, container.status):
        raise refusal(resource.CONTAINER, container.uuid, action, container.status)
