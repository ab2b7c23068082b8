"""A router: a namespace with a device on each of its networks, routes, and the translation of addresses.

Translation is IPv4 only. A floating address is the router's own on the gateway's side; connections to it are led to the
fixed address, those from the fixed address to the outside carry it. A connection from inside to a floating address
comes back through the router only if its source is translated too.
"""

import ipaddress
import socket

from stackyard.hosts import conntrack, netns, nft, sysctl
from stackyard.hosts.conntrack import Flow
from stackyard.hosts.netlink import Link, Netlink

from ...driver import InvalidSpec, RouterPort, RouterSpec, RouteSpec
from .filters import checked_mac
from .links import End, Interface, Pair, checked_address, default_routes, serve, sync_routes
from .names import TABLE, CloudNames, router_device, router_gateway, router_interface
from .objects import Chain, Element, ElementSet, Hook, Objects, Value, whole
from .segments import table_faults

_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/disable_ipv6": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv4/conf/all/accept_redirects": "0",
    # An address is answered for on its own network only.
    "net/ipv4/conf/all/arp_ignore": "1",
    "net/ipv4/conf/all/arp_announce": "2",
}
_ADDRESS_MAP = "type ipv4_addr : ipv4_addr;"


def ensure_router(names: CloudNames, router: RouterSpec) -> None:
    """Make the router so. Raises what the host raises."""
    objects = router_objects(router)
    namespace = names.router(router.id)
    netns.create(namespace)
    place = netns.path(namespace)
    netns.inside(place, lambda: _prepare(objects, {inner_name(router, port) for port in ports(router)}))
    for port in ports(router):
        pair = _pair(names, router, port)
        pair.connect(checked_mac(port.mac, f"router {router.id}"), port.mtu)
        serve(pair, _interface(names, router, port))

    def body() -> None:
        with Netlink() as net:
            sync_routes(net, _routes(router, net.links()))

    netns.inside(place, body)


def end_untranslated(names: CloudNames, router: RouterSpec) -> None:
    """End connections that live by a floating or gateway address that the router has no longer."""
    place = netns.path(names.router(router.id))
    netns.inside(place, lambda: conntrack.delete(lambda flow: _translation_is_gone(router, flow)))


def check(names: CloudNames, router: RouterSpec) -> None:
    """Raise InvalidSpec if the router cannot be made so."""
    router_objects(router)
    for port in ports(router):
        checked_mac(port.mac, f"router {router.id}")
        _interface(names, router, port)
    for route in _wanted_routes(router):
        _port_towards(router, route.next_hop)


def _prepare(objects: Objects, wanted: set[str]) -> None:
    sysctl.write_known(_SETTINGS)
    with Netlink() as net:
        links = net.links()
        for link in links.values():
            if link.kind == "veth" and link.name not in wanted:
                net.delete_link(link.name)
        if not links["lo"].up:
            net.set_link(links["lo"].index, state="up")
    nft.apply(whole(TABLE, objects))


def router_faults(names: CloudNames, router: RouterSpec) -> list[str]:
    """How the host differs from what ``ensure_router`` makes."""
    namespace = names.router(router.id)
    if not netns.exists(namespace):
        return [f"namespace {namespace} is missing"]
    found = [
        f"interface on network {port.network_id} is not connected"
        for port in ports(router)
        if not _pair(names, router, port).connected()
    ]
    interfaces = [_interface(names, router, port) for port in ports(router)]
    return found + netns.inside(netns.path(namespace), lambda: _inner_faults(router, interfaces))


def _inner_faults(router: RouterSpec, interfaces: list[Interface]) -> list[str]:
    found = [f"{key} is not {value}" for key, value in _SETTINGS.items() if sysctl.read(key) not in (None, value)]
    with Netlink() as net:
        links, routes = net.links(), net.routes()
        for interface in interfaces:
            link = links.get(interface.name)
            wanted = {checked_address(address) for address in interface.addresses}
            if link is not None and (not link.up or net.addresses(link.index) != wanted):
                found.append(f"interface {interface.name} is down or has other addresses")
    present = {(route.destination, route.next_hop) for route in routes}
    found += [
        f"route to {route.destination} is missing"
        for route in _wanted_routes(router)
        if (route.destination, route.next_hop) not in present
    ]
    return found + table_faults(TABLE, router_objects(router))


def outer_ends(names: CloudNames, router: RouterSpec) -> list[End]:
    """The router's devices on its networks' bridges."""
    return [_pair(names, router, port).outer for port in ports(router)]


def networks(router: RouterSpec) -> list[str]:
    """The networks the router is on."""
    return sorted({port.network_id for port in ports(router)})


def ports(router: RouterSpec) -> list[RouterPort]:
    """Its places on networks, the gateway last."""
    return [*router.interfaces, *([router.gateway.port] if router.gateway else [])]


