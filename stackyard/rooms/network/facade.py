"""What other rooms may ask of networks. Rows are written in the caller's transaction; `wire` and `unwire` reach the
host.

A *device* is what has ports: a container, later a server or a load balancer, named by its id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackyard.kernel.errors import BadRequest
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services, Work
from stackyard.rooms.network import homes, seed
from stackyard.rooms.network.dataplane import ROOM, Dataplane
from stackyard.rooms.network.dataplane import touch as _touch
from stackyard.rooms.network.resources import security_group as groups
from stackyard.rooms.network.resources.network import store as network_store
from stackyard.rooms.network.resources.port import attachments
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.security_group import rules as group_rules


@dataclass(frozen=True)
class Address:
    """An address of a port; `prefix` is the length of its subnet's prefix."""

    ip: str
    version: int
    subnet_id: str
    prefix: int


@dataclass(frozen=True)
class Port:
    """A device's place on a network. `preserve`: it outlives the device."""

    id: str
    network_id: str
    mac: str
    addresses: list[Address]
    security_groups: list[str]
    preserve: bool


def reserve_ports(
    work: Work,
    *,
    device_id: str,
    project_id: str,
    nets: Sequence[Mapping[str, Any]],
    security_groups: Sequence[str] | None = None,
    hostname: str = "",
    device_owner: str = "compute:zun",
) -> list[Port]:
    """The ports of a new device, one for each of `nets` (Zun's: network | port, v4-fixed-ip, v6-fixed-ip,
    preserve_on_delete), or one on the project's own network. Raises BadRequest naming what is unknown, Conflict for a
    port in use, an address taken or none left."""
    for net in nets or [{}]:
        attach_port(
            work,
            device_id=device_id,
            project_id=project_id,
            net=net,
            security_groups=security_groups,
            hostname=hostname,
            device_owner=device_owner,
        )
    return ports_of(work, [device_id]).get(device_id, [])


def attach_port(
    work: Work,
    *,
    device_id: str,
    project_id: str,
    net: Mapping[str, Any],
    security_groups: Sequence[str] | None = None,
    hostname: str = "",
    device_owner: str = "compute:zun",
) -> Port:
    """One more port for a device. `wire` then plugs it in. Raises as `reserve_ports`; Conflict when the device is on
    one host and the network lives on another."""
    host = next((each["binding:host_id"] for each in port_store.of_device(work, device_id)), "")
    port_id = attachments.attach(
        work,
        device_id=device_id,
        device_owner=device_owner,
        project_id=project_id,
        net=net,
        hostname=hostname,
        security_groups=None if security_groups is None else list(security_groups),
    )
    port = next(each for each in ports_of(work, [device_id])[device_id] if each.id == port_id)
    if host:
        homes.refuse_two(work, port.network_id, host)
        port_store.bind(work, port_id, host)
    return port


def homes_of(work: Work, device_id: str) -> dict[str, str]:
    """The hosts where the device's networks live, each with a network that lives there: none when it may be anywhere,
    two when it can be nowhere."""
    return homes.homes(work, [each.network_id for each in port_store.of_device(work, device_id)], besides=device_id)


def detach_port(work: Work, device_id: str, *, network: str | None = None, port: str | None = None) -> None:
    """Take a port from a device: the one named, or that on the network named (ids or names). Raises BadRequest when the
    device has none such. The host follows at once."""
    network_id = attachments.named_network(work, network).id if network else None
    found = [
        each
        for each in port_store.of_device(work, device_id)
        if (port is None or port in (each.id, each.name)) and (network_id is None or each.network_id == network_id)
    ]
    if not found:
        raise BadRequest(f"The container has no port on {network or port}.", field="network" if network else "port")
    for each in found:
        attachments.detach(work, each)


def bind_ports(work: Work, device_id: str, host: str) -> None:
    """Say on which host a device is."""
    for each in port_store.of_device(work, device_id):
        port_store.bind(work, each.id, host)


def release_ports(work: Work, device_id: str) -> None:
    """The device is gone: ports made for it are deleted, ports it was given are free again. Hosts follow at once."""
    for each in port_store.of_device(work, device_id):
        attachments.detach(work, each)


