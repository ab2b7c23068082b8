"""The network driver on the host's own kernel: namespaces, bridges, veth pairs and nftables.

Each network is a namespace that holds a bridge and its filters, each router a namespace; their devices meet on the
networks' bridges. Overlapping ranges never meet: connection tracking, like the bridge, is the namespace's own.
What was applied last is on disk (see ``records``); calls on one network or router take turns.
"""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from stackyard.hosts import conntrack, netns, nft
from stackyard.hosts.nft import NftError

from ...driver import (
    GroupSpec,
    InvalidSpec,
    Inventory,
    NetworkSpec,
    PortSpec,
    RealNetwork,
    RealPort,
    RealRouter,
    RouterSpec,
    UnknownNetwork,
    fingerprint,
)
from . import outside, routers
from .connections import forbidden
from .filters import groups_objects, network_objects, port_objects, port_scope
from .forwarding import HostForwarding
from .inspection import Leftover, leftovers, links_in, port_faults
from .links import BridgeMissing, End, host_failures
from .names import TABLE, CloudNames, checked_id, port_device
from .objects import Objects, difference, takes_away, whole
from .plugs import outer_end, plug, set_up
from .records import NetworkRecord, PortRecord, Records, RouterRecord
from .segments import ensure_segment, remove_namespace, require_bridge_netfilter, segment_faults

#: A packet's mark has 16 bits for each of its two ports, and 0 is trusted.
MAX_PORTS = 0xFFFF


