"""Routers, floating addresses and the way out of the host, told by real packets."""

import json
from dataclasses import dataclass

import msgspec
import pytest

from stackyard.rooms.network.driver import (
    AddressConflict,
    ExternalSpec,
    FloatingSpec,
    GroupSpec,
    NetworkDriver,
    NetworkSpec,
    RouterGateway,
    RouterPort,
    RouterSpec,
    RouteSpec,
    RuleSpec,
)
from stackyard.testing.network_driver import a_port, faults, new_id
from tests.rooms.network.drivers.packets import MOMENT, Container, PretendHost, echoes, until

pytestmark = pytest.mark.integration

ANYTHING = GroupSpec(
    id="any",
    rules=[
        RuleSpec(id=f"{direction}-{kind}", direction=direction, ethertype=kind)
        for direction in ("ingress", "egress")
        for kind in ("IPv4", "IPv6")
    ],
)


@dataclass
class Yard:
    """A host with an external network and as many networks behind one router as a test adds."""

    host: PretendHost
    driver: NetworkDriver
    external: NetworkSpec
    router: RouterSpec

    def add_network(self, number: int) -> NetworkSpec:
        """A network of 10.0.<number>.0/24 and fd00:0:0:<number>::/64 on the router."""
        network = NetworkSpec(id=new_id())
        self.driver.ensure_network(network)
        self.driver.ensure_groups(network.id, [ANYTHING])
        place = RouterPort(
            port_id=new_id(),
            network_id=network.id,
            mac=f"fa:16:3e:01:00:{number:02x}",
            addresses=[f"10.0.{number}.1/24", f"fd00:0:0:{number}::1/64"],
        )
        self.change(interfaces=[*self.router.interfaces, place])
        return network

    def change(self, **changes: object) -> None:
        self.router = msgspec.structs.replace(self.router, **changes)
        self.driver.ensure_router(self.router)

    def add_container(self, network: NetworkSpec, number: int, last: int) -> Container:
        container = self.host.container()
        port = a_port(
            network.id,
            last,
            addresses=[f"10.0.{number}.{last}/24", f"fd00:0:0:{number}::{last}/64"],
            gateways=[f"10.0.{number}.1", f"fd00:0:0:{number}::1"],
            groups=["any"],
        )
        self.driver.plug(port, str(container.path))
        container.listen(80)
        return container


@pytest.fixture
def yard(pretend_host: PretendHost) -> Yard:
    driver = pretend_host.driver()
    external = NetworkSpec(id=new_id(), external=ExternalSpec(host_addresses=["203.0.113.1/24", "2001:db8:9::1/64"]))
    driver.ensure_network(external)
    place = RouterPort(
        port_id=new_id(),
        network_id=external.id,
        mac="fa:16:3e:02:00:0a",
        addresses=["203.0.113.10/24", "2001:db8:9::10/64"],
    )
    gateway = RouterGateway(port=place, next_hops=["203.0.113.1", "2001:db8:9::1"])
    router = RouterSpec(id=new_id(), gateway=gateway)
    driver.ensure_router(router)
    return Yard(pretend_host, driver, external, router)


def test_a_router_joins_two_networks_over_both_families(yard: Yard) -> None:
    one = yard.add_container(yard.add_network(1), 1, 5)
    yard.add_container(yard.add_network(2), 2, 5)
    assert one.reaches("10.0.2.5", 80)
    assert one.reaches("fd00:0:0:2::5", 80)
    yard.change(interfaces=yard.router.interfaces[:1])
    assert not one.reaches("10.0.2.5", 80, within=MOMENT)
    assert not one.reaches("fd00:0:0:2::5", 80, within=MOMENT)
    assert faults(yard.driver.inventory()) == []


def test_containers_reach_beyond_the_host_by_its_address(yard: Yard) -> None:
    one = yard.add_container(yard.add_network(1), 1, 5)
    outside = yard.host.add_outside("192.0.2.2/24", "192.0.2.9/24")
    outside.listen(80)
    assert not one.reaches("192.0.2.2", 80, within=MOMENT)
    with one.connect("192.0.2.9", 80) as connection:
        assert echoes(connection)
    assert "192.0.2.2" in outside.run("ip", "neighbour").stdout
    assert not outside.reaches("10.0.1.5", 80, within=MOMENT)


def test_without_snat_the_inside_address_goes_out(yard: Yard) -> None:
    assert yard.router.gateway is not None
    one = yard.add_container(yard.add_network(1), 1, 5)
    assert one.pings("203.0.113.1")
    yard.change(gateway=msgspec.structs.replace(yard.router.gateway, snat=False))
    assert not one.pings("203.0.113.1", within=MOMENT)
    yard.host.run("ip", "route", "add", "10.0.1.0/24", "via", "203.0.113.10")
    assert one.pings("203.0.113.1")


