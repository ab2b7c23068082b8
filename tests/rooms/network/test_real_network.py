"""The network room on the host's own kernel: what tenants ask of the API, told by real packets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.kernel.caller import Caller
from stackyard.rooms.container.drivers.fake.driver import FakeDriver as FakeContainers
from stackyard.rooms.container.drivers.fake.world import World as ContainerWorld
from stackyard.rooms.network import facade
from stackyard.testing.cloud import RunningCloud, cloud
from tests.rooms.network.drivers.packets import Container, PretendHost, echoes, until
from tests.rooms.network.neutron import Neutron

pytestmark = pytest.mark.integration

SOON = 5.0


class Lab:
    """A cloud on a pretend host, and containers wired by the facade as the container room does it."""

    def __init__(self, host: PretendHost, running: RunningCloud) -> None:
        self.host = host
        self.running = running
        self.tenant = Neutron(running.demo)
        self._devices = 0

    @property
    def node(self) -> str:
        """The one host's name."""
        (name,) = self.running.cloud.nodes.names()
        return name

    def container(self, tenant: Neutron | None = None, **net: object) -> tuple[Container, facade.Port]:
        """A container on a network of a tenant, ready when this returns."""
        tenant = tenant or self.tenant
        self._devices += 1
        device, made, services = f"device-{self._devices}", self.host.container(), self.running.cloud.services
        assert tenant.project_id is not None
        caller = Caller(user_id="u", project_id=tenant.project_id, roles=("member", "reader"))
        with services.database.write() as tx:
            (port,) = facade.reserve_ports(
                services.work(tx, caller), device_id=device, project_id=tenant.project_id, nets=[net] if net else []
            )
        facade.wire(services, self.node, device, str(made.path))
        return made, port

    def allow(self, tenant: Neutron, port: facade.Port, **rule: object) -> dict[str, object]:
        """A rule added to what a port wears."""
        return tenant.make(
            "security-group-rules", security_group_id=port.security_groups[0], direction="ingress", **rule
        )

    def differences(self) -> list[str]:
        """What `stackyard check` says of networks."""
        kinds = ("network", "port", "router", "leftover", "host")
        return [each.text for each in self.running.cloud.reconcilers.mismatches() if each.kind in kinds]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """See Lab. Nothing of it stays on the machine."""
    host = PretendHost(tmp_path / "host")
    try:
        drivers = {"container": FakeContainers(ContainerWorld()), "network": host.driver()}
        with cloud(tmp_path, drivers=drivers, cloud_id=host.names().cloud) as running:
            yield Lab(host, running)
    finally:
        host.leave()


def _address(port: facade.Port) -> str:
    return port.addresses[0].ip


def test_a_container_reaches_its_gateway_its_neighbour_and_the_host_from_its_first_packet(lab: Lab) -> None:
    one, port = lab.container()
    assert one.pings("10.0.0.1")
    assert one.pings("203.0.113.1")
    two, _ = lab.container()
    assert two.pings(_address(port))
    assert until(lambda: lab.differences() == [], SOON), lab.differences()


def test_a_floating_ip_leads_the_host_to_the_container_as_its_group_allows(lab: Lab) -> None:
    web, port = lab.container()
    web.listen(80)
    made = lab.tenant.make("floatingips", floating_network_id=lab.tenant.public(), port_id=port.id)
    outside = made["floating_ip_address"]
    assert until(lambda: lab.tenant.show("floatingips", made["id"])["status"] == "ACTIVE", SOON)
    assert not lab.host.reaches(outside, 80)
    rule = lab.allow(lab.tenant, port, protocol="tcp", port_range_min=80, port_range_max=80)
    assert until(lambda: lab.host.reaches(outside, 80), SOON)
    lab.tenant.gone("security-group-rules", str(rule["id"]))
    assert until(lambda: not lab.host.reaches(outside, 80), SOON)
    lab.allow(lab.tenant, port, protocol="tcp", port_range_min=80, port_range_max=80)
    assert until(lambda: lab.host.reaches(outside, 80), SOON)
    lab.tenant.change("floatingips", made["id"], port_id=None)
    assert until(lambda: not lab.host.reaches(outside, 80), SOON)


