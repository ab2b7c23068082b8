"""Security group rules: as nft matches, and as a question about a connection that exists already."""

import ipaddress
from collections.abc import Mapping

from stackyard.hosts.conntrack import Flow

from ...driver import InvalidSpec, RuleSpec

#: Protocols by the names the API knows; others come as numbers.
PROTOCOLS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58, "igmp": 2, "ipip": 4,
    "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89,
    "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip

_WITH_PORTS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
_ICMP, _ICMPV6 = 1, 58


def protocol_number(rule: RuleSpec) -> int | None:
    """The rule's protocol, or None for any. "icmp" in an IPv6 rule is ICMPv6, as in the API. Raises InvalidSpec."""
    if rule.protocol in (None, "any", "ip"):
        return None
    name = str(rule.protocol).lower()
    number = PROTOCOLS.get(name, int(name) if name.isdecimal() else 256)
    if number > 255:
        raise InvalidSpec(f"{rule.protocol!r} is no IP protocol", f"security group rule {rule.id}")
    return _ICMPV6 if number == _ICMP and rule.ethertype == "IPv6" else number


def members_set(group_id: str, ethertype: str) -> str:
    """The set that holds a group's member addresses of one family."""
    return f"members-{group_id}-{ethertype[-1]}"


def match(rule: RuleSpec) -> str:
    """The rule as nft matches, without a verdict. Raises InvalidSpec."""
    words = [f"meta nfproto {rule.ethertype.lower()}"]
    family = "ip" if rule.ethertype == "IPv4" else "ip6"
    remote = f"{family} {'saddr' if rule.direction == 'ingress' else 'daddr'}"
    if rule.remote_prefix is not None:
        network = _prefix(rule)
        if network.prefixlen > 0:
            words.append(f"{remote} {network}")
    if rule.remote_group is not None:
        words.append(f"{remote} @{members_set(rule.remote_group, rule.ethertype)}")
    return " ".join([*words, *_transport(rule)])


def _transport(rule: RuleSpec) -> list[str]:
    number = protocol_number(rule)
    if number is None:
        return []
    if number in _WITH_PORTS and (rule.port_min is not None or rule.port_max is not None):
        low, high = _ports(rule)
        return [f"{_WITH_PORTS[number]} dport {low}" if low == high else f"{_WITH_PORTS[number]} dport {low}-{high}"]
    if number in (_ICMP, _ICMPV6) and rule.port_min is not None:
        if any(not 0 <= value <= 255 for value in (rule.port_min, rule.port_max or 0)):
            raise InvalidSpec("ICMP type and code are 0 to 255", f"security group rule {rule.id}")
        name = "icmp" if number == _ICMP else "icmpv6"
        code = [f"{name} code {rule.port_max}"] if rule.port_max is not None else []
        return [f"{name} type {rule.port_min}", *code]
    return [f"meta l4proto {number}"]


def _ports(rule: RuleSpec) -> tuple[int, int]:
    low = rule.port_min if rule.port_min is not None else 0
    high = rule.port_max if rule.port_max is not None else 65535
    if not 0 <= low <= high <= 65535:
        raise InvalidSpec(f"{low}-{high} is no range of ports", f"security group rule {rule.id}")
    return low, high


def _prefix(rule: RuleSpec) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(str(rule.remote_prefix), strict=False)
    except ValueError as error:
        raise InvalidSpec(str(error), f"security group rule {rule.id}") from error
    if f"IPv{network.version}" != rule.ethertype:
        raise InvalidSpec(f"{network} is not {rule.ethertype}", f"security group rule {rule.id}")
    return network


def allows(rule: RuleSpec, flow: Flow, members: Mapping[str, frozenset[str]]) -> bool:
    """Whether the rule would let this connection's first packet pass; ``members`` are each group's addresses."""
    remote = ipaddress.ip_address(flow.source if rule.direction == "ingress" else flow.target)
    if f"IPv{remote.version}" != rule.ethertype:
        return False
    if rule.remote_prefix is not None and remote not in _prefix(rule):
        return False
    if rule.remote_group is not None and str(remote) not in members.get(rule.remote_group, frozenset()):
        return False
    return _transport_allows(rule, flow)


def _transport_allows(rule: RuleSpec, flow: Flow) -> bool:
    number = protocol_number(rule)
    if number is None:
        return True
    if number != flow.protocol:
        return False
    if number in _WITH_PORTS and flow.port is not None:
        low, high = _ports(rule)
        return low <= flow.port <= high
    if number in (_ICMP, _ICMPV6):
        return rule.port_min in (None, flow.icmp_type) and rule.port_max in (None, flow.icmp_code)
    return True