def test_the_host_reaches_a_floating_address_until_it_is_taken_away(yard: Yard) -> None:
    network = yard.add_network(1)
    one = yard.add_container(network, 1, 5)
    two = yard.add_container(network, 1, 6)
    assert not yard.host.reaches("203.0.113.20", 80, within=MOMENT)
    yard.change(floating=[FloatingSpec(floating_ip="203.0.113.20", fixed_ip="10.0.1.5")])
    assert yard.host.reaches("203.0.113.20", 80)
    assert two.reaches("203.0.113.20", 80)
    assert one.reaches("203.0.113.20", 80)
    yard.change(floating=[])
    assert not yard.host.reaches("203.0.113.20", 80, within=MOMENT)


def test_a_floating_address_taken_away_ends_its_connections(yard: Yard) -> None:
    one = yard.add_container(yard.add_network(1), 1, 5)
    yard.change(floating=[FloatingSpec(floating_ip="203.0.113.20", fixed_ip="10.0.1.5")])
    server = yard.host.add_outside("192.0.2.2/24", "192.0.2.9/24")
    server.listen(80)
    with one.connect("192.0.2.9", 80) as connection:
        assert echoes(connection)
        yard.change(floating=[])
        assert not echoes(connection, within=MOMENT)
    assert one.connect("192.0.2.9", 80)


def test_a_floating_address_moves_to_another_container_at_once(yard: Yard) -> None:
    network = yard.add_network(1)
    yard.add_container(network, 1, 5)
    second = yard.host.container()
    yard.driver.plug(
        a_port(network.id, 6, addresses=["10.0.1.6/24"], gateways=["10.0.1.1"], groups=["any"]), str(second.path)
    )
    second.listen(81)
    yard.change(floating=[FloatingSpec(floating_ip="203.0.113.20", fixed_ip="10.0.1.5")])
    assert yard.host.reaches("203.0.113.20", 80)
    yard.change(floating=[FloatingSpec(floating_ip="203.0.113.20", fixed_ip="10.0.1.6")])
    assert yard.host.reaches("203.0.113.20", 81)
    assert not yard.host.reaches("203.0.113.20", 80, within=MOMENT)


def test_tenants_behind_routers_of_their_own_may_use_the_same_range(yard: Yard) -> None:
    mine = yard.add_container(yard.add_network(1), 1, 5)
    assert yard.router.gateway is not None
    place = RouterPort(
        port_id=new_id(), network_id=yard.external.id, mac="fa:16:3e:02:00:0b", addresses=["203.0.113.11/24"]
    )
    theirs = Yard(
        yard.host,
        yard.driver,
        yard.external,
        RouterSpec(id=new_id(), gateway=RouterGateway(port=place, next_hops=["203.0.113.1"])),
    )
    other = theirs.add_container(theirs.add_network(1), 1, 5)
    yard.change(floating=[FloatingSpec(floating_ip="203.0.113.20", fixed_ip="10.0.1.5")])
    theirs.change(floating=[FloatingSpec(floating_ip="203.0.113.21", fixed_ip="10.0.1.5")])
    mine.listen(81)
    assert yard.host.reaches("203.0.113.20", 81)
    assert not yard.host.reaches("203.0.113.21", 81, within=MOMENT)
    assert other.reaches("203.0.113.20", 81)
    assert not mine.reaches("203.0.113.21", 81, within=MOMENT)


def test_a_static_route_leads_through_a_container(yard: Yard) -> None:
    network = yard.add_network(1)
    one = yard.add_container(network, 1, 5)
    middle = yard.host.container()
    port = a_port(network.id, 6, addresses=["10.0.1.6/24"], gateways=["10.0.1.1"], groups=["any"], port_security=False)
    yard.driver.plug(port, str(middle.path))
    middle.run("ip", "address", "add", "10.9.0.1/32", "dev", "lo")
    assert not one.pings("10.9.0.1", within=MOMENT)
    yard.change(routes=[RouteSpec(destination="10.9.0.0/16", next_hop="10.0.1.6")])
    assert one.pings("10.9.0.1")
    yard.change(routes=[])
    assert not one.pings("10.9.0.1", within=MOMENT)


