"""The kinds of value a security group rule has, and how a rule is shown inside its group."""

import ipaddress
from typing import Any

from stackyard.kernel.declare.dialect import iso_z
from stackyard.kernel.declare.kinds import Kind
from stackyard.kernel.errors import BadRequest
from stackyard.kernel.storage.database import Record

#: IANA protocol numbers by the names Neutron accepts.
PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
#: Those that have ports.
WITH_PORTS = (6, 17, 33, 132, 136)
ICMP = (1, 58)


def number_of(protocol: str) -> int:
    """The IANA number of a stored protocol."""
    return int(protocol) if protocol.isdecimal() else PROTOCOLS[protocol]


def Protocol() -> Kind:
    """A protocol's name or number; "any" and "" mean every protocol."""

    def parse(value: Any, path: str, strict: bool) -> str | None:
        text = str(value).lower() if isinstance(value, str | int) and not isinstance(value, bool) else "?"
        if text in ("", "any"):
            return None
        if text in PROTOCOLS or (text.isdecimal() and int(text) <= 255):
            return text if text in PROTOCOLS else str(int(text))
        raise BadRequest(
            f"Security group rule protocol {value!r:.80} not supported. Only protocol values {', '.join(PROTOCOLS)} "
            "and integer representations [0 to 255] are supported.",
            field=path,
            kind="SecurityGroupRuleInvalidProtocol",
        )

    return Kind(parse, {"type": ["string", "integer"]}, "text", 40)


def Ethertype() -> Kind:
    """IPv4 or IPv6, in any case."""

    def parse(value: Any, path: str, strict: bool) -> str:
        found = {"ipv4": "IPv4", "ipv6": "IPv6"}.get(value.lower()) if isinstance(value, str) else None
        if found is None:
            raise BadRequest(
                f"Security group rule for ethertype '{value!r:.80}' not supported. Allowed values are IPv4, IPv6.",
                field=path,
                kind="SecurityGroupRuleInvalidEtherType",
            )
        return found

    return Kind(parse, {"type": "string", "enum": ["IPv4", "IPv6"]}, "text", 8)


def Prefix() -> Kind:
    """Addresses in CIDR notation, as they were given; a lone address stands for itself."""

    def parse(value: Any, path: str, strict: bool) -> str | None:
        if value == "":
            return None
        try:
            if not isinstance(value, str):
                raise ValueError
            given = ipaddress.ip_interface(value)
        except ValueError:
            raise BadRequest(
                f"Invalid CIDR {value!r:.80} given as IP prefix.", field=path, kind="InvalidCIDR"
            ) from None
        return str(given)

    return Kind(parse, {"type": "string", "format": "cidr"}, "text", 50)


def PortNumber() -> Kind:
    """A port, 0 to 65535; for ICMP a type or code."""

    def parse(value: Any, path: str, strict: bool) -> int:
        text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not text.isdecimal() or int(text) > 65535:
            raise BadRequest(
                f"Invalid input for operation: Invalid value for port {value!r:.40}.",
                field=path,
                remedy="Give a number from 0 to 65535.",
                kind="SecurityGroupInvalidPortValue",
            )
        return int(text)

    return Kind(parse, {"type": "integer", "minimum": 0, "maximum": 65535}, "bigint")


def shown(rule: Record) -> dict[str, Any]:
    """A rule as its group shows it."""
    times = {name: iso_z(rule[name]) for name in ("created_at", "updated_at")}
    return {**rule, **times, "tenant_id": rule.project_id}
