"""Rows become real: what changes reaches the host at once, what is damaged is repaired, what nobody wants goes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from stackyard.kernel.caller import Caller
from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.work import Work
from stackyard.rooms.network import facade
from stackyard.rooms.network.driver import HostFailure, NamespaceGone, RuleSpec
from stackyard.rooms.network.drivers.fake import Cloud as FakeHost
from stackyard.testing.cloud import RunningCloud, cloud
from tests.rooms.network.neutron import BASE, Neutron, refusal

T = TypeVar("T")
NETNS = "/run/netns/one"


@pytest.fixture
def still(tmp_path: Path) -> Iterator[RunningCloud]:
    """A cloud where nothing happens in the background: tests say when the reconciler runs."""
    with cloud(tmp_path, threads=0) as running:
        running.cloud.reconcilers.run_once("network")
        yield running


class Lab:
    """A still cloud with a tenant, seen from the API, from the container room's side and from the host."""

    def __init__(self, running: RunningCloud) -> None:
        self.running = running
        self.tenant = Neutron(running.demo)
        self.services = running.cloud.services
        self.host = "testhost"

    @property
    def real(self) -> FakeHost:
        """What the host has of this cloud."""
        return self.running.worlds.network.clouds[self.running.settings.cloud_id]

    def reconcile(self) -> list[str]:
        """One run; nothing may fail. Returns what was done."""
        report = self.running.cloud.reconcilers.run_once("network")
        assert report.failed == []
        return report.repaired

    def differences(self) -> list[str]:
        """What `stackyard check` says of networks."""
        kinds = ("network", "port", "router", "leftover", "host")
        return [each.text for each in self.running.cloud.reconcilers.mismatches() if each.kind in kinds]

    def do(self, change: Callable[[Work], T]) -> T:
        """What another room does in a transaction of the demo user's."""
        caller = Caller(user_id="u", project_id=self.tenant.project_id, roles=("member", "reader"))
        with self.services.database.write() as tx:
            return change(self.services.work(tx, caller))

    def container(self, device_id: str, *nets: dict[str, Any], netns: str = NETNS, **more: Any) -> list[facade.Port]:
        """A device with ports, wired."""
        project = self.tenant.project_id
        assert project is not None
        ports = self.do(
            lambda work: facade.reserve_ports(work, device_id=device_id, project_id=project, nets=nets, **more)
        )
        self.do(lambda work: facade.bind_ports(work, device_id, self.host))
        facade.wire(self.services, self.host, device_id, netns)
        self.reconcile()
        return ports


@pytest.fixture
def lab(still: RunningCloud) -> Lab:
    """See Lab."""
    return Lab(still)


def test_a_new_cloud_has_its_router_and_networks_on_the_host(lab: Lab) -> None:
    (router,) = lab.real.routers.values()
    assert router.gateway is not None
    assert router.gateway.next_hops == ["203.0.113.1"]
    assert [each.addresses for each in router.interfaces] == [["10.0.0.1/24"]]
    external = next(each.external for each in lab.real.networks.values() if each.external)
    assert external.host_addresses == ["203.0.113.1/24"]
    assert lab.differences() == []
    assert lab.reconcile() == []


def test_a_device_is_wired_with_all_it_needs_when_wire_returns(lab: Lab) -> None:
    (port,) = lab.container("c1", hostname="web")
    plug = lab.real.plugs[port.id]
    assert (plug.netns, plug.interface, plug.default_route) == (NETNS, "eth0", True)
    spec = lab.real.ports[port.network_id][port.id]
    assert spec.addresses == [f"{port.addresses[0].ip}/24"]
    assert spec.gateways == ["10.0.0.1"]
    assert set(spec.groups) == set(port.security_groups) <= set(lab.real.groups[port.network_id])
    shown = lab.tenant.show("ports", port.id)
    assert (shown["status"], shown["device_owner"], shown["name"]) == ("ACTIVE", "compute:zun", "web")
    assert lab.differences() == []


def test_the_default_groups_members_are_the_ports_that_wear_it(lab: Lab) -> None:
    (one,) = lab.container("c1")
    (two,) = lab.container("c2", netns="/run/netns/two")
    (group,) = lab.real.groups[one.network_id].values()
    assert set(group.members) == {one.addresses[0].ip, two.addresses[0].ip}
    lab.do(lambda work: facade.release_ports(work, "c2"))
    lab.reconcile()
    (group,) = lab.real.groups[one.network_id].values()
    assert group.members == [one.addresses[0].ip]