def test_a_subnets_host_routes_are_the_containers(yard: Yard) -> None:
    container = yard.host.container()
    network = yard.add_network(1)
    routes = [RouteSpec(destination="172.20.0.0/16", next_hop="10.0.0.77")]
    port = a_port(network.id, routes=routes)
    yard.driver.plug(port, str(container.path), default_route=False)
    assert _routes(container) == {("172.20.0.0/16", "10.0.0.77")}
    yard.driver.plug(msgspec.structs.replace(port, routes=[]), str(container.path), default_route=True)
    assert _routes(container) == {("default", "10.0.0.1")}


def _routes(container: Container) -> set[tuple[str, str]]:
    listed = json.loads(container.run("ip", "-json", "route").stdout)
    return {(route["dst"], route["gateway"]) for route in listed if "gateway" in route}


def test_ipv6_leaves_the_router_untranslated(yard: Yard) -> None:
    one = yard.add_container(yard.add_network(1), 1, 5)
    assert not one.pings("2001:db8:9::1", within=MOMENT)
    yard.host.run("ip", "route", "add", "fd00:0:0:1::/64", "via", "2001:db8:9::10")
    assert one.pings("2001:db8:9::1")


def test_a_flushed_router_is_seen_and_mended(yard: Yard) -> None:
    one = yard.add_container(yard.add_network(1), 1, 5)
    place = yard.host.names().router(yard.router.id)
    yard.host.run("ip", "netns", "exec", place, "nft", "flush", "ruleset")
    yard.host.run("ip", "netns", "exec", place, "ip", "route", "flush", "root", "0.0.0.0/0")
    assert len(faults(yard.driver.inventory())) >= 2
    yard.driver.ensure_router(yard.router)
    assert faults(yard.driver.inventory()) == []
    assert one.pings("203.0.113.1")


def test_a_firewall_that_stops_outbound_nat_is_told_and_left_alone(yard: Yard) -> None:
    assert yard.driver.warnings() == []
    yard.host.run(
        "nft", "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"
    )
    (warning,) = yard.driver.warnings()
    assert "filter FORWARD" in warning
    yard.driver.ensure_network(yard.external)
    assert "policy drop" in yard.host.run("nft", "list", "table", "ip", "filter").stdout


def test_an_address_of_the_hosts_own_link_is_a_named_conflict(pretend_host: PretendHost) -> None:
    pretend_host.add_outside("203.0.113.77/24", "203.0.113.78/24")
    with pytest.raises(AddressConflict, match=r"203\.0\.113\.77/24 on eth0"):
        pretend_host.driver().ensure_network(
            NetworkSpec(id=new_id(), external=ExternalSpec(host_addresses=["203.0.113.1/24"]))
        )


def test_removing_everything_leaves_the_host_as_it_was(pretend_host: PretendHost) -> None:
    pretend_host.add_outside("192.0.2.2/24", "192.0.2.9/24")
    pretend_host.run("sysctl", "-qw", "net.ipv4.conf.eth0.forwarding=1", "net.ipv4.conf.all.accept_redirects=0")
    before = pretend_host.looks()
    driver = pretend_host.driver()
    external = NetworkSpec(id=new_id(), external=ExternalSpec(host_addresses=["203.0.113.1/24", "2001:db8:9::1/64"]))
    network = NetworkSpec(id=new_id())
    for spec in (external, network):
        driver.ensure_network(spec)
    driver.ensure_groups(network.id, [ANYTHING])
    driver.plug(a_port(network.id, groups=["any"]), pretend_host.namespace())
    assert pretend_host.looks() != before
    driver.remove_all()
    assert pretend_host.looks() == before


def test_the_last_cloud_to_leave_gives_forwarding_back(pretend_host: PretendHost) -> None:
    def forwarding() -> str:
        return pretend_host.run("sysctl", "-n", "net.ipv4.ip_forward").stdout.strip()

    pretend_host.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    first, second = pretend_host.driver("one"), pretend_host.driver("two")
    first.ensure_network(NetworkSpec(id=new_id(), external=ExternalSpec(host_addresses=["203.0.113.1/24"])))
    second.ensure_network(NetworkSpec(id=new_id(), external=ExternalSpec(host_addresses=["198.51.100.1/24"])))
    first.remove_all()
    assert forwarding() == "1"
    assert faults(second.inventory()) == []
    second.remove_all()
    assert forwarding() == "0"


def test_a_router_goes_at_once_with_its_interfaces(yard: Yard) -> None:
    network = yard.add_network(1)
    yard.driver.remove_router(yard.router.id)
    assert "r" not in {line[0] for line in yard.host.inside_network(network.id, "ip", "-br", "link").splitlines()}
    assert until(lambda: not yard.driver.inventory().routers)
    yard.driver.ensure_router(yard.router)
    assert faults(yard.driver.inventory()) == []
