"""Links, addresses and routes of the calling thread's network namespace, over netlink (pyroute2)."""

import errno
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

__all__ = ["Link", "Netlink", "NetlinkError", "Route"]

_IFF_UP = 1
_IFA_F_NODAD = 2
_SCOPE_LINK = 253
_RT_TABLE_MAIN = 254
_BR_STATE_FORWARDING = 3
#: A next hop is taken to be on the link, also where it is outside the interface's networks.
_RTNH_F_ONLINK = 4
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True)
class Link:
    """An interface. ``peer`` is the index of a veth's other end, in whatever namespace that is.

    ``forwarding``: it has a carrier, and the bridge it is on passes frames to and from it.
    """

    index: int
    name: str
    kind: str
    up: bool
    forwarding: bool
    mtu: int
    mac: str
    master: int | None
    peer: int | None
    alias: str | None


@dataclass(frozen=True)
class Route:
    """A route of the main table. ``destination`` is a CIDR; ``next_hop`` None means on link."""

    destination: str
    next_hop: str | None
    index: int
    protocol: int


class Netlink:
    """A netlink socket; a context manager. Methods raise NetlinkError with the kernel's errno in ``code``."""

    def __enter__(self) -> Self:
        self._ip = IPRoute()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ip.close()

    def links(self) -> dict[str, Link]:
        """Every interface, by name."""
        return {link.name: link for link in map(_link, self._ip.get_links())}

    def link(self, name: str) -> Link:
        """One interface. Raises OSError (ENODEV) if it is not there, or not any more."""
        found = self.links().get(name)
        if found is None:
            raise OSError(errno.ENODEV, "no such interface", name)
        return found

    def add_bridge(self, name: str, mtu: int) -> None:
        """Make a bridge, up."""
        self._ip.link("add", ifname=name, kind="bridge", IFLA_MTU=mtu, flags=_IFF_UP, change=_IFF_UP)

    def add_veth(
        self,
        name: str,
        peer: str,
        peer_namespace: int,
        mtu: int,
        peer_mac: str | None = None,
        master: int | None = None,
        alias: str = "",
    ) -> None:
        """Make a pair of devices: ``name`` here, up; ``peer``, down, in the namespace of that file descriptor."""
        far: dict[str, Any] = {"ifname": peer, "net_ns_fd": peer_namespace, "IFLA_MTU": mtu}
        if peer_mac is not None:
            far["address"] = peer_mac
        near: dict[str, Any] = {"ifname": name, "IFLA_MTU": mtu}
        if master is not None:
            near["master"] = master
        self._ip.link("add", kind="veth", peer=far, flags=_IFF_UP, change=_IFF_UP, **near)
        if alias:
            self._ip.link("set", ifname=name, IFLA_IFALIAS=alias)

    def delete_link(self, name: str) -> None:
        """Delete an interface, and a veth's other end with it. Content if there is none."""
        try:
            self._ip.link("del", ifname=name)
        except NetlinkError as failure:
            if failure.code not in (errno.ENODEV, errno.EINVAL):
                raise

    def set_link(self, index: int, **attributes: Any) -> None:
        """Change an interface: ``state``, ``mtu``, ``master``, ``address``, ``IFLA_IFALIAS``."""
        self._ip.link("set", index=index, **attributes)

    def addresses(self, index: int) -> set[str]:
        """Addresses with prefix length; without those the kernel makes for the link itself."""
        return {
            f"{message.get_attr('IFA_LOCAL') or message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}"
            for message in self._ip.get_addr(index=index)
            if message["family"] in _FAMILIES and message["scope"] != _SCOPE_LINK
        }

    def all_addresses(self) -> list[tuple[int, str]]:
        """Index and address with prefix length of every address but link-local ones."""
        return [
            (
                message["index"],
                f"{message.get_attr('IFA_LOCAL') or message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}",
            )
            for message in self._ip.get_addr()
            if message["family"] in _FAMILIES and message["scope"] != _SCOPE_LINK
        ]

    def add_address(self, index: int, address: str) -> None:
        """Add an address with prefix length, usable at once (no duplicate detection)."""
        host, length = address.split("/")
        flags = {"IFA_FLAGS": _IFA_F_NODAD} if ":" in host else {}
        self._ip.addr("replace", index=index, address=host, prefixlen=int(length), **flags)

    def delete_address(self, index: int, address: str) -> None:
        """Take an address with prefix length away."""
        host, length = address.split("/")
        self._ip.addr("del", index=index, address=host, prefixlen=int(length))

    def routes(self) -> set[Route]:
        """The unicast routes of the main table."""
        found = set()
        for family in _FAMILIES:
            for message in self._ip.get_routes(family=family, table=_RT_TABLE_MAIN):
                index = message.get_attr("RTA_OIF")
                if index is not None and message.get_attr("RTA_TABLE", message["table"]) == _RT_TABLE_MAIN:
                    found.add(_route(message, index))
        return found

    def replace_route(self, route: Route) -> None:
        """Add a route, or change the one to that destination."""
        self._ip.route("replace", **_route_arguments(route))

    def delete_route(self, route: Route) -> None:
        """Take a route away; content if it is gone."""
        try:
            self._ip.route("del", **_route_arguments(route))
        except NetlinkError as error:
            if error.code != errno.ESRCH:
                raise


def _link(message: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        kind=(info.get_attr("IFLA_INFO_KIND") if info else None) or "",
        up=bool(message["flags"] & _IFF_UP),
        forwarding=message.get_attr("IFLA_OPERSTATE") == "UP" and _bridge_port_state(info) == _BR_STATE_FORWARDING,
        mtu=message.get_attr("IFLA_MTU"),
        mac=message.get_attr("IFLA_ADDRESS") or "",
        master=message.get_attr("IFLA_MASTER"),
        peer=message.get_attr("IFLA_LINK"),
        alias=message.get_attr("IFLA_IFALIAS"),
    )


def _bridge_port_state(info: Any) -> int | None:
    if info is None or info.get_attr("IFLA_INFO_SLAVE_KIND") != "bridge":
        return None
    state: int | None = info.get_attr("IFLA_INFO_SLAVE_DATA").get_attr("IFLA_BRPORT_STATE")
    return state


def _route(message: Any, index: int) -> Route:
    anywhere = "0.0.0.0" if message["family"] == socket.AF_INET else "::"
    return Route(
        destination=f"{message.get_attr('RTA_DST') or anywhere}/{message['dst_len']}",
        next_hop=message.get_attr("RTA_GATEWAY"),
        index=index,
        protocol=message["proto"],
    )


def _route_arguments(route: Route) -> dict[str, Any]:
    arguments: dict[str, Any] = {"dst": route.destination, "oif": route.index, "proto": route.protocol}
    if route.next_hop is not None:
        arguments["gateway"] = route.next_hop
        arguments["flags"] = _RTNH_F_ONLINK
    elif ":" not in route.destination:
        # Others may then route through what is on this link.
        arguments["scope"] = _SCOPE_LINK
    if ":" in route.destination:
        arguments["family"] = socket.AF_INET6
    return arguments
