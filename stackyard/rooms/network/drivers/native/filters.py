"""The filters of one network, from its record.

Family bridge, before anything else sees a frame: sets of (device, MAC, address) stop MAC, IP, ARP and neighbour
discovery spoofing and servers that tenants must not run (DHCP, router advertisements); what passes carries in the upper
half of its mark the number of the port it came from, and, once the bridge knows where it goes, in the lower half the
number of that port. Routers' and the host's devices are trusted: number 0.

Family inet, on the same frames by br_netfilter: ``sent`` looks at the connection's state, then by the mark at the
sending port's egress chain; ``received`` the same way at the receiving port's ingress chain. Ports' chains jump to the
chains of their groups, which all ports share, and end in drop. They are two base chains, not one that leads to the
other: the kernel validates every path there is, and paths from each port to each port would be too many.
"""

import ipaddress
from collections.abc import Iterable, Mapping

from ...driver import GroupSpec, InvalidSpec, PortSpec
from . import names
from .objects import Chain, Element, ElementSet, Hook, Key, Objects, Value
from .permissions import match, members_set
from .records import NetworkRecord, PortRecord

_BEFORE_BR_NETFILTER = -200

_SETS = {
    "macs": ElementSet("type ifname . ether_addr;"),
    "unfiltered": ElementSet("type ifname;"),
    "sources-4": ElementSet("type ifname . ether_addr . ipv4_addr;"),
    "sources-6": ElementSet("type ifname . ether_addr . ipv6_addr;"),
    "ranges-4": ElementSet("type ifname . ether_addr . ipv4_addr; flags interval;"),
    "ranges-6": ElementSet("type ifname . ether_addr . ipv6_addr; flags interval;"),
    # The target of a neighbour advertisement: this nft has no word for it but the raw bytes.
    "targets": ElementSet("typeof iifname . ether saddr . @th,64,128;"),
    "target-ranges": ElementSet("typeof iifname . ether saddr . @th,64,128; flags interval;"),
    "origins": ElementSet("type ifname : mark;", is_map=True),
    "destinations": ElementSet("type ifname : verdict;", is_map=True),
}
_MARK_MAPS = {
    "egress": ElementSet("type mark : verdict;", is_map=True),
    "ingress": ElementSet("type mark : verdict;", is_map=True),
}
_SPOOF_CHAINS = {
    "source": Chain(
        hook=Hook("filter", "prerouting", _BEFORE_BR_NETFILTER, "drop"),
        rules=(
            "meta mark set 0",
            'iifname "r*" accept',
            'iifname "h*" accept',
            "iifname @unfiltered accept",
            "iifname . ether saddr != @macs drop",
            "meta mark set iifname map @origins",
            "ether type vmap { arp : goto arp-source, ip : goto ip-source, ip6 : goto ip6-source }",
        ),
    ),
    "arp-source": Chain(
        (
            "iifname . arp saddr ether != @macs drop",
            "arp operation request arp saddr ip 0.0.0.0 accept",
            "iifname . arp saddr ether . arp saddr ip @sources-4 accept",
            "iifname . arp saddr ether . arp saddr ip @ranges-4 accept",
            "drop",
        )
    ),
    "ip-source": Chain(
        (
            "udp sport 67 udp dport 68 drop",
            "iifname . ether saddr . ip saddr @sources-4 accept",
            "iifname . ether saddr . ip saddr @ranges-4 accept",
            "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
            "drop",
        )
    ),
    "ip6-source": Chain(
        (
            "icmpv6 type { nd-router-advert, nd-redirect } drop",
            "udp sport 547 udp dport 546 drop",
            "icmpv6 type nd-neighbor-advert goto ip6-target",
            "goto ip6-address",
        )
    ),
    "ip6-target": Chain(
        (
            "iifname . ether saddr . @th,64,128 @targets goto ip6-address",
            "iifname . ether saddr . @th,64,128 @target-ranges goto ip6-address",
            "drop",
        )
    ),
    "ip6-address": Chain(
        (
            "iifname . ether saddr . ip6 saddr @sources-6 accept",
            "iifname . ether saddr . ip6 saddr @ranges-6 accept",
            "ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld2-listener-report } accept",
            "drop",
        )
    ),
    "destination": Chain(
        hook=Hook("filter", "forward", _BEFORE_BR_NETFILTER, "accept"),
        rules=("oifname vmap @destinations",),
    ),
    # Nothing on a network talks to the namespace itself. A frame to a link-local group address comes here without
    # passing prerouting, and would teach the bridge a spoofed MAC.
    "host": Chain(hook=Hook("filter", "input", _BEFORE_BR_NETFILTER, "drop")),
}
#: The sets that all ports share, empty.
_SHARED: dict[Key, ElementSet] = {
    **{("bridge", name): one for name, one in _SETS.items()},
    **{("inet", name): one for name, one in _MARK_MAPS.items()},
}
#: Needed for the network to work at all; a tenant's own advertisements and replies were stopped by anti-spoofing.
_ALWAYS = (
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert, "
    "mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
    "udp sport 68 udp dport 67 accept",
    "udp sport 67 udp dport 68 accept",
    "udp sport 546 udp dport 547 accept",
    "udp sport 547 udp dport 546 accept",
)
_STATE_CHAINS = {
    "sent": Chain(
        hook=Hook("filter", "forward", 0, "drop"),
        rules=(
            "meta mark 0 accept",
            *_ALWAYS,
            "ct state vmap { established : accept, related : accept, invalid : drop }",
            # The middle of a connection that is not known (any more) is not the beginning of a new one.
            "tcp flags & (fin | syn | rst | ack) != syn drop",
            "meta mark & 0xffff0000 vmap @egress",
            "accept",
        ),
    ),
    "received": Chain(
        hook=Hook("filter", "forward", 10, "drop"),
        rules=(
            "meta mark 0 accept",
            *_ALWAYS,
            "ct state { established, related } accept",
            "meta mark & 0x0000ffff vmap @ingress",
            "goto allowed",
        ),
    ),
    # The mark of a connection names its ports: when rules change, those whose ports forbid it now are found by it.
    "allowed": Chain(("ct mark set meta mark", "accept")),
    "local": Chain(hook=Hook("filter", "input", 0, "drop")),
}


