"""Pairs of devices between namespaces, and what is configured on their ends."""

import errno
import ipaddress
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stackyard.hosts import announce, netns, sysctl
from stackyard.hosts.netlink import Link, Netlink, NetlinkError, Route
from stackyard.hosts.nft import NftError

from ...driver import HostFailure, InterfaceTaken, InvalidSpec, RouteSpec
from .names import BRIDGE

#: The host's own namespace: that of the process, whichever thread asks.
HOST = Path("/proc/self/ns/net")

#: How long a device that is up may take to pass frames, in seconds.
PATIENCE = 5.0

#: Marks our routes ("protocol" in `ip route`), so that others' are left alone.
ROUTE_PROTOCOL = 83


class BridgeMissing(Exception):
    """The network's namespace has lost its bridge, or it is down, or all is gone. Its text is the namespace's name."""


@contextmanager
def host_failures(subject: str) -> Iterator[None]:
    """Turn what the host says no with into the contract's HostFailure about the subject."""
    try:
        yield
    except (OSError, NetlinkError, NftError) as failure:
        raise HostFailure(str(failure) or type(failure).__name__, subject) from failure
    except BridgeMissing as failure:
        raise HostFailure(f"{failure} lost its bridge once more", subject) from failure


@dataclass(frozen=True)
class End:
    """One end of a pair: a device's name and the namespace it is in."""

    namespace: Path
    name: str

    def find(self) -> Link | None:
        """The device, if it is there."""

        def body() -> Link | None:
            with Netlink() as net:
                return net.links().get(self.name)

        return netns.inside(self.namespace, body) if netns.is_namespace(self.namespace) else None

    def delete(self) -> None:
        """Delete the device and its other end; content if there is none."""

        def body() -> None:
            with Netlink() as net:
                net.delete_link(self.name)

        if netns.is_namespace(self.namespace):
            netns.inside(self.namespace, body)


@dataclass(frozen=True)
class Pair:
    """A pair of devices: ``outer`` on a network's bridge, ``inner`` where it is used.

    ``alias`` is written on the inner end and tells it to be ours.
    """

    outer: End
    inner: End
    alias: str

    def connected(self) -> bool:
        """Whether both ends are there and belong together."""
        outer, inner = self.outer.find(), self.inner.find()
        return _belong_together(outer, inner) and inner is not None and inner.alias == self.alias

    def connect(self, mac: str, mtu: int) -> None:
        """Make the pair, unless it is there: the outer end on the bridge and up, the inner end down.

        An end that lost its other end, or has it elsewhere, is replaced. Raises InterfaceTaken if the inner name is
        that of somebody else's device.
        """
        outer, inner = self.outer.find(), self.inner.find()
        if inner is not None and inner.alias != self.alias:
            # A crash between making a pair and writing its alias leaves one that only its outer end tells to be ours.
            if not _belong_together(outer, inner):
                raise InterfaceTaken(f"it is a {inner.kind or 'physical'} device of somebody else", inner.name)
        elif outer is not None and _belong_together(outer, inner):
            if outer.master is None:
                raise BridgeMissing(self.outer.namespace.name)
            return
        self.outer.delete()
        self.inner.delete()
        self._make(mac, mtu)

    def _make(self, mac: str, mtu: int) -> None:
        if not netns.is_namespace(self.outer.namespace):
            raise BridgeMissing(self.outer.namespace.name)
        descriptor = os.open(self.inner.namespace, os.O_RDONLY | os.O_CLOEXEC)

        def body() -> None:
            with Netlink() as net:
                master = net.links().get(BRIDGE)
                if master is None:
                    raise BridgeMissing(self.outer.namespace.name)
                net.add_veth(self.outer.name, self.inner.name, descriptor, mtu, peer_mac=mac, master=master.index)

        try:
            netns.inside(self.outer.namespace, body)
        finally:
            os.close(descriptor)


def set_outer(end: End, up: bool, mtu: int) -> None:
    """Whether frames pass a device, and how long they may be."""

    def body() -> None:
        with Netlink() as net:
            link = net.link(end.name)
            if link.mtu != mtu:
                net.set_link(link.index, mtu=mtu)
            if link.up != up:
                net.set_link(link.index, state="up" if up else "down")

    netns.inside(end.namespace, body)


def _belong_together(outer: Link | None, inner: Link | None) -> bool:
    return outer is not None and inner is not None and outer.peer == inner.index and inner.peer == outer.index


@dataclass(frozen=True)
class Interface:
    """How an inner end is to be configured. Addresses carry their prefix length; routes are left alone if None."""

    name: str
    mac: str
    mtu: int
    alias: str
    addresses: tuple[str, ...]
    routes: tuple[RouteSpec, ...] | None = None