def test_a_rule_reaches_the_host_when_it_is_made_and_leaves_it_when_removed(lab: Lab) -> None:
    (port,) = lab.container("c1")
    rule = lab.tenant.make(
        "security-group-rules",
        security_group_id=port.security_groups[0],
        direction="ingress",
        protocol="icmp",
        ethertype="IPv6",
    )
    assert lab.reconcile() == [f"security groups on network {port.network_id} were set on testhost"]
    rules = lab.real.groups[port.network_id][port.security_groups[0]].rules
    assert RuleSpec(id=rule["id"], direction="ingress", ethertype="IPv6", protocol="icmpv6") in rules
    lab.tenant.gone("security-group-rules", rule["id"])
    lab.reconcile()
    assert rule["id"] not in [each.id for each in lab.real.groups[port.network_id][port.security_groups[0]].rules]


def test_a_group_named_by_a_worn_one_is_told_with_its_members_wherever_they_are(lab: Lab) -> None:
    (front,) = lab.container("c1")
    back_group = lab.tenant.make("security-groups", name="back")
    lab.tenant.make("security-group-rules", security_group_id=front.security_groups[0], direction="ingress",
                    remote_group_id=back_group["id"])  # fmt: skip
    lab.reconcile()
    assert lab.real.groups[front.network_id][back_group["id"]].members == []
    elsewhere, _ = lab.tenant.net("10.77.0.0/24")
    lab.tenant.make("ports", network_id=elsewhere["id"], security_groups=[back_group["id"]])
    lab.reconcile()
    assert lab.real.groups[front.network_id][back_group["id"]].members == ["10.77.0.2"]


def test_floating_ips_follow_on_the_router(lab: Lab) -> None:
    (port,) = lab.container("c1")
    made = lab.tenant.make("floatingips", floating_network_id=lab.tenant.public(), port_id=port.id)
    lab.reconcile()
    (router,) = lab.real.routers.values()
    assert [(each.floating_ip, each.fixed_ip) for each in router.floating] == [
        (made["floating_ip_address"], port.addresses[0].ip)
    ]
    assert lab.tenant.show("floatingips", made["id"])["status"] == "ACTIVE"
    lab.tenant.change("floatingips", made["id"], port_id=None)
    lab.reconcile()
    assert next(iter(lab.real.routers.values())).floating == []


def test_a_router_that_is_switched_off_leaves_the_host_and_comes_back(lab: Lab) -> None:
    (router_id,) = lab.real.routers
    lab.tenant.change("routers", router_id, admin_state_up=False)
    lab.reconcile()
    assert lab.real.routers == {}
    lab.tenant.change("routers", router_id, admin_state_up=True)
    lab.reconcile()
    assert list(lab.real.routers) == [router_id]


def test_what_is_deleted_leaves_the_host(lab: Lab) -> None:
    network, subnet = lab.tenant.net("10.50.0.0/24")
    router = lab.tenant.make("routers")
    lab.tenant.connect(router["id"], subnet_id=subnet["id"])
    lab.reconcile()
    assert network["id"] in lab.real.networks
    lab.tenant.disconnect(router["id"], subnet_id=subnet["id"])
    lab.tenant.gone("routers", router["id"])
    lab.tenant.gone("networks", network["id"])
    lab.reconcile()
    assert network["id"] not in lab.real.networks
    assert router["id"] not in lab.real.routers
    assert lab.differences() == []


def test_unwiring_twice_is_harmless_and_the_network_goes_with_its_last_port(lab: Lab) -> None:
    network, _ = lab.tenant.net("10.51.0.0/24")
    (port,) = lab.container("c1", {"network": network["id"]})
    for _ in range(2):
        facade.unwire(lab.services, lab.host, "c1")
    assert port.id not in lab.real.plugs
    assert lab.tenant.show("ports", port.id)["status"] == "DOWN"
    lab.reconcile()
    assert network["id"] not in lab.real.networks


def test_ports_made_for_a_device_go_with_it_and_those_given_are_free_again(lab: Lab) -> None:
    network, _ = lab.tenant.net("10.52.0.0/24")
    given = lab.tenant.make("ports", network_id=network["id"])
    ports = lab.container("c1", {"port": given["id"]}, {"network": network["name"]})
    assert [(each.id == given["id"], each.preserve) for each in ports] == [(True, True), (False, False)]
    assert [lab.real.plugs[each.id].interface for each in ports] == ["eth0", "eth1"]
    with pytest.raises(Conflict, match="in use"):
        lab.container("c2", {"port": given["id"]})
    facade.unwire(lab.services, lab.host, "c1")
    lab.do(lambda work: facade.release_ports(work, "c1"))
    assert [each["id"] for each in lab.tenant.list("ports", f"network_id={network['id']}")] == [given["id"]]
    assert lab.tenant.show("ports", given["id"])["device_id"] == ""