def test_removing_a_rule_ends_the_connections_it_allowed(lab: Lab) -> None:
    server, port = lab.container()
    server.listen(7)
    other, _ = lab.tenant.net("10.66.0.0/24")
    (router,) = lab.tenant.list("routers")
    subnet = lab.tenant.list("subnets", f"network_id={other['id']}")[0]
    lab.tenant.connect(router["id"], subnet_id=subnet["id"])
    group = lab.tenant.make("security-groups", name="clients")
    client, far = lab.container(network=other["id"])
    lab.tenant.change("ports", far.id, security_groups=[group["id"]])
    rule = lab.allow(lab.tenant, port, protocol="tcp", port_range_min=7, port_range_max=7, remote_group_id=group["id"])
    assert until(lambda: client.reaches(_address(port), 7), SOON)
    with client.connect(_address(port), 7) as connection:
        assert echoes(connection)
        lab.tenant.gone("security-group-rules", str(rule["id"]))
        assert until(lambda: not echoes(connection), SOON)


def test_two_tenants_on_one_range_never_meet(lab: Lab) -> None:
    other = Neutron(lab.running.persona("other"))
    same = {}
    for tenant in (lab.tenant, other):
        network, _ = tenant.net("10.100.0.0/28")
        container, port = lab.container(tenant, network=network["id"], **{"v4-fixed-ip": "10.100.0.5"})
        lab.allow(tenant, port, protocol="tcp")
        same[tenant] = (container, network["id"])
    same[lab.tenant][0].listen(7)
    (theirs, network_id), (_, own_id) = same[other], same[lab.tenant]
    neighbour, _ = lab.container(lab.tenant, network=own_id)
    stranger, _ = lab.container(other, network=network_id)
    assert until(lambda: neighbour.reaches("10.100.0.5", 7), SOON)
    assert not stranger.reaches("10.100.0.5", 7)
    theirs.listen(7)
    assert until(lambda: stranger.reaches("10.100.0.5", 7), SOON)


def test_ipv6_works_between_a_tenants_networks(lab: Lab) -> None:
    router = lab.tenant.make("routers")
    containers = []
    for cidr in ("fd00:a::/64", "fd00:b::/64"):
        network, subnet = lab.tenant.net(cidr)
        assert lab.tenant.connect(router["id"], subnet_id=subnet["id"]).status_code == 200
        containers.append(lab.container(network=network["id"]))
    (one, _), (_, far) = containers
    assert until(lambda: one.pings(_address(far)), SOON)


def test_a_deleted_bridge_is_made_again_and_the_containers_are_back_on_it(lab: Lab) -> None:
    one, port = lab.container()
    two, _ = lab.container()
    assert two.pings(_address(port))
    lab.host.damage_network(port.network_id)
    assert lab.differences()
    lab.running.cloud.reconcilers.run_once("network")
    assert until(lambda: lab.differences() == [], SOON)
    services = lab.running.cloud.services
    assert facade.broken_devices(services, lab.node) == {"device-1", "device-2"}
    for device, container in (("device-1", one), ("device-2", two)):
        facade.wire(services, lab.node, device, str(container.path))
    assert two.pings(_address(port))
    assert one.pings("10.0.0.1")


def test_a_restart_interrupts_nothing(lab: Lab) -> None:
    server, port = lab.container()
    client, _ = lab.container()
    server.listen(7)
    with client.connect(_address(port), 7) as connection:
        lab.running.restart()
        lab.running.cloud.reconcilers.run_once("network")
        assert echoes(connection)
    assert lab.differences() == []


def test_nothing_of_a_deleted_project_stays_on_the_host(lab: Lab) -> None:
    assert until(lambda: lab.differences() == [], SOON)
    before = lab.host.looks()
    network, subnet = lab.tenant.net("10.67.0.0/24")
    router = lab.tenant.make("routers", external_gateway_info={"network_id": lab.tenant.public()})
    lab.tenant.connect(router["id"], subnet_id=subnet["id"])
    _, port = lab.container(network=network["id"])
    made = lab.tenant.make("floatingips", floating_network_id=lab.tenant.public(), port_id=port.id)
    assert until(lambda: lab.tenant.show("floatingips", made["id"])["status"] == "ACTIVE", SOON)
    services = lab.running.cloud.services
    facade.unwire(services, lab.node, "device-1")
    with services.database.write() as tx:
        facade.release_ports(services.work(tx, Caller()), "device-1")
    lab.tenant.gone("floatingips", made["id"])
    lab.tenant.disconnect(router["id"], subnet_id=subnet["id"])
    lab.tenant.gone("routers", router["id"])
    lab.tenant.gone("networks", network["id"])
    assert until(lambda: lab.host.looks()["namespaces"] == before["namespaces"], SOON)
    assert lab.host.looks()["links"] == before["links"]
    assert lab.differences() == []
