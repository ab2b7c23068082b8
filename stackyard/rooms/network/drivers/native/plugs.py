"""A port's device: from its network's bridge into the namespace of a container."""

from pathlib import Path

from stackyard.hosts import netns
from stackyard.hosts.netlink import Netlink

from ...driver import NamespaceGone, PortSpec
from .links import End, Interface, Pair, default_routes, serve, set_outer
from .names import CloudNames, port_device


def plug(names: CloudNames, port: PortSpec, target: Path, interface: str, default_route: bool) -> None:
    """Connect and configure. Raises NamespaceGone, InterfaceTaken, InvalidSpec and what the host raises."""
    if not netns.is_namespace(target):
        raise NamespaceGone(f"{target} is not a network namespace; its process may have ended", f"port {port.id}")
    pair = Pair(outer_end(names, port.network_id, port.id), End(target, interface), names.port_alias(port.id))
    pair.connect(port.mac.lower(), port.mtu)
    netns.inside(target, _loopback_up)
    routes = [*port.routes, *(default_routes(port.gateways) if default_route else [])]
    wanted = Interface(interface, port.mac.lower(), port.mtu, pair.alias, tuple(port.addresses), tuple(routes))
    serve(pair, wanted, passing=port.admin_up)


def _loopback_up() -> None:
    with Netlink() as net:
        loopback = net.link("lo")
        if not loopback.up:
            net.set_link(loopback.index, state="up")


def set_up(names: CloudNames, port: PortSpec) -> None:
    """Let frames pass the plugged port, or not, as its spec says."""
    set_outer(outer_end(names, port.network_id, port.id), port.admin_up, port.mtu)


def outer_end(names: CloudNames, network_id: str, port_id: str) -> End:
    """The port's end on the bridge."""
    return End(netns.path(names.network(network_id)), port_device(port_id))