def test_a_port_taken_from_a_running_device_makes_room_for_another(lab: Lab) -> None:
    network, _ = lab.tenant.net("10.53.0.0/24")
    first, second = lab.container("c1", {}, {"network": network["id"]})
    lab.do(lambda work: facade.detach_port(work, "c1", network=network["id"]))
    project = lab.tenant.project_id
    assert project is not None
    more = lab.do(
        lambda work: facade.attach_port(work, device_id="c1", project_id=project, net={"network": network["id"]})
    )
    facade.wire(lab.services, lab.host, "c1", NETNS)
    assert second.id not in lab.real.plugs
    assert (lab.real.plugs[first.id].interface, lab.real.plugs[more.id].interface) == ("eth0", "eth1")


def test_what_a_device_asks_for_and_cannot_have_is_named(lab: Lab) -> None:
    empty = lab.tenant.make("networks", name="empty")
    for net, said in (
        ({"network": "nowhere"}, "nowhere"),
        ({"port": "nothing"}, "nothing"),
        ({"network": empty["id"]}, "no subnet"),
    ):
        with pytest.raises(BadRequest, match=said):
            lab.container("c1", net)
    lab.tenant.make("networks", name="empty")
    with pytest.raises(Conflict, match="Several"):
        lab.container("c1", {"network": "empty"})
    assert lab.do(lambda work: facade.ports_of(work, ["c1"])) == {}


def test_fixed_addresses_groups_and_resolvers_reach_the_device(lab: Lab) -> None:
    network, subnet = lab.tenant.net("10.54.0.0/24", dns_nameservers=["9.9.9.9"])
    project = lab.tenant.project_id
    assert project is not None
    group = lab.tenant.make("security-groups", name="web")
    ids = lab.do(lambda work: facade.find_security_groups(work, project, ["web", group["id"]]))
    assert ids == [group["id"]]
    (port,) = lab.container("c1", {"network": network["id"], "v4-fixed-ip": "10.54.0.77"}, security_groups=ids)
    assert [(each.ip, each.version, each.prefix, each.subnet_id) for each in port.addresses] == [
        ("10.54.0.77", 4, 24, subnet["id"])
    ]
    assert port.security_groups == ids
    assert lab.do(lambda work: facade.dns_servers(work, "c1")) == ["9.9.9.9"]
    lab.do(lambda work: facade.set_security_groups(work, "c1", []))
    lab.reconcile()
    assert lab.real.ports[network["id"]][port.id].groups == []


def test_damage_on_the_host_is_said_by_check_and_repaired(lab: Lab) -> None:
    (port,) = lab.container("c1")
    (router_id,) = lab.real.routers
    world, name = lab.running.worlds.network, lab.running.settings.cloud_id
    world.damage(name, port.network_id, "its bridge is gone")
    world.damage(name, router_id, "its namespace is gone")
    lab.real.plugs.clear()
    said = lab.differences()
    assert len(said) == 3
    assert any("its bridge is gone" in each for each in said)
    assert facade.broken_devices(lab.services, lab.host) == {"c1"}
    assert lab.reconcile()
    lab.reconcile()
    assert lab.differences() == []
    assert lab.tenant.show("ports", port.id)["status"] == "DOWN"
    assert facade.broken_devices(lab.services, lab.host) == {"c1"}
    facade.wire(lab.services, lab.host, "c1", NETNS)
    assert lab.real.plugs[port.id].netns == NETNS
    assert facade.broken_devices(lab.services, lab.host) == set()


def test_what_nobody_wants_goes_and_leftovers_go_when_they_last(lab: Lab) -> None:
    (port,) = lab.container("c1")
    with lab.services.database.write() as tx:
        from stackyard.rooms.network.resources.port import store

        store.remove(lab.services.work(tx, Caller()), port.id)
    lab.real.leftovers.add("a veth")
    assert sorted(lab.differences()) == sorted(
        [
            "a veth on testhost belongs to nothing",
            f"port {port.id} is there, but wanted by nothing on testhost",
            f"security groups on network {port.network_id} differ on testhost",
        ]
    )
    lab.reconcile()
    assert port.id not in lab.real.plugs
    lab.reconcile()
    assert lab.differences() == []


