"""A network driver in memory: the same contract and errors, no packets.

A ``World`` is the host: it outlives drivers, as a host outlives the server. Tests change it behind the driver's back:
things damaged, namespaces that end.
"""

import ipaddress
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..driver import (
    AddressConflict,
    GroupSpec,
    InterfaceTaken,
    InvalidSpec,
    Inventory,
    NamespaceGone,
    NetworkSpec,
    PortSpec,
    RealNetwork,
    RealPort,
    RealRouter,
    RouterPort,
    RouterSpec,
    UnknownNetwork,
    fingerprint,
)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass
class Plug:
    """Where a port is plugged in."""

    netns: str
    interface: str
    default_route: bool


@dataclass
class Cloud:
    """What one cloud has on the host."""

    networks: dict[str, NetworkSpec] = field(default_factory=dict)
    groups: dict[str, dict[str, GroupSpec]] = field(default_factory=dict)
    ports: dict[str, dict[str, PortSpec]] = field(default_factory=dict)
    plugs: dict[str, Plug] = field(default_factory=dict)
    routers: dict[str, RouterSpec] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    leftovers: set[str] = field(default_factory=set)


class World:
    """A host in memory. Every namespace path exists until it is said to be gone."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.clouds: dict[str, Cloud] = {}
        self.gone: set[str] = set()
        self.foreign_interfaces: set[tuple[str, str]] = set()
        self.host_addresses: dict[str, str] = {}
        self.warnings: list[str] = []
        self.calls: list[str] = []

    def damage(self, cloud: str, object_id: str, fault: str) -> None:
        """Have a network, port or router differ from what was applied, until it is ensured again."""
        with self.lock:
            self.clouds.setdefault(cloud, Cloud()).faults.setdefault(object_id, []).append(fault)

    def end_namespace(self, netns: str) -> None:
        """End a namespace, as when its process dies: what was plugged into it is not any more."""
        with self.lock:
            self.gone.add(netns)
            for cloud in self.clouds.values():
                cloud.plugs = {port: plug for port, plug in cloud.plugs.items() if plug.netns != netns}

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Around a method: one at a time."""
        with self.lock:
            self.calls.append(name)
            yield


class FakeDriver:
    """The contract ``NetworkDriver`` over a ``World``."""

    def __init__(self, cloud: str, world: World) -> None:
        self._name = cloud
        self._world = world

    @property
    def _cloud(self) -> Cloud:
        return self._world.clouds.setdefault(self._name, Cloud())

    def ensure_network(self, network: NetworkSpec) -> None:
        """See ``NetworkDriver``."""
        with self._world.call("ensure_network"):
            _check_id(network.id)
            if network.external is not None:
                self._refuse_conflicts(network.id, network.external.host_addresses)
            self._cloud.networks[network.id] = network
            self._cloud.groups.setdefault(network.id, {})
            self._cloud.ports.setdefault(network.id, {})
            self._mend(network.id, *self._cloud.ports[network.id])

    def remove_network(self, network_id: str) -> None:
        """See ``NetworkDriver``."""
        with self._world.call("remove_network"):
            for port_id in self._cloud.ports.pop(network_id, {}):
                self._cloud.plugs.pop(port_id, None)
            self._cloud.groups.pop(network_id, None)
            self._cloud.networks.pop(network_id, None)
            self._mend(network_id)

    def ensure_groups(self, network_id: str, groups: list[GroupSpec]) -> None:
        """See ``NetworkDriver``."""
        with self._world.call("ensure_groups"):
            self._known(network_id)
            for group in groups:
                _check_group(group)
            self._cloud.groups[network_id] = {group.id: group for group in groups}

    def ensure_port(self, port: PortSpec) -> None:
        """See ``NetworkDriver``."""
        with self._world.call("ensure_port"):
            self._filter(port)

    def remove_port(self, network_id: str, port_id: str) -> None:
        """See ``NetworkDriver``."""
        with self._world.call("remove_port"):
            self._cloud.plugs.pop(port_id, None)
            self._cloud.ports.get(network_id, {}).pop(port_id, None)
            self._mend(port_id)

    def plug(self, port: PortSpec, netns: str, interface: str = "eth0", default_route: bool = True) -> None:
        """See ``NetworkDriver``."""
        with self._world.call("plug"):
            self._filter(port)
            if netns in self._world.gone:
                raise NamespaceGone(f"{netns} is not a network namespace", f"port {port.id}")
            if (netns, interface) in self._world.foreign_interfaces or self._holder(netns, interface) not in (
                None,
                port.id,
            ):
                raise InterfaceTaken("it is a device of somebody else", interface)
            self._cloud.plugs[port.id] = Plug(netns, interface, default_route)

    def unplug(self, network_id: str, port_id: str) -> None:
        """See ``NetworkDriver``."""
        with self._world.call("unplug"):
            self._cloud.plugs.pop(port_id, None)

    def ensure_router(self, router: RouterSpec) -> None:
        """See ``NetworkDriver``."""
        with self._world.call("ensure_router"):
            _check_id(router.id)
            for port in _ports(router):
                self._known(port.network_id)
            _check_router(router)
            self._cloud.routers[router.id] = router
            self._mend(router.id)

    def remove_router(self, router_id: str) -> None:
        """See ``NetworkDriver``."""
        with self._world.call("remove_router"):
            self._cloud.routers.pop(router_id, None)
            self._mend(router_id)

    def inventory(self) -> Inventory:
        """See ``NetworkDriver``."""
        with self._world.call("inventory"):
            cloud = self._cloud
            ports = [port for found in cloud.ports.values() for port in found.values()]
            return Inventory(
                networks=[self._real_network(cloud.networks[network_id]) for network_id in sorted(cloud.networks)],
                ports=[self._real_port(port) for port in sorted(ports, key=lambda port: port.id)],
                routers=[
                    RealRouter(id=router_id, fingerprint=fingerprint(router), faults=self._faults(router_id))
                    for router_id, router in sorted(cloud.routers.items())
                ],
                leftovers=sorted(cloud.leftovers),
            )

    def remove_leftovers(self) -> list[str]:
        """See ``NetworkDriver``."""
        with self._world.call("remove_leftovers"):
            removed = sorted(self._cloud.leftovers)
            self._cloud.leftovers.clear()
            return removed

    def remove_all(self) -> None:
        """See ``NetworkDriver``."""
        with self._world.call("remove_all"):
            self._world.clouds.pop(self._name, None)

    def warnings(self) -> list[str]:
        """See ``NetworkDriver``."""
        with self._world.call("warnings"):
            return list(self._world.warnings)

    def _known(self, network_id: str) -> None:
        if network_id not in self._cloud.networks:
            raise UnknownNetwork("it was never made on this host", f"network {network_id}")

    def _mend(self, *object_ids: str) -> None:
        for object_id in object_ids:
            self._cloud.faults.pop(object_id, None)

    def _filter(self, port: PortSpec) -> None:
        self._known(port.network_id)
        _check_port(port)
        self._cloud.ports[port.network_id][port.id] = port
        self._mend(port.id)

    def _holder(self, netns: str, interface: str) -> str | None:
        plugs = [(port, plug) for cloud in self._world.clouds.values() for port, plug in cloud.plugs.items()]
        return next((port for port, plug in plugs if (plug.netns, plug.interface) == (netns, interface)), None)

    def _refuse_conflicts(self, network_id: str, wanted: list[str]) -> None:
        held = dict(self._world.host_addresses)
        for name, cloud in self._world.clouds.items():
            for network in cloud.networks.values():
                if network.external is not None and (name, network.id) != (self._name, network_id):
                    held |= dict.fromkeys(_host_addresses(network), f"an external network of the cloud {name!r}")
        for address, holder in held.items():
            if any(
                _interface(address).network.overlaps(_interface(one).network) for one in _same_family(address, wanted)
            ):
                raise AddressConflict(f"the host has {address} on {holder}", f"external network {network_id}")

    def _faults(self, object_id: str) -> list[str]:
        return list(self._cloud.faults.get(object_id, []))

    def _real_network(self, network: NetworkSpec) -> RealNetwork:
        groups = {group.id: fingerprint(group) for group in self._cloud.groups[network.id].values()}
        faults = self._faults(network.id)
        return RealNetwork(id=network.id, fingerprint=fingerprint(network), groups=groups, faults=faults)

    def _real_port(self, port: PortSpec) -> RealPort:
        return RealPort(
            id=port.id,
            network_id=port.network_id,
            fingerprint=fingerprint(port),
            device=f"p{port.id[:8]}",
            plugged=port.id in self._cloud.plugs,
            faults=self._faults(port.id),
        )