def ports_of(work: Work, device_ids: Sequence[str]) -> dict[str, list[Port]]:
    """The ports of each device, in the order it got them."""
    ports = port_store.of_devices(work, device_ids)
    ids = [each.id for each in ports]
    held, worn = port_store.addresses_of(work, ids), port_store.groups_of(work, ids)
    subnets = port_store.subnets_of(work, held)
    found: dict[str, list[Port]] = {}
    for each in ports:
        addresses = [
            Address(
                ip=one.ip_address,
                version=subnets[one.subnet_id].ip_version,
                subnet_id=one.subnet_id,
                prefix=int(subnets[one.subnet_id].cidr.rpartition("/")[2]),
            )
            for one in held.get(each.id, [])
        ]
        found.setdefault(each.attached_to, []).append(
            Port(
                id=each.id,
                network_id=each.network_id,
                mac=each.mac_address,
                addresses=addresses,
                security_groups=worn.get(each.id, []),
                preserve=not each.made_for_device,
            )
        )
    return found


def dns_servers(work: Work, device_id: str) -> list[str]:
    """The resolvers that the device's subnets name, without repeats."""
    held = port_store.addresses_of(work, [each.id for each in port_store.of_device(work, device_id)])
    subnets = port_store.subnets_of(work, held)
    named = [server for found in held.values() for one in found for server in subnets[one.subnet_id].dns_nameservers]
    return list(dict.fromkeys(named))


def find_security_groups(work: Work, project_id: str, names_or_ids: Sequence[str]) -> list[str]:
    """The ids of these groups of the project. Raises BadRequest naming the unknown, Conflict for an ambiguous name."""
    return attachments.resolve_groups(work, project_id, names_or_ids)


def set_security_groups(work: Work, device_id: str, group_ids: Sequence[str]) -> None:
    """The device's ports wear these groups and no other. Hosts follow at once."""
    for each in port_store.of_device(work, device_id):
        if each.port_security_enabled:
            before = port_store.groups_of(work, [each.id]).get(each.id, [])
            port_store.wear(work, each.id, group_ids)
            _touch(work, networks=[each.network_id], groups={*before, *group_ids})


def open_ports(work: Work, *, project_id: str, name: str, ports: Sequence[tuple[str, int]]) -> str:
    """Make a security group of the project that lets everyone in to these (protocol, number) ports; returns its id.
    Raises QuotaExceeded."""
    group = group_rules.create(work, Record({"name": name, "description": "", "project_id": project_id}))
    for protocol, number in ports:
        for family, anyone in (("IPv4", "0.0.0.0/0"), ("IPv6", "::/0")):
            rule = {
                "security_group_id": group.id,
                "direction": "ingress",
                "ethertype": family,
                "protocol": protocol,
                "port_range_min": number,
                "port_range_max": number,
                "remote_ip_prefix": anyone,
                "remote_group_id": None,
            }
            group_rules.create_rule(work, Record(rule))
    return str(group.id)


def close_ports(work: Work, *, project_id: str, name: str) -> None:
    """Remove the groups of that name which no port wears; content when there is none."""
    for group_id in network_store.groups_named(work, project_id, name):
        group = work.tx.get(groups.SECURITY_GROUP.table, id=group_id)
        if group is not None and not port_store.wearers(work, group_id):
            group_rules.delete(work, group, Record())


def wire(services: Services, host: str, device_id: str, netns: str) -> None:
    """Plug a device's ports into the namespace at path `netns` as eth0, eth1, …: ready to use when this returns. Again
    is harmless, and applies what changed. For use inside a step's call. Raises the driver's errors (Transient,
    Refused)."""
    _plane(services).wire(host, device_id, netns)


def unwire(services: Services, host: str, device_id: str) -> None:
    """Take a device's ports from the host; content when they are not there. For use inside a step's call."""
    _plane(services).unwire(host, device_id)


def broken_devices(services: Services, host: str) -> set[str]:
    """The devices with a port that should be plugged in on the host and is not, or is damaged. Raises the driver's
    errors."""
    return _plane(services).broken_devices(host)


def _plane(services: Services) -> Dataplane:
    plane: Dataplane = services.bound[ROOM]
    return plane


seed_public_network = seed.public_network
seed_demo_network = seed.demo_network