def network_objects(record: NetworkRecord) -> Objects:
    """Everything a network filters. Raises InvalidSpec."""
    chains: dict[Key, Chain] = {("bridge", name): chain for name, chain in _SPOOF_CHAINS.items()}
    chains |= {("inet", name): chain for name, chain in _STATE_CHAINS.items()}
    elements: dict[Key, dict[Element, Value]] = {key: {} for key in _SHARED}
    for port in record.ports.values():
        objects = port_objects(port)
        chains |= objects.chains
        for key, one in objects.sets.items():
            elements[key].update(one.elements)
    groups = groups_objects(record)
    return Objects({**chains, **groups.chains}, {**_filled(elements), **groups.sets})


def port_scope(record: NetworkRecord, port_id: str) -> Objects:
    """The part of the network's objects that a change of this port can change."""
    port = record.ports.get(port_id)
    objects = port_objects(port) if port else Objects()
    groups = groups_objects(record)
    return Objects({**objects.chains, **groups.chains}, {**_SHARED, **objects.sets, **groups.sets})


def _filled(elements: Mapping[Key, Mapping[Element, Value]]) -> dict[Key, ElementSet]:
    return {key: ElementSet(_SHARED[key].definition, found, _SHARED[key].is_map) for key, found in elements.items()}


def groups_objects(record: NetworkRecord) -> Objects:
    """The groups' chains and members. Those that ports or rules name but nobody told allow nothing, have no members."""
    worn = {group for port in record.ports.values() for group in port.spec.groups}
    remote = {rule.remote_group for group in record.groups.values() for rule in group.rules if rule.remote_group}
    chains: dict[Key, Chain] = {}
    sets: dict[Key, ElementSet] = {}
    for group_id in sorted({*record.groups, *worn, *remote}):
        group = record.groups.get(names.checked_id(group_id), GroupSpec(id=group_id))
        chains["inet", f"group-{group_id}-in"] = _group_chain(group, "ingress")
        chains["inet", f"group-{group_id}-out"] = _group_chain(group, "egress")
        for ethertype, kind in (("IPv4", "ipv4_addr"), ("IPv6", "ipv6_addr")):
            members = [address for address in group.members if (":" in address) == (ethertype == "IPv6")]
            found: dict[Element, Value] = {(str(_address(address, f"group {group_id}")),): None for address in members}
            sets["inet", members_set(group_id, ethertype)] = ElementSet(f"type {kind};", found)
    return Objects(chains, sets)