def _checked(subject: str, read: Callable[[str], object], text: str) -> None:
    try:
        read(text)
    except ValueError as error:
        raise InvalidSpec(str(error), subject) from error


def _check_id(text: str) -> None:
    if not _ID.fullmatch(text):
        raise InvalidSpec(f"an id is 1 to 64 letters, digits, '-' and '_', not {text!r}")


def _check_port(port: PortSpec) -> None:
    _check_id(port.id)
    if not re.fullmatch(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", port.mac.lower()):
        raise InvalidSpec(f"{port.mac!r} is not the MAC of a device", f"port {port.id}")
    for address in port.addresses:
        _checked(f"port {port.id}", ipaddress.ip_interface, address)


def _check_group(group: GroupSpec) -> None:
    _check_id(group.id)
    for member in group.members:
        _checked(f"group {group.id}", ipaddress.ip_address, member)
    for rule in group.rules:
        if rule.remote_prefix is None:
            continue
        _checked(f"security group rule {rule.id}", ipaddress.ip_interface, rule.remote_prefix)
        if f"IPv{_interface(rule.remote_prefix).version}" != rule.ethertype:
            raise InvalidSpec(f"{rule.remote_prefix} is not {rule.ethertype}", f"security group rule {rule.id}")


def _check_router(router: RouterSpec) -> None:
    if router.floating and router.gateway is None:
        raise InvalidSpec("floating addresses need a gateway", f"router {router.id}")
    for one in router.floating:
        for address in (one.floating_ip, one.fixed_ip):
            _checked(f"router {router.id}", ipaddress.IPv4Address, address)
    for kind in ({one.floating_ip for one in router.floating}, {one.fixed_ip for one in router.floating}):
        if len(kind) != len(router.floating):
            raise InvalidSpec("an address is in two floating pairs", f"router {router.id}")
    networks = [_interface(address).network for port in _ports(router) for address in port.addresses]
    own = router.gateway.next_hops if router.gateway else []
    for route in router.routes:
        if route.next_hop not in own and not any(_interface(route.next_hop).ip in network for network in networks):
            raise InvalidSpec(f"next hop {route.next_hop} is on none of its networks", f"router {router.id}")


def _ports(router: RouterSpec) -> list[RouterPort]:
    return [*router.interfaces, *([router.gateway.port] if router.gateway else [])]


def _interface(address: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    return ipaddress.ip_interface(address)


def _same_family(address: str, others: list[str]) -> list[str]:
    return [other for other in others if (":" in other) == (":" in address)]


def _host_addresses(network: NetworkSpec) -> list[str]:
    return network.external.host_addresses if network.external else []
