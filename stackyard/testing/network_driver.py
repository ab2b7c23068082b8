"""What every network driver keeps, as tests: subclass ``NetworkDriverSuite`` beside a ``host`` fixture of your own.

The suite sends no packets: what filters let through is for a driver's own tests. It asks that calls may be repeated,
that a new driver over the same host carries on, that damage is seen and mended, and that nothing is left over.
"""

import uuid
from typing import Any, Protocol

import msgspec
import pytest

from stackyard.rooms.network.driver import (
    AddressConflict,
    ExternalSpec,
    FloatingSpec,
    GroupSpec,
    InterfaceTaken,
    InvalidSpec,
    Inventory,
    NamespaceGone,
    NetworkDriver,
    NetworkSpec,
    PortSpec,
    RealNetwork,
    RealPort,
    RealRouter,
    RouterGateway,
    RouterPort,
    RouterSpec,
    RouteSpec,
    RuleSpec,
    UnknownNetwork,
    fingerprint,
)


class DriverHost(Protocol):
    """A host that drivers work on, as the suite needs it."""

    def driver(self, cloud: str = "one") -> NetworkDriver:
        """A new driver object over this same host."""

    def namespace(self) -> str:
        """The path of a new, empty network namespace."""

    def end_namespace(self, netns: str) -> None:
        """End a namespace, as when its process dies."""

    def add_foreign_interface(self, netns: str, name: str) -> None:
        """Put an interface that is no driver's into a namespace."""

    def damage_network(self, network_id: str, cloud: str = "one") -> None:
        """Break something that the driver made for a network, behind its back."""


def new_id() -> str:
    """A UUID as text."""
    return str(uuid.uuid4())


def a_port(network_id: str, last: int = 5, **changes: Any) -> PortSpec:
    """A port with the addresses 10.0.0.<last> and fd00::<last>."""
    port = PortSpec(
        id=new_id(),
        network_id=network_id,
        mac=f"fa:16:3e:00:00:{last:02x}",
        addresses=[f"10.0.0.{last}/24", f"fd00::{last}/64"],
        gateways=["10.0.0.1", "fd00::1"],
    )
    return msgspec.structs.replace(port, **changes)


def a_router(inside: str, outside: str, **changes: Any) -> RouterSpec:
    """A router between a network of 10.0.0.0/24 and an external one of 203.0.113.0/24."""
    router = RouterSpec(
        id=new_id(),
        interfaces=[
            RouterPort(
                port_id=new_id(), network_id=inside, mac="fa:16:3e:01:00:01", addresses=["10.0.0.1/24", "fd00::1/64"]
            )
        ],
        gateway=RouterGateway(
            port=RouterPort(
                port_id=new_id(), network_id=outside, mac="fa:16:3e:02:00:0a", addresses=["203.0.113.10/24"]
            ),
            next_hops=["203.0.113.1"],
        ),
    )
    return msgspec.structs.replace(router, **changes)


def an_external_network(address: str = "203.0.113.1/24") -> NetworkSpec:
    """A network that the host is on."""
    return NetworkSpec(id=new_id(), external=ExternalSpec(host_addresses=[address]))


def a_group(**changes: Any) -> GroupSpec:
    """A group that lets its members send anything and be pinged."""
    rules = [
        RuleSpec(id=new_id(), direction="egress", ethertype="IPv4"),
        RuleSpec(id=new_id(), direction="egress", ethertype="IPv6"),
        RuleSpec(id=new_id(), direction="ingress", ethertype="IPv4", protocol="icmp"),
    ]
    return msgspec.structs.replace(GroupSpec(id=new_id(), rules=rules), **changes)


def faults(inventory: Inventory) -> list[str]:
    """Every fault of every object in an inventory, and the leftovers."""
    objects: list[RealNetwork | RealPort | RealRouter] = [*inventory.networks, *inventory.ports, *inventory.routers]
    return [fault for found in objects for fault in found.faults] + inventory.leftovers


