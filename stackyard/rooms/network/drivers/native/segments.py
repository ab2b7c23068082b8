"""A network's namespace and the bridge in it."""

import subprocess
from collections.abc import Mapping

from stackyard.hosts import netns, nft, sysctl
from stackyard.hosts.netlink import Netlink

from ...driver import HostFailure
from .names import BRIDGE, TABLE
from .objects import Objects, faults, whole

_BRIDGE_NETFILTER = "net/bridge/bridge-nf-call-iptables"

#: The bridge's frames go through the inet filters; the namespace itself speaks no IP.
_SETTINGS = {
    _BRIDGE_NETFILTER: "1",
    "net/bridge/bridge-nf-call-ip6tables": "1",
    "net/bridge/bridge-nf-call-arptables": "0",
    "net/ipv4/ip_forward": "0",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
}
#: The middle of an unknown connection is not taken for the beginning of one.
_TRACKING = {"net/netfilter/nf_conntrack_tcp_loose": "0"}


def require_bridge_netfilter() -> None:
    """Have the kernel pass bridged frames to the inet filters, in namespaces that ask for it. Raises HostFailure.

    Where it is a module not loaded yet, it is loaded, and switched off for the host's own bridges: its default is on.
    """
    if sysctl.read(_BRIDGE_NETFILTER) is not None:
        return
    subprocess.run(["modprobe", "br_netfilter"], capture_output=True, check=False)
    if sysctl.read(_BRIDGE_NETFILTER) is None:
        raise HostFailure("the kernel has no br_netfilter (modprobe br_netfilter failed)", "host")
    for name in ("iptables", "ip6tables", "arptables"):
        sysctl.write(f"net/bridge/bridge-nf-call-{name}", "0")


def ensure_segment(namespace: str, mtu: int, objects: Objects) -> None:
    """Make the namespace, its filters, and the bridge with every device of ours in the namespace on it.

    Filters are in place before the bridge passes a frame; replacing them does not interrupt connections.
    """
    netns.create(namespace)
    script = whole(TABLE, objects)

    def body() -> None:
        sysctl.write_known(_SETTINGS)
        nft.apply(script)
        sysctl.write_known(_TRACKING)
        with Netlink() as net:
            if BRIDGE not in net.links():
                net.add_bridge(BRIDGE, mtu)
            links = net.links()
            bridge = links[BRIDGE]
            if bridge.mtu != mtu:
                net.set_link(bridge.index, mtu=mtu)
            if not bridge.up:
                net.set_link(bridge.index, state="up")
            for link in links.values():
                if link.kind == "veth" and link.master != bridge.index:
                    net.set_link(link.index, master=bridge.index)

    netns.inside(netns.path(namespace), body)


def remove_namespace(namespace: str) -> None:
    """Remove a namespace, its pairs of devices first: it ends some time after it lost its name."""

    def body() -> None:
        with Netlink() as net:
            for link in net.links().values():
                if link.kind == "veth":
                    net.delete_link(link.name)

    if netns.exists(namespace):
        netns.inside(netns.path(namespace), body)
    netns.remove(namespace)


def segment_faults(namespace: str, mtu: int, objects: Objects) -> list[str]:
    """How the namespace differs from what ``ensure_segment`` makes."""
    if not netns.exists(namespace):
        return [f"namespace {namespace} is missing"]

    def body() -> list[str]:
        found = [f"{key} is not {value}" for key, value in _SETTINGS.items() if sysctl.read(key) not in (None, value)]
        with Netlink() as net:
            bridge = net.links().get(BRIDGE)
        if bridge is None:
            found.append("bridge is missing")
        elif not bridge.up or bridge.mtu != mtu:
            found.append(f"bridge is {'up' if bridge.up else 'down'} with MTU {bridge.mtu}, not up with {mtu}")
        return found + table_faults(TABLE, objects)

    return netns.inside(netns.path(namespace), body)


def table_faults(table: str, objects: Objects) -> list[str]:
    """How the tables of the calling thread's namespace differ from the objects."""
    listed: Mapping[str, list[dict[str, object]] | None] = {
        family: nft.list_table(family, table) for family in objects.families
    }
    return faults(objects, listed)