def _group_chain(group: GroupSpec, direction: str) -> Chain:
    verdict = "goto allowed" if direction == "ingress" else "accept"
    rules = {f"{match(rule)} {verdict}" for rule in group.rules if rule.direction == direction}
    return Chain(tuple(sorted(rules)))


def port_objects(port: PortRecord) -> Objects:
    """A port's own chains, and its elements of the sets that all ports share. Raises InvalidSpec."""
    device, spec = names.port_device(port.spec.id), port.spec
    if not spec.port_security:
        return Objects(sets=_filled({("bridge", "unfiltered"): {(device,): None}}))
    origin, destination = port.number << 16, port.number
    chains: dict[Key, Chain] = {
        ("bridge", f"to-{spec.id}"): Chain((f"meta mark set meta mark | {destination}",)),
        ("inet", f"port-{spec.id}-out"): Chain((*(f"jump group-{group}-out" for group in spec.groups), "drop")),
        ("inet", f"port-{spec.id}-in"): Chain((*(f"jump group-{group}-in" for group in spec.groups), "drop")),
    }
    elements: dict[Key, dict[Element, Value]] = {
        ("bridge", "origins"): {(device,): origin},
        ("bridge", "destinations"): {(device,): ("goto", f"to-{spec.id}")},
        ("inet", "egress"): {(origin,): ("goto", f"port-{spec.id}-out")},
        ("inet", "ingress"): {(destination,): ("goto", f"port-{spec.id}-in")},
    }
    elements |= {("bridge", name): dict.fromkeys(found) for name, found in _sources(device, spec).items()}
    return Objects(chains, _filled(elements))


def _sources(device: str, spec: PortSpec) -> dict[str, list[Element]]:
    names_of_sets = ("macs", "sources-4", "sources-6", "ranges-4", "ranges-6", "targets", "target-ranges")
    found: dict[str, list[Element]] = {name: [] for name in names_of_sets}
    for mac, ranges in _ranges_by_mac(spec).items():
        found["macs"].append((device, mac))
        for one in ranges:
            single = one.num_addresses == 1
            kind, text = ("sources", str(one.network_address)) if single else ("ranges", str(one))
            found[f"{kind}-{one.version}"].append((device, mac, text))
            if one.version == 6:
                first, last = f"0x{int(one[0]):032x}", f"0x{int(one[-1]):032x}"
                target = first if single else f"{first}-{last}"
                found["targets" if single else "target-ranges"].append((device, mac, target))
    return found


_Ranges = Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]


def _ranges_by_mac(spec: PortSpec) -> Mapping[str, _Ranges]:
    """The addresses a port may use as its own, by MAC, without overlaps. Its link-local address is one of them."""
    subject = f"port {spec.id}"
    own = checked_mac(spec.mac, subject)
    texts: dict[str, list[str]] = {own: [link_local(own), *(address.split("/")[0] for address in spec.addresses)]}
    for pair in spec.allowed_pairs:
        mac = checked_mac(pair.mac_address or own, subject)
        texts.setdefault(mac, [link_local(mac)]).append(pair.ip_address)
    found: dict[str, _Ranges] = {}
    for mac, addresses in texts.items():
        ranges = [_range(address, subject) for address in addresses]
        found[mac] = [
            *ipaddress.collapse_addresses(one for one in ranges if isinstance(one, ipaddress.IPv4Network)),
            *ipaddress.collapse_addresses(one for one in ranges if isinstance(one, ipaddress.IPv6Network)),
        ]
    return found


def checked_mac(mac: str, subject: str) -> str:
    """A MAC in lower case. Raises InvalidSpec if it is none, or not one of a single device."""
    parts = mac.lower().split(":")
    try:
        octets = [int(part, 16) for part in parts if len(part) == 2]
    except ValueError:
        octets = []
    if len(parts) != 6 or len(octets) != 6 or octets[0] & 1:
        raise InvalidSpec(f"{mac!r} is not the MAC of a device", subject)
    return mac.lower()


def link_local(mac: str) -> str:
    """The IPv6 link-local address that an interface of this MAC gives itself."""
    octets = bytes.fromhex(mac.replace(":", ""))
    host = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return str(ipaddress.IPv6Address(b"\xfe\x80" + b"\0" * 6 + host))


def _address(text: str, subject: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise InvalidSpec(str(error), subject) from error


def _range(text: str, subject: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidSpec(str(error), subject) from error
