"""Making hosts as the rows say: what changed is applied at once after commit, everything is compared now and then.

The rows are the truth and specs are computed from them anew each time, under a lock per object, so that an older view
never overwrites a newer one. What was applied last is remembered only to save calls: it is learnt again from each
host's inventory.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import count
from typing import TypeVar

from stackyard.kernel.caller import service_caller
from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.work import Services, Work
from stackyard.rooms.network import specs
from stackyard.rooms.network.applied import Applied, groups_mark
from stackyard.rooms.network.driver import Inventory, NetworkDriver, NetworkDriverError, fingerprint
from stackyard.rooms.network.resources.floating_ip import store as floating_store
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.router import store as router_store
from stackyard.rooms.network.resources.security_group import store as group_store

T = TypeVar("T")
ROOM = "network"


def touch(work: Work, *, networks: Iterable[str] = (), routers: Iterable[str] = (), groups: Iterable[str] = ()) -> None:
    """Have hosts follow once this transaction is durable: these networks and routers, and every network where a port
    wears one of these groups or a group that names one of them."""
    groups, networks, routers = set(groups), set(networks), set(routers)
    if groups:
        networks |= port_store.networks_wearing(work, groups | group_store.naming(work, groups))
    routers |= router_store.on_networks(work, networks)
    plane = work.services.bound.get(ROOM)
    if plane is not None and (networks or routers):
        work.on_commit(lambda: plane.changed(networks, routers))


class Dataplane:
    """The hosts' share of the network room, as one server sees it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._guard = threading.Lock()
        self._locks: dict[str, threading.RLock] = {}
        self._networks: set[str] = set()
        self._routers: set[str] = set()
        #: host → what was applied there last: fingerprints by (kind, id), and each port's network.
        self._applied: dict[str, Applied] = {}
        self._leftovers: dict[str, set[str]] = {}
        self._looked: datetime | None = None
        self._plugging: Counter[str] = Counter()

    # -- rows --

    @contextmanager
    def reading(self) -> Iterator[Work]:
        """A read of the rows on behalf of the cloud."""
        with self._services.database.read() as tx:
            yield self._services.work(tx, service_caller(ROOM))

    def write(self, change: Callable[[Work], T]) -> T:
        """A change of the rows on behalf of the cloud."""
        with self._services.database.write() as tx:
            return change(self._services.work(tx, service_caller(ROOM)))

    @contextmanager
    def turn(self, object_id: str) -> Iterator[None]:
        """One at a time per object."""
        with self._guard:
            lock = self._locks.setdefault(object_id, threading.RLock())
        with lock:
            yield

    # -- what changed --

    def changed(self, networks: set[str], routers: set[str]) -> None:
        """Remember what hosts must follow, and wake the reconciler."""
        with self._guard:
            self._networks |= networks
            self._routers |= routers
        self._services.signal(ROOM)

    def take_changed(self) -> tuple[set[str], set[str]]:
        """What changed since this was last asked: networks and routers."""
        with self._guard:
            taken = self._networks, self._routers
            self._networks, self._routers = set(), set()
            return taken

    def applied(self, host: str) -> Applied:
        """What was applied on the host last."""
        with self._guard:
            return self._applied.setdefault(host, Applied())

    def look(self, host: str) -> Inventory:
        """Learn what the host really has. Raises NetworkDriverError, Transient."""
        applied = self.applied(host)
        since = applied.now()
        inventory = self.driver(host).inventory()
        applied.learn(inventory, since)
        return inventory

    def look_is_due(self, now: datetime, period: timedelta) -> bool:
        """Whether the hosts were last looked at too long ago."""
        return self._looked is None or now - self._looked >= period

    def looked(self, now: datetime) -> None:
        """The hosts are being looked at."""
        self._looked = now

    def forget_look(self) -> None:
        """The next run looks at the hosts, whenever that is."""
        self._looked = None

    def lasting(self, host: str, leftovers: Iterable[str]) -> bool:
        """Whether any of these leftovers was there at the last look too."""
        with self._guard:
            before, self._leftovers[host] = self._leftovers.get(host, set()), set(leftovers)
            return bool(before & self._leftovers[host])

    def driver(self, host: str) -> NetworkDriver:
        """The host's network driver."""
        driver: NetworkDriver = self._services.nodes.driver(host, ROOM)
        return driver

    # -- one object on one host --

    def apply_network(self, host: str, network_id: str, *, looked: bool = False) -> list[str]:
        """Make the host's share of a network as the rows say; returns what was done. `looked`: the host was just looked
        at, so that what is not known to be there is not. Raises NetworkDriverError, Transient."""
        with self.turn(network_id), self._doubting(host, "network", network_id):
            with self.reading() as work:
                plan = specs.network_plan(work, host, network_id)
            if plan is None:
                return self._without_network(host, network_id)
            return self._apply_plan(host, plan) + self._remove_ports(host, plan) + self._apply_ports(host, plan, looked)

    def _plug_in(self, host: str, network_id: str, port_ids: set[str]) -> None:
        """Make the network ready and plug these of its ports in."""
        with self.turn(network_id), self._doubting(host, "network", network_id):
            with self.reading() as work:
                plan = specs.network_plan(work, host, network_id, port_ids)
            if plan is not None:
                self._apply_plan(host, plan)
                for each in plan.plugs:
                    self._apply_port(host, each)

    def _apply_plan(self, host: str, plan: specs.NetworkPlan) -> list[str]:
        applied, driver, network_id, done = self.applied(host), self.driver(host), plan.network.id, []
        if applied.mark("network", network_id) != fingerprint(plan.network):
            driver.ensure_network(plan.network)
            applied.note("network", network_id, fingerprint(plan.network))
            done.append(f"network {network_id} was made on {host}")
        groups = groups_mark(fingerprint(each) for each in plan.groups)
        if applied.mark("groups", network_id) != groups:
            driver.ensure_groups(network_id, plan.groups)
            applied.note("groups", network_id, groups)
            done.append(f"security groups on network {network_id} were set on {host}")
        return done

    @contextmanager
    def _doubting(self, host: str, kind: str, object_id: str) -> Iterator[None]:
        """After a failure nothing that was noted of the object is relied upon."""
        try:
            yield
        except BaseException:
            self.applied(host).doubt(kind, object_id)
            raise

    def _remove_ports(self, host: str, plan: specs.NetworkPlan) -> list[str]:
        applied, done = self.applied(host), []
        for port_id in applied.ports_on(plan.network.id) - {each.port.id for each in plan.plugs}:
            self.driver(host).remove_port(plan.network.id, port_id)
            applied.forget("port", port_id)
            done.append(f"port {port_id} was removed from {host}")
        return done

    def _apply_ports(self, host: str, plan: specs.NetworkPlan, looked: bool) -> list[str]:
        """What changed of the ports that are plugged in; one that fails does not keep the others from being applied."""
        done, failures = [], []
        for each in plan.plugs:
            mark = self.applied(host).mark("port", each.port.id)
            try:
                if mark == fingerprint(each.port):
                    self._ports_are([each.port.id], "ACTIVE")
                elif mark:
                    done.append(self._apply_port(host, each))
                elif looked:
                    done += self._lost(host, each)
            except (NetworkDriverError, Transient) as failure:
                failures.append(failure)
        if failures:
            raise failures[0]
        return done

    def _apply_port(self, host: str, each: specs.Plug) -> str:
        self.driver(host).plug(each.port, each.netns, each.interface, each.default_route)
        self.applied(host).note_port(each.port.id, fingerprint(each.port), each.port.network_id, each.netns)
        self._ports_are([each.port.id], "ACTIVE")
        return f"port {each.port.id} was plugged in on {host}"

    def _lost(self, host: str, each: specs.Plug) -> list[str]:
        """A port is not plugged in any longer. Only its device knows its namespace: the one that was written down may
        have ended and its path be another process's by now. The port is wired to nothing until its device is wired
        again."""
        with self._guard:
            if each.port.id in self._plugging:
                return []
        if not self.write(lambda work: port_store.unwire_if(work, each.port.id, each.netns)):
            return []
        self.driver(host).remove_port(each.port.network_id, each.port.id)
        self.applied(host).forget("port", each.port.id)
        self.changed({each.port.network_id}, set())
        return [f"port {each.port.id} on {host} has lost what it was plugged into"]

    def _without_network(self, host: str, network_id: str) -> list[str]:
        applied = self.applied(host)
        if not applied.knows("network", network_id):
            return []
        self.driver(host).remove_network(network_id)
        for port_id in applied.ports_on(network_id):
            applied.forget("port", port_id)
        applied.forget("groups", network_id)
        applied.forget("network", network_id)
        return [f"network {network_id} was removed from {host}"]

    def apply_router(self, host: str, router_id: str) -> list[str]:
        """Make the router on the host as the rows say; returns what was done. Raises NetworkDriverError, Transient."""
        with self.turn(router_id), self._doubting(host, "router", router_id):
            with self.reading() as work:
                router = router_store.get(work, router_id)
                here = router is not None and router.host == host
                spec = specs.router_spec(work, router_id) if here else None
                ports = [each.id for each in port_store.of_router(work, router_id)] if here else []
            applied = self.applied(host)
            if spec is None:
                return self._without_router(host, router_id, ports)
            mark = fingerprint(spec)
            if applied.mark("router", router_id) == mark:
                return []
            self.driver(host).ensure_router(spec)
            applied.note("router", router_id, mark)
            self._ports_are(ports, "ACTIVE")
            self._floating_are(router_id, "ACTIVE")
            return [f"router {router_id} was set on {host}"]

    def _without_router(self, host: str, router_id: str, ports: list[str]) -> list[str]:
        # A port of a router that is switched off is as ready as it can be: only the router decides whether it forwards.
        self._ports_are(ports, "ACTIVE")
        self._floating_are(router_id, "DOWN")
        if not self.applied(host).knows("router", router_id):
            return []
        self.driver(host).remove_router(router_id)
        self.applied(host).forget("router", router_id)
        return [f"router {router_id} was removed from {host}"]

    # -- one device on one host --

    def wire(self, host: str, device_id: str, netns: str) -> None:
        """Plug a device's ports into its namespace, with all that they need: networks, groups, routers."""
        with self._announced(device_id):
            networks = self.write(lambda work: _wire_rows(work, host, device_id, netns))
            self._clear(host, netns, {each for found in networks.values() for each in found})
            for network_id, port_ids in networks.items():
                self._plug_in(host, network_id, port_ids)
        for router_id in self._routers_on(host, set(networks)):
            # A router that cannot be made is told on the router; a container beside it can still do its work.
            with suppress(NetworkDriverError, Transient, Refused):
                self._ready_router(host, router_id, set(networks))

    @contextmanager
    def _announced(self, device_id: str) -> Iterator[None]:
        """While a device is being wired, that its ports are not plugged in yet is no loss."""
        with self.reading() as work:
            ports = [each.id for each in port_store.of_device(work, device_id)]
        with self._guard:
            self._plugging.update(ports)
        try:
            yield
        finally:
            with self._guard:
                self._plugging.subtract(ports)
                self._plugging += Counter()

    def _routers_on(self, host: str, networks: set[str]) -> list[str]:
        """The routers on this host, or on none yet, that have a port on one of these networks."""
        with self.reading() as work:
            found = [router_store.get(work, each) for each in sorted(router_store.on_networks(work, networks))]
        return [each.id for each in found if each is not None and each.host in (None, host)]

    def _ready_router(self, host: str, router_id: str, ready: set[str]) -> None:
        with self.reading() as work:
            router = router_store.get(work, router_id)
            networks = {each.network_id for each in port_store.of_router(work, router_id)}
        if router is not None and router.host is None:
            self.write(lambda work: router_store.place(work, [router_id], host))
        for network_id in sorted(networks - ready):
            self._plug_in(host, network_id, set())
        self.apply_router(host, router_id)

    def _clear(self, host: str, netns: str, staying: set[str]) -> None:
        """Take away what was plugged into the namespace and is no longer the device's, so that its name is free."""
        for network_id, port_id in self.applied(host).ports_in(netns):
            if port_id not in staying:
                with self.turn(network_id):
                    self.driver(host).remove_port(network_id, port_id)
                    self.applied(host).forget("port", port_id)

    def unwire(self, host: str, device_id: str) -> None:
        """Take a device's ports from the host. What is not there is content."""
        ports = self.write(lambda work: _unwire_rows(work, host, device_id))
        for network_id, port_id in ports:
            with self.turn(network_id):
                self.driver(host).remove_port(network_id, port_id)
                self.applied(host).forget("port", port_id)
        self.changed({network_id for network_id, _ in ports}, set())

    def broken_devices(self, host: str) -> set[str]:
        """The devices with a port that is not plugged in on the host, or damaged, although it is bound there."""
        sound = {each.id for each in self.driver(host).inventory().ports if each.plugged and not each.faults}
        with self.reading() as work:
            return {
                each.attached_to
                for each in port_store.bound_to(work, host)
                if each.id not in sound and each.attached_to
            }

    # -- what the API shows of it --

    def _ports_are(self, port_ids: list[str], status: str) -> None:
        if not port_ids:
            return
        with self.reading() as work:
            other = port_store.not_in_status(work, port_ids, status)
        if other:
            self.write(lambda work: port_store.set_status(work, other, status))

    def router_is(self, router_id: str, status: str, host: str) -> None:
        """What the host made of a router that is placed there."""
        with self.reading() as work:
            router = router_store.get(work, router_id)
        if router is not None and router.host == host and router.status != status:
            self.write(lambda work: router_store.set_status(work, router_id, status))

    def _floating_are(self, router_id: str, status: str) -> None:
        with self.reading() as work:
            other = floating_store.wrong_status(work, router_id, status)
        if other:
            self.write(lambda work: floating_store.set_status(work, router_id, status))


def _wire_rows(work: Work, host: str, device_id: str, netns: str) -> dict[str, set[str]]:
    """Say where a device's ports are to be: eth0, eth1, … in their order; a port that has its place there keeps it."""
    ports = port_store.of_device(work, device_id)
    held = {each.wiring["interface"] for each in ports if each.wiring and each.wiring["netns"] == netns}
    free = (name for name in (f"eth{index}" for index in count()) if name not in held)
    networks: dict[str, set[str]] = {}
    for index, each in enumerate(ports):
        networks.setdefault(each.network_id, set()).add(each.id)
        if not (each.wiring and each.wiring["netns"] == netns):
            wiring = {"netns": netns, "interface": next(free), "default_route": index == 0}
            port_store.set_wiring(work, each.id, host, wiring)
    return networks


def _unwire_rows(work: Work, host: str, device_id: str) -> list[tuple[str, str]]:
    ports = port_store.of_device(work, device_id)
    for each in ports:
        port_store.set_wiring(work, each.id, host, None)
    return [(each.network_id, each.id) for each in ports]
