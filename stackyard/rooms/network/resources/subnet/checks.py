"""What a subnet must satisfy as a whole. Each check raises BadRequest or Conflict naming the attribute at fault."""

import ipaddress
import itertools
from collections.abc import Sequence

from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.storage.database import Record
from stackyard.rooms.network import addresses

MOST_NAMESERVERS = 5
MOST_ROUTES = 20


def refused(why: str, field: str) -> BadRequest:
    """Neutron's word for input that contradicts itself."""
    return BadRequest(f"Invalid input for operation: {why}.", field=field, kind="InvalidInput")


def family(wanted: Record) -> None:
    """ip_version, cidr and what else carries addresses are of one family."""
    if wanted.ip_version not in (4, 6):
        raise BadRequest(
            f"Invalid input for ip_version. Reason: '{wanted.ip_version}' is not in [4, 6].", field="ip_version"
        )
    net = addresses.network(wanted.cidr)
    if net.version != wanted.ip_version:
        raise refused(f"cidr '{wanted.cidr}' does not match the ip_version '{wanted.ip_version}'", "cidr")
    if net.prefixlen == 0:
        raise refused(f"the range {wanted.cidr} holds every address", "cidr")
    if net.is_multicast or net.is_loopback:
        raise refused(f"cidr '{wanted.cidr}' is not a range for hosts", "cidr")


def gateway(wanted: Record) -> None:
    """A gateway is an address of the subnet's family and neither its network nor its broadcast address."""
    if not wanted.gateway_ip:
        return
    ip, net = ipaddress.ip_address(wanted.gateway_ip), addresses.network(wanted.cidr)
    if ip.version != net.version:
        raise refused(f"gateway_ip '{wanted.gateway_ip}' does not match the ip_version '{net.version}'", "gateway_ip")
    if ip in net and int(ip) not in addresses.usable(net):
        raise refused("Gateway is not valid on subnet", "gateway_ip")


def ipv6_modes(wanted: Record) -> None:
    """The two modes agree, belong to IPv6 with DHCP on, and SLAAC has a /64."""
    announce, address = wanted.ipv6_ra_mode, wanted.ipv6_address_mode
    if not announce and not address:
        return
    field = "ipv6_ra_mode" if announce else "ipv6_address_mode"
    if wanted.ip_version != 6:
        raise refused("ipv6_ra_mode and ipv6_address_mode are for ip_version 6", field)
    if not wanted.enable_dhcp:
        raise refused("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False", field)
    if announce and address and announce != address:
        raise refused(f"ipv6_ra_mode set to '{announce}' with ipv6_address_mode set to '{address}' is not valid", field)
    if "dhcpv6-stateful" not in (announce, address) and addresses.network(wanted.cidr).prefixlen != 64:
        raise refused(
            f"Invalid CIDR {wanted.cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format, which "
            "requires the prefix to be /64",
            "cidr",
        )


def lists(wanted: Record) -> None:
    """Resolvers and routes are few, given once, and of the subnet's family. Null means none."""
    for name in ("dns_nameservers", "host_routes"):
        wanted[name] = wanted.get(name) or []
        if len({repr(each) for each in wanted[name]}) != len(wanted[name]):
            raise BadRequest(f"Invalid input for {name}. Reason: Duplicate items in the list.", field=name)
    if len(wanted.dns_nameservers) > MOST_NAMESERVERS:
        raise BadRequest(
            "Unable to complete operation for the subnet. The number of DNS nameservers exceeds the limit "
            f"{MOST_NAMESERVERS}.",
            field="dns_nameservers",
            kind="DNSNameServersExhausted",
        )
    if len(wanted.host_routes) > MOST_ROUTES:
        raise BadRequest(
            f"Unable to complete operation for the subnet. The number of host routes exceeds the limit {MOST_ROUTES}.",
            field="host_routes",
            kind="HostRoutesExhausted",
        )
    for each in wanted.host_routes:
        versions = {addresses.network(each["destination"]).version, ipaddress.ip_address(each["nexthop"]).version}
        if versions != {wanted.ip_version}:
            raise refused(f"host route {each['destination']} is not of ip_version {wanted.ip_version}", "host_routes")


def pools(wanted: Record) -> None:
    """Pools lie in the subnet, run upwards and do not overlap."""
    net, whole = addresses.network(wanted.cidr), addresses.usable(addresses.network(wanted.cidr))
    for each in wanted.allocation_pools:
        if {ipaddress.ip_address(each["start"]).version, ipaddress.ip_address(each["end"]).version} != {net.version}:
            raise BadRequest(
                f"The allocation pool {each} is not valid.", field="allocation_pools", kind="InvalidAllocationPool"
            )
    given = addresses.read_pools(wanted.allocation_pools)
    for pool, each in zip(given, wanted.allocation_pools, strict=True):
        said = f"{each['start']}-{each['end']}"
        if pool.end < pool.start:
            raise BadRequest(
                f"The allocation pool {said} is not valid.", field="allocation_pools", kind="InvalidAllocationPool"
            )
        if pool.start not in whole or pool.end not in whole:
            raise BadRequest(
                f"The allocation pool {said} spans beyond the subnet cidr {wanted.cidr}.",
                field="allocation_pools",
                kind="OutOfBoundsAllocationPool",
            )
    ordered = sorted(given, key=lambda each: each.start)
    for one, other in itertools.pairwise(ordered):
        if one.end >= other.start:
            raise Conflict(
                f"Found overlapping allocation pools: {addresses.shown(net, [one, other])} for subnet {wanted.cidr}.",
                field="allocation_pools",
                kind="OverlappingAllocationPools",
            )


def gateway_outside_pools(wanted: Record) -> None:
    """The gateway is never given to a port."""
    if not wanted.gateway_ip:
        return
    for each in addresses.read_pools(wanted.allocation_pools):
        if addresses.number(wanted.gateway_ip) in each:
            said = addresses.shown(addresses.network(wanted.cidr), [each])[0]
            raise Conflict(
                f"Gateway ip {wanted.gateway_ip} conflicts with allocation pool {said['start']}-{said['end']}.",
                field="gateway_ip",
                kind="GatewayConflictWithAllocationPools",
            )


def no_overlap(others: Sequence[Record], wanted: Record) -> None:
    """Ranges on one network are disjoint; on different networks they may be the same."""
    for each in others:
        if addresses.overlap(each.cidr, wanted.cidr):
            raise refused(
                f"Requested subnet with cidr: {wanted.cidr} for network: {wanted.network_id} overlaps with another "
                f"subnet ({each.cidr})",
                "cidr",
            )
