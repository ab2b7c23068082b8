"""Which ports a device gets: those it names, or new ones on the networks it names, or on the project's own network."""

from collections.abc import Mapping, Sequence
from typing import Any

from stackyard.kernel.declare.resource import Resource
from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources import port as ports
from stackyard.rooms.network.resources.network import ownership
from stackyard.rooms.network.resources.network import store as network_store
from stackyard.rooms.network.resources.port import rules as port_rules
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.subnet import store as subnet_store

_FIXED = ("v4-fixed-ip", "v6-fixed-ip")


def attach(
    work: Work,
    *,
    device_id: str,
    device_owner: str,
    project_id: str,
    net: Mapping[str, Any],
    security_groups: list[str] | None,
    hostname: str,
) -> str:
    """One more port for a device, as one entry of `nets` asks; returns its id. Raises BadRequest, Conflict."""
    order = len(port_store.of_device(work, device_id))
    if net.get("port"):
        return _adopt(
            work,
            str(net["port"]),
            project_id,
            device_id,
            device_owner,
            order,
            bool(net.get("preserve_on_delete", True)),
        )
    network = named_network(work, str(net["network"])) if net.get("network") else default_network(work, project_id)
    ownership.require(work, "create_port", network, project_id)
    addresses = [{"ip_address": net[each]} for each in _FIXED if net.get(each)]
    wanted = {
        "network_id": network.id,
        "project_id": project_id,
        "name": hostname,
        "device_id": device_id,
        "device_owner": device_owner,
        "attached_to": device_id,
        "fixed_ips": addresses or None,
        "made_for_device": not net.get("preserve_on_delete", False),
        "wired_order": order,
    }
    if security_groups is not None and network.port_security_enabled:
        wanted["security_groups"] = security_groups
    if not subnet_store.on_network(work, network.id):
        raise BadRequest(
            f"Network {network.id} has no subnet, so it has no address for a container.",
            field="nets",
            remedy="Create a subnet on it first, or name another network.",
        )
    return str(port_rules.make(work, network, wanted).id)


def _adopt(work: Work, key: str, project_id: str, device_id: str, device_owner: str, order: int, preserve: bool) -> str:
    port = _one(work, ports.PORT, key, "port")
    if port.project_id != project_id and not work.caller.is_admin:
        raise BadRequest(f"There is no port '{key}' that you can use.", field="nets", remedy="See the list of ports.")
    if port.attached_to or port.device_id not in ("", device_id):
        raise Conflict(
            f"Port {port.id} is in use by {port.device_owner or 'device'} {port.device_id or port.attached_to}.",
            field="nets",
            kind="PortInUse",
            remedy="Name a port that nothing uses.",
        )
    rows.change(
        work,
        ports.PORT,
        port,
        {
            "device_id": device_id,
            "device_owner": device_owner,
            "attached_to": device_id,
            "wired_order": order,
            "made_for_device": not preserve,
        },
    )
    return str(port.id)


def default_network(work: Work, project_id: str) -> Record:
    """The network a device gets when it names none: the project's own first one with a subnet, else a shared one."""
    candidates = [each for each in network_store.inside(work, project_id) if subnet_store.on_network(work, each.id)]
    if candidates:
        return candidates[0]
    raise BadRequest(
        f"Project {project_id} has no network with a subnet to put the container on.",
        field="nets",
        remedy="Create a network and a subnet, or name a network.",
    )


def named_network(work: Work, key: str) -> Record:
    """The network by id or name, if the caller may know of it. Raises BadRequest, Conflict for an ambiguous name."""
    return _one(work, networks.NETWORK, key, "network")


def _one(work: Work, resource: Resource, key: str, what: str) -> Record:
    try:
        return rows.find(work, resource, key)
    except NotFound:
        pass
    found = network_store.visible_named(work, resource, key)
    if len(found) > 1:
        raise Conflict(f"Several {what}s have the name '{key}'.", field="nets", remedy="Use the id.")
    if not found:
        raise BadRequest(
            f"There is no {what} '{key}' that you can use.", field="nets", remedy=f"See the list of {what}s."
        )
    return found[0]


def resolve_groups(work: Work, project_id: str, names_or_ids: Sequence[str]) -> list[str]:
    """The ids of these groups of the project. Raises BadRequest naming the unknown, Conflict for an ambiguous name."""
    found: list[str] = []
    for each in names_or_ids:
        matches = network_store.groups_named(work, project_id, each)
        if len(matches) > 1:
            raise Conflict(
                f"Several security groups have the name '{each}'.", field="security_groups", remedy="Use the id."
            )
        if not matches:
            raise BadRequest(f"There is no security group '{each}' in the project.", field="security_groups")
        found.append(matches[0])
    return list(dict.fromkeys(found))


def detach(work: Work, port: Record) -> None:
    """The device no longer has the port: one made for it goes, one it was given is free again."""
    if port.made_for_device:
        port_rules.discard(work, port)
        return
    port_store.set_wiring(work, port.id, "", None)
    current = port_store.get(work, port.id)
    assert current is not None
    rows.change(
        work,
        ports.PORT,
        current,
        {
            "device_id": "",
            "device_owner": "",
            "attached_to": None,
            "binding:host_id": "",
            "binding:vif_type": "unbound",
            "binding:vif_details": {},
            "wired_order": None,
            "made_for_device": False,
        },
    )
    port_rules.follow(work, current)