def inner_name(router: RouterSpec, port: RouterPort) -> str:
    """What the port's device is called in the router."""
    is_gateway = router.gateway is not None and router.gateway.port == port
    return router_gateway(port.port_id) if is_gateway else router_interface(port.port_id)


def _pair(names: CloudNames, router: RouterSpec, port: RouterPort) -> Pair:
    outer = End(netns.path(names.network(port.network_id)), router_device(port.port_id))
    inner = End(netns.path(names.router(router.id)), inner_name(router, port))
    return Pair(outer, inner, names.port_alias(port.port_id))


def _interface(names: CloudNames, router: RouterSpec, port: RouterPort) -> Interface:
    addresses = [checked_address(address) for address in port.addresses]
    if router.gateway is not None and router.gateway.port == port:
        held = {address.split("/")[0] for address in addresses}
        addresses += [f"{one.floating_ip}/32" for one in router.floating if one.floating_ip not in held]
    alias = names.port_alias(port.port_id)
    return Interface(inner_name(router, port), port.mac.lower(), port.mtu, alias, tuple(addresses))


def _wanted_routes(router: RouterSpec) -> list[RouteSpec]:
    return [*default_routes(router.gateway.next_hops if router.gateway else []), *router.routes]


def _routes(router: RouterSpec, links: dict[str, Link]) -> list[tuple[int, RouteSpec]]:
    """Each route with the index of the interface whose network its next hop is on."""
    found = []
    for route in _wanted_routes(router):
        port = _port_towards(router, route.next_hop)
        found.append((links[inner_name(router, port)].index, route))
    return found


def _port_towards(router: RouterSpec, next_hop: str) -> RouterPort:
    hop = ipaddress.ip_interface(checked_address(next_hop)).ip
    for port in ports(router):
        if any(hop in ipaddress.ip_interface(address).network for address in port.addresses):
            return port
    if router.gateway is not None and next_hop in router.gateway.next_hops:
        return router.gateway.port
    raise InvalidSpec(f"next hop {next_hop} is on none of its networks", f"router {router.id}")


def router_objects(router: RouterSpec) -> Objects:
    """The router's translation. Raises InvalidSpec."""
    _check_floating(router)
    to_fixed: dict[Element, Value] = {(one.floating_ip,): one.fixed_ip for one in router.floating}
    to_floating: dict[Element, Value] = {(one.fixed_ip,): one.floating_ip for one in router.floating}
    arriving = Hook("nat", "prerouting", -100, "accept")
    leaving = Hook("nat", "postrouting", 100, "accept")
    return Objects(
        chains={
            ("inet", "arriving"): Chain(("dnat ip to ip daddr map @to-fixed",), arriving),
            ("inet", "leaving"): Chain(_leaving_rules(router), leaving),
        },
        sets={
            ("inet", "to-fixed"): ElementSet(_ADDRESS_MAP, to_fixed, is_map=True),
            ("inet", "to-floating"): ElementSet(_ADDRESS_MAP, to_floating, is_map=True),
        },
    )


def _check_floating(router: RouterSpec) -> None:
    subject = f"router {router.id}"
    if router.floating and router.gateway is None:
        raise InvalidSpec("floating addresses need a gateway", subject)
    for one in router.floating:
        for address in (one.floating_ip, one.fixed_ip):
            try:
                ipaddress.IPv4Address(address)
            except ValueError as error:
                raise InvalidSpec(f"floating address {one.floating_ip}: {error}", subject) from error
    for kind in ({one.floating_ip for one in router.floating}, {one.fixed_ip for one in router.floating}):
        if len(kind) != len(router.floating):
            raise InvalidSpec("an address is in two floating pairs", subject)


def _leaving_rules(router: RouterSpec) -> tuple[str, ...]:
    address = _gateway_address(router)
    if router.gateway is None or address is None:
        return ()
    device = f'"{inner_name(router, router.gateway.port)}"'
    returning = f"oifname != {device} iifname != {device} ct status dnat"
    rules = [
        f"oifname {device} snat ip to ip saddr map @to-floating",
        f"{returning} snat ip to ip saddr map @to-floating",
        f"{returning} snat ip to {address}",
    ]
    if router.gateway.snat:
        rules.append(f"oifname {device} snat ip to {address}")
    return tuple(rules)


def _gateway_address(router: RouterSpec) -> str | None:
    for address in router.gateway.port.addresses if router.gateway else []:
        if ":" not in address:
            return address.split("/")[0]
    return None


def _translation_is_gone(router: RouterSpec, flow: Flow) -> bool:
    if flow.family != socket.AF_INET:
        return False
    pairs = {(one.floating_ip, one.fixed_ip) for one in router.floating}
    if flow.target != flow.reply_source and (flow.target, flow.reply_source) not in pairs:
        return True
    if flow.source == flow.reply_target:
        return False
    by_gateway = router.gateway is not None and flow.reply_target == _gateway_address(router)
    return not by_gateway and (flow.reply_target, flow.source) not in pairs