class NativeDriver:
    """The contract ``NetworkDriver`` on this host, for one cloud.

    ``state`` is a folder of the driver's own that outlives the process. ``host_state`` is shared by all clouds of the
    host and cleared by a reboot.
    """

    def __init__(self, cloud: str, state: Path, host_state: Path = Path("/run/stackyard")) -> None:
        self._names = CloudNames(cloud)
        self._records = Records(state)
        self._forwarding = HostForwarding(host_state, cloud)
        self._locks: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()
        self._outside = threading.RLock()

    def ensure_network(self, network: NetworkSpec) -> None:
        """See ``NetworkDriver``."""
        checked_id(network.id)
        with self._turn("network", network.id), host_failures(f"network {network.id}"):
            if network.external is not None:
                outside.refuse_conflicts(self._names, network, network.external)
            old = self._records.network(network.id) or NetworkRecord(spec=network)
            record = msgspec.structs.replace(old, spec=network, dirty=True)
            self._records.put_network(record)
            require_bridge_netfilter()
            self._write_whole(record)
            if old.dirty and old.groups:
                self._end_forbidden(record)
            if network.external is not None or old.spec.external is not None:
                self._apply_outside(network)
            self._records.put_network(msgspec.structs.replace(record, dirty=False))

    def remove_network(self, network_id: str) -> None:
        """See ``NetworkDriver``."""
        checked_id(network_id)
        with self._turn("network", network_id), host_failures(f"network {network_id}"):
            record = self._records.network(network_id)
            outside.remove_host_link(self._names, network_id)
            remove_namespace(self._names.network(network_id))
            self._records.drop_network(network_id)
            if record is not None and record.spec.external is not None:
                self._apply_host_table()

    def ensure_groups(self, network_id: str, groups: list[GroupSpec]) -> None:
        """See ``NetworkDriver``."""
        with self._turn("network", network_id), host_failures(f"security groups of network {network_id}"):
            old = self._known(network_id)
            new = msgspec.structs.replace(old, groups={group.id: group for group in groups})
            after = groups_objects(new)
            self._change(old, new, groups_objects(old), after, again=after)

    def ensure_port(self, port: PortSpec) -> None:
        """See ``NetworkDriver``."""
        checked_id(port.id)
        with self._turn("network", port.network_id), host_failures(f"port {port.id}"):
            self._filter(port)
            if outer_end(self._names, port.network_id, port.id).find() is not None:
                set_up(self._names, port)

    def remove_port(self, network_id: str, port_id: str) -> None:
        """See ``NetworkDriver``."""
        with self._turn("network", network_id), host_failures(f"port {port_id}"):
            self.unplug(network_id, port_id)
            old = self._records.network(network_id)
            if old is None or port_id not in old.ports:
                return
            ports = {one: record for one, record in old.ports.items() if one != port_id}
            new = msgspec.structs.replace(old, ports=ports)
            before, after = port_scope(old, port_id), port_scope(new, port_id)
            self._change(old, new, before, after, again=Objects(), removed=[old.ports[port_id]])
            self._lead_host_to([network_id])

    def plug(self, port: PortSpec, netns: str, interface: str = "eth0", default_route: bool = True) -> None:
        """See ``NetworkDriver``."""
        checked_id(port.id)
        with self._turn("network", port.network_id), host_failures(f"port {port.id}"):
            self._filter(port)
            self._mending(lambda: plug(self._names, port, Path(netns), interface, default_route), [port.network_id])
            self._lead_host_to([port.network_id])

    def unplug(self, network_id: str, port_id: str) -> None:
        """See ``NetworkDriver``."""
        with self._turn("network", network_id), host_failures(f"port {port_id}"):
            outer_end(self._names, network_id, port_id).delete()

    def ensure_router(self, router: RouterSpec) -> None:
        """See ``NetworkDriver``."""
        checked_id(router.id)
        with self._turn("router", router.id), host_failures(f"router {router.id}"):
            for network_id in routers.networks(router):
                self._known(network_id)
            routers.check(self._names, router)
            old = self._records.router(router.id)
            self._records.put_router(RouterRecord(spec=router))
            for end in self._left_ends(old, router):
                end.delete()
            self._mending(lambda: routers.ensure_router(self._names, router), routers.networks(router))
            if old is not None and (old.dirty or old.spec != router):
                routers.end_untranslated(self._names, router)
            self._records.put_router(RouterRecord(spec=router, dirty=False))
            self._lead_host_to([*routers.networks(router), *(routers.networks(old.spec) if old else [])])

    def remove_router(self, router_id: str) -> None:
        """See ``NetworkDriver``."""
        checked_id(router_id)
        with self._turn("router", router_id), host_failures(f"router {router_id}"):
            record = self._records.router(router_id)
            for end in routers.outer_ends(self._names, record.spec) if record else []:
                end.delete()
            remove_namespace(self._names.router(router_id))
            self._records.drop_router(router_id)
            self._lead_host_to(routers.networks(record.spec) if record else [])

    def inventory(self) -> Inventory:
        """See ``NetworkDriver``."""
        with host_failures("inventory"):
            seen = [self._real_network(network_id) for network_id in sorted(self._records.networks())]
            seen_routers = [self._real_router(router_id) for router_id in sorted(self._records.routers())]
            networks = [found for found in seen if found is not None]
            return Inventory(
                networks=[network for network, _ in networks],
                ports=sorted((port for _, ports in networks for port in ports), key=lambda port: port.id),
                routers=[router for router in seen_routers if router is not None],
                leftovers=sorted(one.name for one in self._leftovers()),
            )

    def remove_leftovers(self) -> list[str]:
        """See ``NetworkDriver``."""
        with host_failures("leftovers"):
            found = self._leftovers()
            for one in found:
                one.remove()
            return sorted(one.name for one in found)

    def remove_all(self) -> None:
        """See ``NetworkDriver``."""
        for router_id in self._records.routers():
            self.remove_router(router_id)
        for network_id in self._records.networks():
            self.remove_network(network_id)
        self.remove_leftovers()
        with host_failures("host"):
            self._forwarding.leave()
            self._records.drop_all()
            netns.remove_folder()

    def warnings(self) -> list[str]:
        """See ``NetworkDriver``."""
        with host_failures("host"):
            return outside.warnings(self._names)

    def _turn(self, kind: str, object_id: str) -> threading.RLock:
        with self._lock:
            return self._locks.setdefault(f"{kind} {object_id}", threading.RLock())

    def _known(self, network_id: str) -> NetworkRecord:
        record = self._records.network(network_id)
        if record is None:
            raise UnknownNetwork("it was never made on this host", f"network {network_id}")
        return record

    def _filter(self, port: PortSpec) -> None:
        old = self._known(port.network_id)
        present = old.ports.get(port.id)
        record = PortRecord(spec=port, number=present.number if present else _free_number(old))
        new = msgspec.structs.replace(old, ports={**old.ports, port.id: record})
        self._change(old, new, port_scope(old, port.id), port_scope(new, port.id), again=port_objects(record))

    def _change(
        self,
        old: NetworkRecord,
        new: NetworkRecord,
        before: Objects,
        after: Objects,
        again: Objects,
        removed: Iterable[PortRecord] = (),
    ) -> None:
        """Lead the network from one record to the next, touching only what is in ``before`` and ``after``."""
        self._records.put_network(msgspec.structs.replace(new, dirty=True))
        namespace = self._names.network(new.spec.id)
        try:
            if old.dirty or not netns.exists(namespace):
                self._write_whole(new)
            else:
                self._apply(new, difference(TABLE, before, after, again))
            if old.dirty or takes_away(before, after):
                self._end_forbidden(new, removed)
        except BaseException:
            self._records.put_network(msgspec.structs.replace(old, dirty=True))
            raise
        self._records.put_network(msgspec.structs.replace(new, dirty=False))

    def _apply(self, record: NetworkRecord, script: str) -> None:
        def body() -> None:
            try:
                nft.apply(script)
            except NftError:
                # The tables are not what the record says, as after somebody flushed them.
                nft.apply(whole(TABLE, network_objects(record)))

        netns.inside(netns.path(self._names.network(record.spec.id)), body)

    def _write_whole(self, record: NetworkRecord) -> None:
        ensure_segment(self._names.network(record.spec.id), record.spec.mtu, network_objects(record))

    def _end_forbidden(self, record: NetworkRecord, removed: Iterable[PortRecord] = ()) -> None:
        judge = forbidden(record, removed)
        netns.inside(netns.path(self._names.network(record.spec.id)), lambda: conntrack.delete(judge))

    def _mending(self, work: Callable[[], None], networks: list[str]) -> None:
        """Do the work; if a network turns out to have lost its bridge, mend these networks and do it again."""
        try:
            work()
        except BridgeMissing:
            for network_id in networks:
                self.ensure_network(self._known(network_id).spec)
            work()

    def _left_ends(self, old: RouterRecord | None, router: RouterSpec) -> list[End]:
        wanted = routers.outer_ends(self._names, router)
        return [end for end in routers.outer_ends(self._names, old.spec) if end not in wanted] if old else []

    def _external_networks(self) -> list[NetworkSpec]:
        return [record.spec for record in self._records.networks().values() if record.spec.external is not None]

    def _apply_outside(self, network: NetworkSpec) -> None:
        if network.external is None:
            outside.remove_host_link(self._names, network.id)
        else:
            self._forwarding.enter(outside.has_ipv6(network.external))
            outside.ensure_host_link(self._names, network, network.external)
        self._apply_host_table()
        self._lead_host_to([network.id])

    def _lead_host_to(self, network_ids: Iterable[str]) -> None:
        """Lead the host to what these networks have in use, as far as they are external."""
        with self._outside:
            for network_id in set(network_ids):
                record = self._records.network(network_id)
                if record is not None and record.spec.external is not None:
                    outside.apply_host_routes(self._names, network_id, self._used_on(record))

    def _used_on(self, record: NetworkRecord) -> set[str]:
        """The addresses in use on a network: of its ports, of routers on it, and those that routers stand in for."""
        ports = [address for one in record.ports.values() for address in one.spec.addresses]
        specs = [one.spec for one in self._records.routers().values()]
        on = [port for spec in specs for port in routers.ports(spec) if port.network_id == record.spec.id]
        floating = [
            one.floating_ip
            for spec in specs
            if spec.gateway is not None and spec.gateway.port.network_id == record.spec.id
            for one in spec.floating
        ]
        held = [address for port in on for address in port.addresses]
        return {address.partition("/")[0] for address in [*ports, *held, *floating]}

    def _apply_host_table(self) -> None:
        with self._outside:
            external = self._external_networks()
            outside.apply_host_table(self._names, external)
            if not external:
                self._forwarding.leave()

    def _real_network(self, network_id: str) -> tuple[RealNetwork, list[RealPort]] | None:
        with self._turn("network", network_id):
            record = self._records.network(network_id)
            if record is None:
                return None
            place = self._names.network(network_id)
            faults = segment_faults(place, record.spec.mtu, network_objects(record))
            if record.dirty:
                faults.append("a change of it was cut short")
            faults += outside.outside_faults(
                self._names, self._external_networks(), record.spec, self._used_on(record)
            )
            links = links_in(netns.path(place))
            network = RealNetwork(
                id=network_id,
                fingerprint=fingerprint(record.spec),
                groups={group_id: fingerprint(group) for group_id, group in record.groups.items()},
                faults=faults,
            )
            return network, [self._real_port(port, port_faults(port, links), links) for port in record.ports.values()]

    def _real_port(self, port: PortRecord, faults: list[str], links: Iterable[str]) -> RealPort:
        device = port_device(port.spec.id)
        return RealPort(
            id=port.spec.id,
            network_id=port.spec.network_id,
            fingerprint=fingerprint(port.spec),
            device=device,
            plugged=device in links,
            faults=faults,
        )

    def _real_router(self, router_id: str) -> RealRouter | None:
        with self._turn("router", router_id):
            record = self._records.router(router_id)
            if record is None:
                return None
            faults = routers.router_faults(self._names, record.spec)
            if record.dirty:
                faults.append("a change of it was cut short")
            return RealRouter(id=router_id, fingerprint=fingerprint(record.spec), faults=faults)

    def _leftovers(self) -> list[Leftover]:
        known_routers = {router_id: record.spec for router_id, record in self._records.routers().items()}
        return leftovers(self._names, self._records.networks(), known_routers)


def _free_number(record: NetworkRecord) -> int:
    taken = {port.number for port in record.ports.values()}
    free = next(number for number in range(1, len(taken) + 2) if number not in taken)
    if free > MAX_PORTS:
        raise InvalidSpec(f"a network has room for {MAX_PORTS} ports", f"network {record.spec.id}")
    return free
