"""The contract of network drivers: what a node can be asked to make of networks, ports, groups and routers.

Every call is idempotent and blocks until the host is as asked:

* ``ensure_*`` makes it so, whatever was there before: missing, half-made, damaged or older;
* ``remove_*`` and ``unplug`` leave it absent, and are content if it was absent already.

Calls may come from several threads at once; calls on the same network or router take turns. A driver decides
nothing: which addresses, groups and routes a port has is in its spec. A driver made anew over the same host
(after a restart) carries on with what is there; nothing that runs is interrupted.

Order between objects: a network before its ports, groups and the routers on it. Groups may come before or after
the ports that wear them: a group not told yet allows nothing. ``remove_network`` takes ports and groups along.

Failures are ``NetworkDriverError``: what, on which object, and why. The journal retries those that are ``Transient``;
the others (``Refused``) end the operation with that reason.
"""

import hashlib
from typing import Literal, Protocol

import msgspec

from stackyard.kernel.steps import Refused, Transient


class NetworkDriverError(Exception):
    """A call failed. ``reason``: what and why, for the operator. ``subject``: the object or thing on the host."""

    def __init__(self, reason: str, subject: str = "") -> None:
        super().__init__(f"{subject}: {reason}" if subject else reason)
        self.reason = reason
        self.subject = subject


class HostFailure(NetworkDriverError, Transient):
    """The host refused an operation (netlink, nft, a namespace). The same call may succeed later."""


class InvalidSpec(NetworkDriverError, Refused):
    """The spec contradicts itself or holds a value that cannot be."""


class UnknownNetwork(NetworkDriverError, Refused):
    """A port, group or router names a network that was never ensured on this host."""


class AddressConflict(NetworkDriverError, Refused):
    """An external range overlaps an address the host already has; the reason names its holder."""


class NamespaceGone(NetworkDriverError, Refused):
    """The namespace to plug into does not exist (its process ended)."""