def serve(pair: Pair, interface: Interface, passing: bool = True) -> None:
    """Configure the inner end of a connected pair, and have frames pass it (or not) before this returns.

    Addresses that are new on it are announced. Raises InvalidSpec, BridgeMissing and what the host raises.
    """
    set_outer(pair.outer, up=passing, mtu=interface.mtu)
    added = netns.inside(pair.inner.namespace, lambda: _configure(interface))
    if passing:
        _await_forwarding(pair.outer)
        netns.inside(pair.inner.namespace, lambda: announce.announce(interface.name, interface.mac, added))


def _await_forwarding(end: End) -> None:
    """Wait until the bridge passes the device's frames: the kernel learns of a carrier some time after it came."""
    deadline = time.monotonic() + PATIENCE

    def body() -> None:
        with Netlink() as net:
            while not (link := net.link(end.name)).forwarding:
                bridge = net.links().get(BRIDGE)
                if bridge is None or not bridge.up or link.master != bridge.index:
                    raise BridgeMissing(end.namespace.name)
                if time.monotonic() > deadline:
                    raise OSError(errno.ETIMEDOUT, f"did not come up within {PATIENCE} seconds", end.name)
                time.sleep(0.002)

    netns.inside(end.namespace, body)


def _configure(interface: Interface) -> list[str]:
    """Make the interface of the calling thread's namespace so, and up; returns the addresses to be announced."""
    sysctl.write_known(_still(interface.name))
    with Netlink() as net:
        link = net.link(interface.name)
        if link.mac != interface.mac:
            net.set_link(link.index, address=interface.mac)
        if link.mtu != interface.mtu:
            net.set_link(link.index, mtu=interface.mtu)
        if link.alias != interface.alias:
            net.set_link(link.index, IFLA_IFALIAS=interface.alias)
        added = _sync_addresses(net, link, interface.addresses)
        if not link.up:
            net.set_link(link.index, state="up")
        if interface.routes is not None:
            sync_routes(net, [(link.index, route) for route in interface.routes], only=link.index)
    return added if link.up else list(interface.addresses)


def _still(name: str) -> dict[str, str]:
    """Settings under which an interface has the addresses it was given, at once, and no others but link-local."""
    conf = f"net/ipv6/conf/{name}"
    return {
        f"{conf}/disable_ipv6": "0",
        f"{conf}/accept_ra": "0",
        f"{conf}/autoconf": "0",
        f"{conf}/accept_dad": "0",
        f"{conf}/addr_gen_mode": "0",
    }


def _sync_addresses(net: Netlink, link: Link, wanted: Iterable[str]) -> list[str]:
    wanted_now = {checked_address(address) for address in wanted}
    present = net.addresses(link.index)
    stale = (present - wanted_now) | (_unrouted(net, link, present) if link.up else set())
    for address in stale:
        net.delete_address(link.index, address)
    added = sorted(wanted_now - (present - stale))
    for address in added:
        net.add_address(link.index, address)
    return added


def _unrouted(net: Netlink, link: Link, addresses: set[str]) -> set[str]:
    """Addresses that lost the route to their own network: it comes back with the address only."""
    routed = {route.destination for route in net.routes() if route.index == link.index}
    interfaces = {address: ipaddress.ip_interface(address).network for address in addresses}
    return {
        address for address, network in interfaces.items() if network.num_addresses > 1 and str(network) not in routed
    }


def sync_routes(net: Netlink, wanted: list[tuple[int, RouteSpec]], only: int | None = None) -> None:
    """Make these (by interface index) the routes of ours, in the whole namespace or through one interface."""
    routes = {_route(index, route) for index, route in wanted}
    present = {r for r in net.routes() if r.protocol == ROUTE_PROTOCOL and only in (None, r.index)}
    for route in present - routes:
        net.delete_route(route)
    for route in sorted(routes - present, key=lambda r: r.destination):
        net.replace_route(route)


def _route(index: int, route: RouteSpec) -> Route:
    try:
        destination = ipaddress.ip_network(route.destination, strict=False)
        next_hop = ipaddress.ip_address(route.next_hop)
    except ValueError as error:
        raise InvalidSpec(str(error), f"route to {route.destination}") from error
    if destination.version != next_hop.version:
        raise InvalidSpec(f"next hop {next_hop} is of another family", f"route to {destination}")
    return Route(str(destination), str(next_hop), index, ROUTE_PROTOCOL)


def checked_address(text: str) -> str:
    """An address with prefix length in the kernel's spelling. Raises InvalidSpec."""
    try:
        return str(ipaddress.ip_interface(text))
    except ValueError as error:
        raise InvalidSpec(str(error), f"address {text}") from error


def default_routes(gateways: Iterable[str]) -> list[RouteSpec]:
    """A default route through each gateway."""
    return [RouteSpec(destination="::/0" if ":" in hop else "0.0.0.0/0", next_hop=hop) for hop in gateways]