def test_a_port_whose_namespace_has_ended_is_down_and_the_rest_goes_on(lab: Lab) -> None:
    (one,) = lab.container("c1")
    (two,) = lab.container("c2", netns="/run/netns/two")
    lab.running.worlds.network.end_namespace(NETNS)
    lab.reconcile()
    assert lab.tenant.show("ports", one.id)["status"] == "DOWN"
    assert lab.tenant.show("ports", two.id)["status"] == "ACTIVE"
    assert facade.broken_devices(lab.services, lab.host) == {"c1"}
    with pytest.raises(NamespaceGone):
        facade.wire(lab.services, lab.host, "c1", NETNS)
    facade.wire(lab.services, lab.host, "c1", "/run/netns/new")
    assert lab.tenant.show("ports", one.id)["status"] == "ACTIVE"


def test_a_host_that_fails_is_reported_and_tried_again(lab: Lab) -> None:
    network, subnet = lab.tenant.net("10.55.0.0/24")
    router = lab.tenant.make("routers")
    lab.tenant.connect(router["id"], subnet_id=subnet["id"])
    lab.running.transitions.fail(
        "network driver", "ensure_network", HostFailure("no memory", "bridge"), times=1, after=True
    )
    report = lab.running.cloud.reconcilers.run_once("network")
    assert any("no memory" in each and network["id"] in each for each in report.failed)
    lab.reconcile()
    assert network["id"] in lab.real.networks
    assert lab.tenant.show("routers", router["id"])["status"] == "ACTIVE"
    assert lab.differences() == []


def test_an_external_range_the_host_has_already_spoils_its_own_router_only(lab: Lab) -> None:
    admin = Neutron(lab.running.admin)
    lab.running.worlds.network.host_addresses["198.51.100.7/24"] = "eth0"
    network = admin.make("networks", router__external=True)
    admin.make("subnets", network_id=network["id"], ip_version=4, cidr="198.51.100.0/24")
    bad = admin.make("routers", external_gateway_info={"network_id": network["id"]})
    inside, subnet = lab.tenant.net("10.56.0.0/24")
    good = lab.tenant.make("routers")
    lab.tenant.connect(good["id"], subnet_id=subnet["id"])
    report = lab.running.cloud.reconcilers.run_once("network")
    assert any("198.51.100.7" in each for each in report.failed)
    assert admin.show("routers", bad["id"])["status"] == "ERROR"
    assert lab.tenant.show("routers", good["id"])["status"] == "ACTIVE"
    assert inside["id"] in lab.real.networks


def test_a_restart_changes_nothing_on_the_host(lab: Lab) -> None:
    (port,) = lab.container("c1")
    before = (dict(lab.real.networks), dict(lab.real.routers), lab.real.plugs[port.id])
    lab.running.restart()
    lab.running.cloud.reconcilers.run_once("network")
    assert (dict(lab.real.networks), dict(lab.real.routers), lab.real.plugs[port.id]) == before
    assert Lab(lab.running).differences() == []


def test_a_change_made_while_the_server_died_reaches_the_host_after_its_restart(lab: Lab) -> None:
    (port,) = lab.container("c1")
    facade.unwire(lab.services, lab.host, "c1")
    lab.do(lambda work: facade.release_ports(work, "c1"))
    network, subnet = lab.tenant.net("10.57.0.0/24")
    router = lab.tenant.make("routers")
    lab.tenant.connect(router["id"], subnet_id=subnet["id"])
    lab.running.restart()
    again = Lab(lab.running)
    again.reconcile()
    assert network["id"] in again.real.networks
    assert port.id not in again.real.ports[port.network_id]
    assert again.differences() == []


def test_a_port_in_use_by_a_container_is_not_taken_by_a_router(lab: Lab) -> None:
    (port,) = lab.container("c1")
    router = lab.tenant.make("routers")
    assert refusal(lab.tenant.connect(router["id"], port_id=port.id))[:2] == (409, "PortInUse")
    assert (
        lab.tenant.persona("PUT", f"{BASE}/ports/{port.id}", {"port": {"mac_address": "fa:16:3e:0:0:1"}}).status_code
        == 400
    )


def test_a_port_that_only_says_it_belongs_to_a_device_never_gets_into_it(lab: Lab) -> None:
    """A tenant writes another's container id into device_id: neither wiring nor release may take that for a fact."""
    (port,) = lab.container("c1")
    other = Neutron(lab.running.persona("intruder"))
    network, _ = other.net("10.99.0.0/24")
    foreign = other.make("ports", network_id=network["id"], device_id="c1")
    facade.wire(lab.services, lab.host, "c1", NETNS)
    lab.reconcile()
    assert list(lab.real.plugs) == [port.id]
    lab.do(lambda work: facade.release_ports(work, "c1"))
    assert other.show("ports", foreign["id"])["device_id"] == "c1"