class NetworkDriverSuite:
    """The tests. A subclass's module has a fixture ``host`` that gives a ``DriverHost``, new for every test."""

    def test_every_call_may_be_made_twice(self, host: DriverHost) -> None:
        driver, network, external, group = host.driver(), NetworkSpec(id=new_id()), an_external_network(), a_group()
        port, router, netns = a_port(network.id, groups=[group.id]), a_router(network.id, external.id), host.namespace()
        for _ in range(2):
            driver.ensure_network(network)
            driver.ensure_network(external)
            driver.ensure_groups(network.id, [group])
            driver.ensure_port(port)
            driver.plug(port, netns)
            driver.ensure_router(router)
            found = driver.inventory()
            assert faults(found) == []
            assert {one.id for one in found.networks} == {network.id, external.id}
            assert [(one.id, one.plugged) for one in found.ports] == [(port.id, True)]
            assert [one.id for one in found.routers] == [router.id]
        for _ in range(2):
            driver.unplug(network.id, port.id)
            assert [one.plugged for one in driver.inventory().ports] == [False]
        for _ in range(2):
            driver.remove_router(router.id)
            driver.remove_port(network.id, port.id)
            driver.remove_network(network.id)
            driver.remove_network(external.id)
        assert driver.inventory() == Inventory(networks=[], ports=[], routers=[], leftovers=[])

    def test_removing_what_never_was_succeeds(self, host: DriverHost) -> None:
        driver = host.driver()
        driver.unplug(new_id(), new_id())
        driver.remove_port(new_id(), new_id())
        driver.remove_router(new_id())
        driver.remove_network(new_id())
        driver.remove_all()

    def test_fingerprints_tell_what_was_applied_last(self, host: DriverHost) -> None:
        driver, network, group = host.driver(), NetworkSpec(id=new_id()), a_group()
        driver.ensure_network(network)
        driver.ensure_groups(network.id, [group])
        port = a_port(network.id, groups=[group.id])
        for wanted in (port, msgspec.structs.replace(port, addresses=["10.0.0.7/24"])):
            driver.ensure_port(wanted)
            (found,) = driver.inventory().ports
            assert found.fingerprint == fingerprint(wanted)
        changed = msgspec.structs.replace(group, members=["10.0.0.5"])
        driver.ensure_groups(network.id, [changed])
        (real,) = driver.inventory().networks
        assert real.fingerprint == fingerprint(network)
        assert real.groups == {group.id: fingerprint(changed)}

    def test_a_new_driver_finds_everything_as_it_was(self, host: DriverHost) -> None:
        driver, network, external, group = host.driver(), NetworkSpec(id=new_id()), an_external_network(), a_group()
        port, router = a_port(network.id, groups=[group.id]), a_router(network.id, external.id)
        driver.ensure_network(network)
        driver.ensure_network(external)
        driver.ensure_groups(network.id, [group])
        driver.plug(port, host.namespace())
        driver.ensure_router(router)
        before = driver.inventory()
        assert host.driver().inventory() == before

    def test_plug_filters_by_itself(self, host: DriverHost) -> None:
        driver, network = host.driver(), NetworkSpec(id=new_id())
        driver.ensure_network(network)
        driver.plug(a_port(network.id), host.namespace())
        assert [port.plugged for port in driver.inventory().ports] == [True]

    def test_a_port_follows_its_container_into_a_new_namespace(self, host: DriverHost) -> None:
        driver, network = host.driver(), NetworkSpec(id=new_id())
        driver.ensure_network(network)
        port, first, second = a_port(network.id), host.namespace(), host.namespace()
        driver.plug(port, first)
        driver.plug(port, second)
        driver.plug(a_port(network.id, 6), first)
        host.end_namespace(second)
        assert {one.id for one in driver.inventory().ports if not one.plugged} == {port.id}

    def test_plugging_into_a_namespace_that_ended_says_so(self, host: DriverHost) -> None:
        driver, network, netns = host.driver(), NetworkSpec(id=new_id()), host.namespace()
        driver.ensure_network(network)
        host.end_namespace(netns)
        with pytest.raises(NamespaceGone, match="namespace"):
            driver.plug(a_port(network.id), netns)

    def test_an_interface_of_somebody_else_is_left_alone(self, host: DriverHost) -> None:
        driver, network, netns = host.driver(), NetworkSpec(id=new_id()), host.namespace()
        driver.ensure_network(network)
        host.add_foreign_interface(netns, "eth0")
        with pytest.raises(InterfaceTaken, match="eth0"):
            driver.plug(a_port(network.id), netns)
        driver.plug(a_port(network.id), netns, interface="eth1")

    def test_two_ports_cannot_be_one_interface(self, host: DriverHost) -> None:
        driver, network, netns = host.driver(), NetworkSpec(id=new_id()), host.namespace()
        driver.ensure_network(network)
        driver.plug(a_port(network.id, 5), netns)
        with pytest.raises(InterfaceTaken, match="eth0"):
            driver.plug(a_port(network.id, 6), netns)

    def test_an_unknown_network_is_named(self, host: DriverHost) -> None:
        driver = host.driver()
        with pytest.raises(UnknownNetwork, match="network nowhere"):
            driver.ensure_port(a_port("nowhere"))
        with pytest.raises(UnknownNetwork, match="network nowhere"):
            driver.ensure_groups("nowhere", [])
        with pytest.raises(UnknownNetwork, match="network nowhere"):
            driver.ensure_router(a_router("nowhere", "nowhere"))

    @pytest.mark.parametrize(
        "changes", [{"mac": "no mac"}, {"mac": "01:00:5e:00:00:01"}, {"addresses": ["10.0.0.300/24"]}, {"id": "a/b"}]
    )
    def test_a_port_that_cannot_be_is_refused_and_leaves_nothing(
        self, host: DriverHost, changes: dict[str, Any]
    ) -> None:
        driver, network = host.driver(), NetworkSpec(id=new_id())
        driver.ensure_network(network)
        with pytest.raises(InvalidSpec):
            driver.ensure_port(a_port(network.id, **changes))
        found = driver.inventory()
        assert (found.ports, faults(found)) == ([], [])

    def test_a_rule_that_cannot_be_is_refused_and_the_old_ones_stay(self, host: DriverHost) -> None:
        driver, network, group = host.driver(), NetworkSpec(id=new_id()), a_group()
        driver.ensure_network(network)
        driver.ensure_groups(network.id, [group])
        wrong = RuleSpec(id=new_id(), direction="ingress", ethertype="IPv6", remote_prefix="10.0.0.0/8")
        with pytest.raises(InvalidSpec, match=wrong.id):
            driver.ensure_groups(network.id, [msgspec.structs.replace(group, rules=[wrong])])
        (real,) = driver.inventory().networks
        assert real.groups == {group.id: fingerprint(group)}

    @pytest.mark.parametrize(
        "changes",
        [
            {"gateway": None, "floating": [FloatingSpec(floating_ip="203.0.113.20", fixed_ip="10.0.0.5")]},
            {"routes": [RouteSpec(destination="10.9.0.0/16", next_hop="172.16.0.1")]},
            {"floating": [FloatingSpec(floating_ip="203.0.113.300", fixed_ip="10.0.0.5")]},
            {"floating": [FloatingSpec(floating_ip="203.0.113.20", fixed_ip=f"10.0.0.{n}") for n in (5, 6)]},
        ],
    )
    def test_a_router_that_cannot_be_is_refused_and_leaves_nothing(
        self, host: DriverHost, changes: dict[str, Any]
    ) -> None:
        driver, network, external = host.driver(), NetworkSpec(id=new_id()), an_external_network()
        driver.ensure_network(network)
        driver.ensure_network(external)
        with pytest.raises(InvalidSpec):
            driver.ensure_router(a_router(network.id, external.id, **changes))
        assert driver.inventory().routers == []

    def test_a_port_may_wear_a_group_before_the_group_is_told(self, host: DriverHost) -> None:
        driver, network, group = host.driver(), NetworkSpec(id=new_id()), a_group()
        driver.ensure_network(network)
        port = a_port(network.id, groups=[group.id])
        driver.ensure_port(port)
        driver.ensure_groups(network.id, [group])
        driver.ensure_groups(network.id, [])
        driver.remove_port(network.id, port.id)
        assert faults(driver.inventory()) == []

    def test_damage_is_seen_and_mended(self, host: DriverHost) -> None:
        driver, network = host.driver(), NetworkSpec(id=new_id())
        driver.ensure_network(network)
        driver.plug(a_port(network.id), host.namespace())
        host.damage_network(network.id)
        assert faults(driver.inventory()) != []
        driver.ensure_network(network)
        assert faults(driver.inventory()) == []

    def test_two_clouds_with_one_external_range_are_a_named_conflict(self, host: DriverHost) -> None:
        first, second = host.driver("one"), host.driver("two")
        first.ensure_network(an_external_network("203.0.113.1/24"))
        with pytest.raises(AddressConflict, match=r"203\.0\.113\..*of the cloud"):
            second.ensure_network(an_external_network("203.0.113.200/25"))
        second.ensure_network(an_external_network("198.51.100.1/24"))
        assert faults(second.inventory()) == []

    def test_removing_one_cloud_leaves_the_other(self, host: DriverHost) -> None:
        first, second = host.driver("one"), host.driver("two")
        network = NetworkSpec(id=new_id())
        for driver in (first, second):
            driver.ensure_network(network)
            driver.plug(a_port(network.id), host.namespace())
        before = second.inventory()
        first.remove_all()
        assert first.inventory() == Inventory(networks=[], ports=[], routers=[], leftovers=[])
        assert second.inventory() == before
        assert faults(before) == []
