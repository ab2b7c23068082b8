"""What of a cloud is on the host, seen without changing anything."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stackyard.hosts import netns, nft
from stackyard.hosts.netlink import Link, Netlink

from ...driver import RouterSpec
from . import routers
from .links import HOST, End
from .names import BRIDGE, CloudNames, host_device, port_device
from .outside import host_objects
from .records import NetworkRecord, PortRecord
from .segments import remove_namespace


@dataclass(frozen=True)
class Leftover:
    """A thing of this cloud that belongs to nothing known, and how it is removed."""

    name: str
    remove: Callable[[], None]


def links_in(namespace: Path) -> dict[str, Link]:
    """Every link of a namespace; none if there is no such namespace."""

    def body() -> dict[str, Link]:
        with Netlink() as net:
            return net.links()

    return netns.inside(namespace, body) if netns.is_namespace(namespace) else {}


def port_faults(port: PortRecord, links: dict[str, Link]) -> list[str]:
    """How a plugged port's device differs from what was made; nothing if it is not plugged."""
    link, bridge = links.get(port_device(port.spec.id)), links.get(BRIDGE)
    if link is None:
        return []
    found = []
    if bridge is None or link.master != bridge.index:
        found.append(f"device {link.name} is not on the bridge")
    if link.up != port.spec.admin_up:
        found.append(f"device {link.name} is {'up' if link.up else 'down'}")
    return found


def leftovers(
    names: CloudNames, networks: dict[str, NetworkRecord], known_routers: dict[str, RouterSpec]
) -> list[Leftover]:
    """What carries the cloud's id and belongs to none of these."""
    return [
        *_stray_namespaces(names, networks, known_routers),
        *_stray_devices(names, networks, known_routers),
        *_stray_on_host(names, networks),
    ]


def _stray_namespaces(
    names: CloudNames, networks: dict[str, NetworkRecord], known_routers: dict[str, RouterSpec]
) -> list[Leftover]:
    known = {*map(names.network, networks), *map(names.router, known_routers)}
    return [
        Leftover(f"namespace {name}", lambda name=name: remove_namespace(name))  # type: ignore[misc]
        for name in netns.names(names.namespaces)
        if name not in known
    ]


def _stray_devices(
    names: CloudNames, networks: dict[str, NetworkRecord], known_routers: dict[str, RouterSpec]
) -> list[Leftover]:
    known = {end for router in known_routers.values() for end in routers.outer_ends(names, router)}
    found = []
    for network_id, record in networks.items():
        place = netns.path(names.network(network_id))
        known |= {End(place, port_device(port_id)) for port_id in record.ports}
        if record.spec.external is not None:
            known.add(End(place, host_device(network_id)))
        for link in links_in(place).values():
            end = End(place, link.name)
            if link.kind == "veth" and end not in known:
                found.append(Leftover(f"device {link.name} in {place.name}", end.delete))
    return found


def _stray_on_host(names: CloudNames, networks: dict[str, NetworkRecord]) -> list[Leftover]:
    external = [record.spec for record in networks.values() if record.spec.external is not None]
    known = {names.host_link(network.id) for network in external}
    found = [
        Leftover(f"host interface {name}", End(HOST, name).delete)
        for name in links_in(HOST)
        if name.startswith(names.host_links) and name not in known
    ]
    table = ("inet", names.host_table)
    if not host_objects(names, external).chains and table in netns.inside(HOST, nft.list_tables):
        script = f"delete table inet {names.host_table}"
        found.append(
            Leftover(f"host nft table {names.host_table}", lambda: netns.inside(HOST, lambda: nft.apply(script)))
        )
    return found
