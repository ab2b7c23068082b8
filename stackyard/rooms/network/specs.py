"""From rows to what a host should have: the specs of networks, groups, ports and routers. Reads only."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import addresses
from stackyard.rooms.network.driver import (
    AddressPair,
    ExternalSpec,
    FloatingSpec,
    GroupSpec,
    NetworkSpec,
    PortSpec,
    RouterGateway,
    RouterPort,
    RouterSpec,
    RouteSpec,
    RuleSpec,
)
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources.floating_ip import store as floating_store
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.router import store as router_store
from stackyard.rooms.network.resources.security_group import store as group_store
from stackyard.rooms.network.resources.security_group.kinds import PROTOCOLS
from stackyard.rooms.network.resources.subnet import store as subnet_store

#: Protocols that drivers know by name; the others go by number.
_NAMED = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}


@dataclass(frozen=True)
class Plug:
    """A port and where it is plugged in."""

    port: PortSpec
    netns: str
    interface: str
    default_route: bool


@dataclass(frozen=True)
class NetworkPlan:
    """All that one host should have of one network."""

    network: NetworkSpec
    groups: list[GroupSpec]
    plugs: list[Plug]


def networks_on(work: Work, host: str) -> set[str]:
    """The networks a host needs: those of the ports plugged in there and of the routers placed there."""
    return port_store.wired_networks(work, host) | router_store.networks_of(work, host)


def network_plan(work: Work, host: str, network_id: str, only: set[str] | None = None) -> NetworkPlan | None:
    """What the host should have of the network (of its ports just `only`); None when it needs nothing of it."""
    record = work.tx.get(networks.NETWORK.table, id=network_id)
    wired = port_store.wired_ids(work, host, network_id)
    if record is None or not (wired or network_id in router_store.networks_of(work, host)):
        return None
    ports = port_store.by_id(work, wired if only is None else only & set(wired))
    subnets = {each.id: each for each in subnet_store.on_network(work, network_id)}
    return NetworkPlan(
        network=NetworkSpec(id=record.id, mtu=record.mtu, external=_external(record, subnets.values())),
        groups=_groups(work, wired),
        plugs=_plugs(work, record, subnets, ports),
    )


def _external(record: Record, subnets: Iterable[Record]) -> ExternalSpec | None:
    """The host is the gateway of an external network: its address there is the one that routers go through."""
    if not record["router:external"]:
        return None
    return ExternalSpec(
        host_addresses=[addresses.with_prefix(each.gateway_ip, each.cidr) for each in subnets if each.gateway_ip]
    )


def _groups(work: Work, port_ids: list[str]) -> list[GroupSpec]:
    """The groups that these ports wear, and (for their members only) the groups that those name."""
    worn = {group for each in port_store.groups_of(work, port_ids).values() for group in each}
    rules = group_store.rules_of(work, worn)
    named = {each.remote_group_id for found in rules.values() for each in found if each.remote_group_id}
    members = port_store.members(work, named)
    return [
        GroupSpec(id=each, rules=[_rule(rule) for rule in rules.get(each, [])], members=members.get(each, []))
        for each in sorted(worn | named)
    ]


def _rule(rule: Record) -> RuleSpec:
    prefix = rule.remote_ip_prefix
    return RuleSpec(
        id=rule.id,
        direction=rule.direction,
        ethertype=rule.ethertype,
        protocol=_protocol(rule),
        port_min=rule.port_range_min,
        port_max=rule.port_range_max,
        remote_prefix=str(ipaddress.ip_interface(prefix).network) if prefix else None,
        remote_group=rule.remote_group_id,
    )


def _protocol(rule: Record) -> str | None:
    if rule.protocol is None:
        return None
    number = int(rule.protocol) if rule.protocol.isdecimal() else PROTOCOLS[rule.protocol]
    if number == 0:
        return None
    # Neutron lets "icmp" in an IPv6 rule mean ICMPv6.
    number = 58 if number == 1 and rule.ethertype == "IPv6" else number
    return _NAMED.get(number, str(number))


def _plugs(work: Work, network: Record, subnets: dict[str, Record], ports: list[Record]) -> list[Plug]:
    ids = [each.id for each in ports]
    held, worn = port_store.addresses_of(work, ids), port_store.groups_of(work, ids)
    return [
        Plug(
            port=_port(
                network, each, [(one, subnets[one.subnet_id]) for one in held.get(each.id, [])], worn.get(each.id, [])
            ),
            netns=each.wiring["netns"],
            interface=each.wiring["interface"],
            default_route=each.wiring["default_route"],
        )
        for each in ports
    ]


def _port(network: Record, port: Record, held: list[tuple[Record, Record]], groups: list[str]) -> PortSpec:
    gateways: dict[int, str] = {}
    routes: dict[tuple[str, str], None] = {}
    for _, subnet in held:
        if subnet.gateway_ip:
            gateways.setdefault(subnet.ip_version, subnet.gateway_ip)
        routes.update({(each["destination"], each["nexthop"]): None for each in subnet.host_routes})
    return PortSpec(
        id=port.id,
        network_id=network.id,
        mac=port.mac_address,
        addresses=_with_prefixes(held),
        gateways=list(gateways.values()),
        routes=[RouteSpec(destination=destination, next_hop=hop) for destination, hop in routes],
        mtu=network.mtu,
        groups=groups,
        port_security=port.port_security_enabled,
        allowed_pairs=[_pair(each) for each in port.allowed_address_pairs],
        admin_up=port.admin_state_up and network.admin_state_up,
    )


def _with_prefixes(held: list[tuple[Record, Record]]) -> list[str]:
    return [addresses.with_prefix(each.ip_address, subnet.cidr) for each, subnet in held]


def _pair(pair: dict[str, Any]) -> AddressPair:
    return AddressPair(ip_address=pair["ip_address"], mac_address=pair["mac_address"])


def router_spec(work: Work, router_id: str) -> RouterSpec | None:
    """What a host should have of the router; None when it should not be there: gone, switched off, connected to
    nothing."""
    router = router_store.get(work, router_id)
    ports = port_store.of_router(work, router_id) if router else []
    if router is None or not router.admin_state_up or not ports:
        return None
    held = port_store.addresses_of(work, [each.id for each in ports])
    subnets = subnet_store.by_id(work, [one.subnet_id for each in held.values() for one in each])
    mtus = {each.network_id: work.tx.get(networks.NETWORK.table, id=each.network_id) for each in ports}

    def place(port: Record) -> RouterPort:
        inside = [(each, subnets[each.subnet_id]) for each in held.get(port.id, [])]
        network = mtus[port.network_id]
        return RouterPort(
            port_id=port.id,
            network_id=port.network_id,
            mac=port.mac_address,
            addresses=_with_prefixes(inside),
            mtu=network.mtu if network else 1500,
        )

    outside = next((each for each in ports if each.id == router.gateway_port_id), None)
    return RouterSpec(
        id=router.id,
        interfaces=[place(each) for each in ports if each is not outside and each.admin_state_up],
        gateway=None
        if outside is None
        else RouterGateway(
            port=place(outside), snat=router.enable_snat, next_hops=_next_hops(held.get(outside.id, []), subnets)
        ),
        floating=[
            FloatingSpec(floating_ip=each.floating_ip_address, fixed_ip=each.fixed_ip_address)
            for each in floating_store.of_router(work, router.id)
        ],
        routes=[RouteSpec(destination=each["destination"], next_hop=each["nexthop"]) for each in router.routes],
    )


def _next_hops(held: list[Record], subnets: dict[str, Record]) -> list[str]:
    hops: dict[int, str] = {}
    for each in held:
        subnet = subnets[each.subnet_id]
        if subnet.gateway_ip:
            hops.setdefault(subnet.ip_version, subnet.gateway_ip)
    return list(hops.values())
