"""External networks as the host sees them: a link of its own with the gateways' addresses, forwarding, outbound NAT.

All of it is named for the cloud. Nobody else's rules are edited: where another firewall drops forwarded packets (Docker
sets the policy of its FORWARD chain to drop), nothing in a table of ours can let them through, so ``warnings`` says so
and what to do. The host itself reaches floating addresses in any case: such packets are not forwarded by it.
"""

import ipaddress
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from stackyard.hosts import netns, nft, sysctl
from stackyard.hosts.netlink import Netlink, Route

from ...driver import AddressConflict, ExternalSpec, NetworkSpec
from .forwarding import IPV4, IPV6
from .links import HOST, ROUTE_PROTOCOL, End, Interface, Pair, checked_address, serve
from .names import CloudNames, host_device
from .objects import Chain, Hook, Objects, whole
from .segments import table_faults

_OUTBOUND = Hook("nat", "postrouting", 100, "accept")


def refuse_conflicts(names: CloudNames, network: NetworkSpec, external: ExternalSpec) -> None:
    """Raise AddressConflict if the host, or another cloud on it, has addresses in one of the ranges."""
    wanted, own = _ranges(external), names.host_link(network.id)

    def body() -> list[tuple[str, str]]:
        with Netlink() as net:
            links = list(net.links().values())
            by_index = {link.index: link.name for link in links}
            held = [(by_index.get(index, "?"), address) for index, address in net.all_addresses()]
            return held + [(link.name, each) for link in links for each in _told_ranges(link.alias)]

    for device, address in netns.inside(HOST, body):
        held = ipaddress.ip_interface(address).network
        if device != own and any(held.version == one.version and held.overlaps(one) for one in wanted):
            raise AddressConflict(f"the host has {address} on {_holder(device)}", f"external network {network.id}")


def _ranges(external: ExternalSpec) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_interface(checked_address(address)).network for address in external.host_addresses]


def _told_ranges(alias: str | None) -> list[str]:
    """The ranges that a cloud's host link says it serves: its address alone does not tell."""
    words = (alias or "").split()
    return words[4:] if words[:1] == ["stackyard"] and words[2:3] == ["external"] else []


def _holder(device: str) -> str:
    cloud, dash, _ = device.partition("-")
    if dash and cloud.startswith("sy"):
        return f"{device}, an external network of the cloud {cloud[2:]!r} on this host"
    return device


def ensure_host_link(names: CloudNames, network: NetworkSpec, external: ExternalSpec) -> None:
    """Make the host's own interface on the network."""
    pair = _pair(names, network.id, external)
    mac = _host_mac(names, network.id)
    pair.connect(mac, network.mtu)
    serve(pair, Interface(pair.inner.name, mac, network.mtu, pair.alias, tuple(sorted(_own_addresses(external)))))


def _own_addresses(external: ExternalSpec) -> set[str]:
    """The host's own addresses, without the range around them: the host is led to what is in use, one address at a
    time, so that the rest of the range stays whosever it was."""
    return {_alone(ipaddress.ip_interface(checked_address(address)).ip) for address in external.host_addresses}