class InterfaceTaken(NetworkDriverError, Refused):
    """The namespace has an interface of the wanted name that is not one of this cloud's ports."""


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What all specs share: immutable, named fields only, encodable as msgpack."""


class ExternalSpec(Spec, frozen=True, kw_only=True):
    """How a network is reached from the host.

    ``host_addresses`` are the host's own addresses on it, with prefix length ("203.0.113.1/24"): the gateways
    that routers use. ``nat``: what leaves the host from these ranges takes the host's address.
    """

    host_addresses: list[str]
    nat: bool = True


class NetworkSpec(Spec, frozen=True, kw_only=True):
    """One isolated broadcast domain. ``mtu`` in bytes."""

    id: str
    mtu: int = 1500
    external: ExternalSpec | None = None


class RuleSpec(Spec, frozen=True, kw_only=True):
    """One permission. ``None`` means any.

    ``protocol`` is a name ("tcp", "udp", "icmp", "icmpv6", "sctp", …) or a number as text. ``port_min`` and
    ``port_max`` are destination ports; for ICMP they are type and code. ``remote_prefix`` (CIDR) or
    ``remote_group`` (its members' addresses) is the far end: the source on ingress, the destination on egress.
    """

    id: str
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6"]
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_prefix: str | None = None
    remote_group: str | None = None


class GroupSpec(Spec, frozen=True, kw_only=True):
    """A security group: what it allows, and the addresses (without prefix length) of all its members anywhere."""

    id: str
    rules: list[RuleSpec] = []
    members: list[str] = []


class AddressPair(Spec, frozen=True, kw_only=True):
    """A further source a port may use: an address or CIDR, from its own MAC unless another is named."""

    ip_address: str
    mac_address: str | None = None


class RouteSpec(Spec, frozen=True, kw_only=True):
    """A route: ``destination`` is a CIDR, ``next_hop`` an address of the same family."""

    destination: str
    next_hop: str


class PortSpec(Spec, frozen=True, kw_only=True):
    """A container's place on a network.

    ``addresses`` carry their prefix length. ``gateways`` (at most one of each family) become default routes when the
    port is plugged with ``default_route``; ``routes`` are set always. With ``port_security`` off neither
    anti-spoofing nor groups apply. ``admin_up`` off: plugged, but no packet passes.
    """

    id: str
    network_id: str
    mac: str
    addresses: list[str] = []
    gateways: list[str] = []
    routes: list[RouteSpec] = []
    mtu: int = 1500
    groups: list[str] = []
    port_security: bool = True
    allowed_pairs: list[AddressPair] = []
    admin_up: bool = True


class RouterPort(Spec, frozen=True, kw_only=True):
    """A router's place on a network; ``addresses`` carry their prefix length."""

    port_id: str
    network_id: str
    mac: str
    addresses: list[str]
    mtu: int = 1500


class RouterGateway(Spec, frozen=True, kw_only=True):
    """A router's way out: its port on an external network, one next hop per family, and whether IPv4 is translated."""

    port: RouterPort
    next_hops: list[str] = []
    snat: bool = True


class FloatingSpec(Spec, frozen=True, kw_only=True):
    """An outside IPv4 address that stands for an inside one, both ways."""

    floating_ip: str
    fixed_ip: str


class RouterSpec(Spec, frozen=True, kw_only=True):
    """A router between networks. IPv6 is routed, never translated."""

    id: str
    interfaces: list[RouterPort] = []
    gateway: RouterGateway | None = None
    floating: list[FloatingSpec] = []
    routes: list[RouteSpec] = []


class RealNetwork(Spec, frozen=True, kw_only=True):
    """A network as found on the host. ``faults`` say in words how it differs from what was applied last.

    ``fingerprint`` is that of the NetworkSpec applied last, ``groups`` those of the groups applied last, by id.
    """

    id: str
    fingerprint: str
    groups: dict[str, str]
    faults: list[str]


class RealPort(Spec, frozen=True, kw_only=True):
    """A port as found on the host; ``device`` is its end on the network's bridge, ``plugged`` whether that exists."""

    id: str
    network_id: str
    fingerprint: str
    device: str
    plugged: bool
    faults: list[str]


class RealRouter(Spec, frozen=True, kw_only=True):
    """A router as found on the host."""

    id: str
    fingerprint: str
    faults: list[str]


class Inventory(Spec, frozen=True, kw_only=True):
    """What of this cloud is on the host, each list ordered by id.

    An object is as wanted when its fingerprint equals ``fingerprint(spec)`` and it has no faults. ``leftovers`` name
    things on the host that carry this cloud's id and belong to no object listed; ``remove_leftovers`` removes them.
    """

    networks: list[RealNetwork]
    ports: list[RealPort]
    routers: list[RealRouter]
    leftovers: list[str]


def fingerprint(spec: Spec) -> str:
    """A short digest of a spec's content: equal specs have equal fingerprints, in any process."""
    return hashlib.blake2b(msgspec.json.encode(spec, order="sorted"), digest_size=8).hexdigest()


class NetworkDriver(Protocol):
    """Makes networks, groups, ports and routers real on one host, for one cloud. See the module's docstring."""

    def ensure_network(self, network: NetworkSpec) -> None:
        """Make the network exist, with all its known ports and groups. Raises AddressConflict, InvalidSpec."""

    def remove_network(self, network_id: str) -> None:
        """Remove the network, its groups, ports and their plugs."""

    def ensure_groups(self, network_id: str, groups: list[GroupSpec]) -> None:
        """Make these the only groups on the network, at once.

        A connection that no rule allows any longer is ended. Raises UnknownNetwork, InvalidSpec.
        """

    def ensure_port(self, port: PortSpec) -> None:
        """Set the port's filters; a device is made by ``plug`` only. Raises UnknownNetwork, InvalidSpec."""

    def remove_port(self, network_id: str, port_id: str) -> None:
        """Unplug the port, end its connections and remove its filters."""

    def plug(self, port: PortSpec, netns: str, interface: str = "eth0", default_route: bool = True) -> None:
        """Give the namespace at path ``netns`` an interface that is this port, configured and ready to use.

        Filters come first, as by ``ensure_port``. Plugging again applies what changed; plugging into another
        namespace moves the port. Raises NamespaceGone, InterfaceTaken and what ``ensure_port`` raises.
        """

    def unplug(self, network_id: str, port_id: str) -> None:
        """Take the port's interface away from wherever it is; the filters stay."""

    def ensure_router(self, router: RouterSpec) -> None:
        """Make the router exist with exactly these interfaces, gateway, floating addresses and routes.

        Connections through a floating address that was taken away are ended. Raises UnknownNetwork, InvalidSpec.
        """

    def remove_router(self, router_id: str) -> None:
        """Remove the router and its ports."""

    def inventory(self) -> Inventory:
        """Look at the host and report what of this cloud is there, and how it differs from what was applied."""

    def remove_leftovers(self) -> list[str]:
        """Remove what the inventory calls leftovers; returns their names."""

    def remove_all(self) -> None:
        """Leave nothing of this cloud on the host and give back every host setting that was changed for it."""

    def warnings(self) -> list[str]:
        """Sentences about the host that an operator should know, such as a firewall that stops outbound NAT."""