def test_a_port_renamed_away_from_its_device_is_still_released_with_it(lab: Lab) -> None:
    (port,) = lab.container("c1")
    lab.tenant.change("ports", port.id, device_id="elsewhere")
    facade.unwire(lab.services, lab.host, "c1")
    lab.do(lambda work: facade.release_ports(work, "c1"))
    assert refusal(lab.tenant.persona("GET", f"{BASE}/ports/{port.id}"))[0] == 404
    assert lab.real.plugs == {}


def test_the_routers_of_a_device_are_there_when_wire_returns(lab: Lab) -> None:
    network, subnet = lab.tenant.net("10.58.0.0/24")
    router = lab.tenant.make("routers", external_gateway_info={"network_id": lab.tenant.public()})
    lab.tenant.connect(router["id"], subnet_id=subnet["id"])
    project = lab.tenant.project_id
    assert project is not None
    nets = [{"network": network["id"]}]
    lab.do(lambda work: facade.reserve_ports(work, device_id="c1", project_id=project, nets=nets))
    facade.wire(lab.services, lab.host, "c1", NETNS)
    assert router["id"] in lab.real.routers


def test_a_router_that_cannot_be_made_does_not_keep_a_device_from_being_wired(lab: Lab) -> None:
    lab.running.transitions.fail("router", "activate", HostFailure("no memory", "namespace"), times=1)
    lab.tenant.change("routers", next(iter(lab.real.routers)), admin_state_up=False)
    lab.reconcile()
    lab.tenant.change("routers", lab.tenant.list("routers")[0]["id"], admin_state_up=True)
    (port,) = lab.container("c1")
    assert lab.real.plugs[port.id].netns == NETNS


def test_a_lost_port_is_never_plugged_into_what_has_its_namespaces_path_by_now(lab: Lab) -> None:
    """The path of a namespace is a process id in disguise: the same path may be another process's, even the host's."""
    lab.container("c1")
    lab.running.worlds.network.end_namespace(NETNS)
    lab.running.worlds.network.gone.clear()
    for _ in range(3):
        lab.reconcile()
    assert lab.real.plugs == {}


def test_a_port_being_plugged_in_is_no_lost_port(lab: Lab) -> None:
    """The reconciler looks at the host between the row that says a port is wired and the plug itself."""
    plane, found = lab.services.bound["network"], []
    call = lab.running.worlds.network.call
    networks = [lab.tenant.net(f"10.{number}.0.0/24")[0] for number in (60, 61)]

    def looked_at(name: str) -> Any:
        if name == "plug" and not found:
            found.append(plane.look(lab.host))
            found.append(plane.apply_network(lab.host, networks[1]["id"], looked=True))
        return call(name)

    lab.running.worlds.network.call = looked_at  # type: ignore[method-assign]
    try:
        ports = lab.container("c1", *({"network": each["id"]} for each in networks))
    finally:
        lab.running.worlds.network.call = call  # type: ignore[method-assign]
    assert len(found) == 2
    assert set(lab.real.plugs) == {each.id for each in ports}
    assert {lab.tenant.show("ports", each.id)["status"] for each in ports} == {"ACTIVE"}


def test_what_was_applied_while_the_host_was_looked_at_counts(lab: Lab) -> None:
    (port,) = lab.container("c1")
    known = lab.services.bound["network"].applied(lab.host)
    since, seen = known.now(), lab.services.bound["network"].driver(lab.host).inventory()
    known.note_port(port.id, "newer", port.network_id, NETNS)
    known.learn(seen, since)
    assert known.mark("port", port.id) == "newer"
    known.learn(seen, known.now())
    assert known.mark("port", port.id) == seen.ports[0].fingerprint


def test_a_failure_on_a_network_does_not_cost_its_ports_their_plugs(lab: Lab) -> None:
    (port,) = lab.container("c1")
    lab.running.transitions.fail("network driver", "ensure_groups", HostFailure("no memory", "nft"), times=1)
    lab.tenant.make(
        "security-group-rules", security_group_id=port.security_groups[0], direction="ingress", protocol="tcp"
    )
    assert lab.running.cloud.reconcilers.run_once("network").failed
    lab.reconcile()
    assert lab.real.plugs[port.id].netns == NETNS
    assert lab.differences() == []