def _alone(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return f"{address}/{address.max_prefixlen}"


def apply_host_routes(names: CloudNames, network_id: str, used: Iterable[str]) -> None:
    """Lead the host to these addresses (without prefix) on an external network, and to no others."""

    def body() -> None:
        with Netlink() as net:
            link = net.links().get(names.host_link(network_id))
            if link is None:
                return
            wanted, present = _host_routes(link.index, used), _present_routes(net, link.index)
            for route in present - wanted:
                net.delete_route(route)
            for route in sorted(wanted - present, key=lambda route: route.destination):
                net.replace_route(route)

    netns.inside(HOST, body)


def _host_routes(index: int, used: Iterable[str]) -> set[Route]:
    found = {_alone(ipaddress.ip_address(address)) for address in used}
    return {Route(destination=each, next_hop=None, index=index, protocol=ROUTE_PROTOCOL) for each in found}


def _present_routes(net: Netlink, index: int) -> set[Route]:
    return {route for route in net.routes() if route.index == index and route.protocol == ROUTE_PROTOCOL}


def remove_host_link(names: CloudNames, network_id: str) -> None:
    """Remove the host's own interface on the network; content if there is none."""
    _pair(names, network_id, None).inner.delete()


def apply_host_table(names: CloudNames, networks: list[NetworkSpec]) -> None:
    """Make the cloud's table in the host's namespace translate what leaves these networks; without any, remove it."""
    objects = host_objects(names, networks)
    table = names.host_table
    script = whole(table, objects) if objects.chains else f"add table inet {table}\ndelete table inet {table}\n"
    netns.inside(HOST, lambda: nft.apply(script))


def host_objects(names: CloudNames, networks: list[NetworkSpec]) -> Objects:
    """The cloud's table in the host's namespace."""
    rules = []
    for network in networks:
        if network.external is None or not network.external.nat:
            continue
        for address in network.external.host_addresses:
            inside = ipaddress.ip_interface(checked_address(address)).network
            family = "ip" if inside.version == 4 else "ip6"
            rules.append(f'{family} saddr {inside} oifname != "{names.host_link(network.id)}" masquerade')
    return Objects({("inet", "outbound"): Chain(tuple(rules), _OUTBOUND)}) if rules else Objects()


def outside_faults(
    names: CloudNames, networks: list[NetworkSpec], network: NetworkSpec, used: Iterable[str]
) -> list[str]:
    """How the host's side of one external network (of all these) differs from what was made."""
    if network.external is None:
        return []
    name, external = names.host_link(network.id), network.external
    found = [] if _pair(names, network.id, external).connected() else [f"host interface {name} is not connected"]

    def body() -> list[str]:
        with Netlink() as net:
            link = net.links().get(name)
            if link is not None and (not link.up or net.addresses(link.index) != _own_addresses(external)):
                found.append(f"host interface {name} is down or has other addresses")
            if link is not None and _present_routes(net, link.index) != _host_routes(link.index, used):
                found.append(f"the host's routes through {name} were changed")
        return [*found, *table_faults(names.host_table, host_objects(names, networks)), *_forwarding_faults(external)]

    return netns.inside(HOST, body)


def _forwarding_faults(external: ExternalSpec) -> list[str]:
    keys = [IPV4, *([IPV6] if has_ipv6(external) else [])]
    return [f"{key} is off on the host" for key in keys if sysctl.read(key) != "1"]


def has_ipv6(external: ExternalSpec) -> bool:
    """Whether the host has an IPv6 address on it."""
    return any(":" in address for address in external.host_addresses)


def _pair(names: CloudNames, network_id: str, external: ExternalSpec | None) -> Pair:
    outer = End(netns.path(names.network(network_id)), host_device(network_id))
    ranges = [str(each) for each in _ranges(external)] if external else []
    alias = " ".join(["stackyard", names.cloud, "external", network_id, *ranges])
    return Pair(outer, End(HOST, names.host_link(network_id)), alias)


def _host_mac(names: CloudNames, network_id: str) -> str:
    """A MAC that stays the same when the link is made anew, so that routers need not ask again."""
    digest = names.host_link(network_id).encode().hex()[-10:]
    return ":".join(["0a", *(digest[place : place + 2] for place in range(0, 10, 2))])


def warnings(names: CloudNames) -> list[str]:
    """What on the host keeps external networks from reaching beyond it, in words."""
    found = []
    for chain in netns.inside(HOST, nft.list_chains):
        if chain.get("hook") == "forward" and chain.get("policy") == "drop" and chain["family"] in ("ip", "inet"):
            where = f"{chain['family']} {chain['table']} {chain['name']}"
            found.append(
                f"The host's firewall drops forwarded packets (nft chain {where}, policy drop): containers reach this "
                f"host, but not beyond it, until it accepts those to and from interfaces {names.host_links}*."
            )
    if _legacy_forward_drops():
        found.append(
            "The host's firewall drops forwarded packets (iptables-legacy chain FORWARD, policy DROP): containers "
            f"reach this host, but not beyond it, until it accepts those to and from interfaces {names.host_links}+."
        )
    return found


def _legacy_forward_drops() -> bool:
    program = shutil.which("iptables-legacy")
    tables = Path("/proc/net/ip_tables_names")
    # Asking iptables-legacy about a table creates it, which is why it is asked only where the table is in use.
    if program is None or not tables.exists() or "filter" not in tables.read_text().split():
        return False
    done = subprocess.run([program, "-S", "FORWARD"], capture_output=True, text=True, check=False)
    return "-P FORWARD DROP" in done.stdout
