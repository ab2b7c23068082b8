"""What the native driver lets through and what it stops, told by real packets between pretend containers."""

import socket
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from stackyard.rooms.network.driver import AddressPair, GroupSpec, NetworkDriver, NetworkSpec, PortSpec, RuleSpec
from stackyard.testing.network_driver import a_port, new_id
from tests.rooms.network.drivers.packets import (
    MOMENT,
    Container,
    PretendHost,
    arp,
    echoes,
    ethernet,
    icmpv6,
    ipv4,
    udp,
    until,
)

pytestmark = pytest.mark.integration

OUT = [
    RuleSpec(id="out-4", direction="egress", ethertype="IPv4"),
    RuleSpec(id="out-6", direction="egress", ethertype="IPv6"),
]
PING = [
    RuleSpec(id="ping-4", direction="ingress", ethertype="IPv4", protocol="icmp", port_min=8, port_max=0),
    RuleSpec(id="ping-6", direction="ingress", ethertype="IPv6", protocol="ipv6-icmp", port_min=128),
]
#: A payload that leaves no padding to be trimmed on the way.
LONG = b"x" * 40
EVERYONE = "ff:ff:ff:ff:ff:ff"


def tcp(port: int, **changes: Any) -> RuleSpec:
    rule = RuleSpec(
        id=f"tcp-{port}", direction="ingress", ethertype="IPv4", protocol="tcp", port_min=port, port_max=port
    )
    return msgspec.structs.replace(rule, **changes)


@dataclass
class Net:
    """A network with one group, "g", that ports wear unless told otherwise."""

    host: PretendHost
    driver: NetworkDriver
    spec: NetworkSpec

    def allow(self, *rules: RuleSpec, groups: tuple[GroupSpec, ...] = ()) -> None:
        group = GroupSpec(id="g", rules=[*OUT, *rules])
        self.driver.ensure_groups(self.spec.id, [group, *groups])

    def join(self, last: int, **changes: Any) -> tuple[Container, PortSpec]:
        container = self.host.container()
        port = a_port(self.spec.id, last, **{"groups": ["g"], **changes})
        self.driver.plug(port, str(container.path))
        return container, port


@pytest.fixture
def net(pretend_host: PretendHost) -> Net:
    return a_net(pretend_host)


def a_net(host: PretendHost) -> Net:
    driver, spec = host.driver(), NetworkSpec(id=new_id())
    driver.ensure_network(spec)
    return Net(host, driver, spec)


def test_containers_on_a_network_reach_each_other_over_both_families(net: Net) -> None:
    net.allow(*PING, tcp(80), tcp(80, id="tcp-6", ethertype="IPv6"))
    one, _ = net.join(5)
    two, _ = net.join(6)
    two.listen(80)
    assert one.pings("10.0.0.6")
    assert one.pings("fd00::6")
    assert one.reaches("10.0.0.6", 80)
    assert one.reaches("fd00::6", 80)


def test_two_tenants_on_the_same_range_never_meet(net: Net) -> None:
    other = a_net(net.host)
    for one in (net, other):
        one.allow(*PING, tcp(80))
    mine, _ = net.join(5)
    theirs, _ = other.join(6)
    theirs.listen(80)
    assert not mine.reaches("10.0.0.6", 80, within=MOMENT)
    question = ethernet("fa:16:3e:00:00:05", EVERYONE, 0x0806, arp("fa:16:3e:00:00:05", "10.0.0.5", "10.0.0.6", 1))
    assert not mine.sends(question, to=theirs, within=MOMENT)
    neighbour, _ = net.join(6)
    neighbour.listen(80)
    assert mine.reaches("10.0.0.6", 80)
    assert mine.sends(question, to=neighbour)


def test_nothing_comes_in_until_a_rule_allows_it(net: Net) -> None:
    net.allow()
    one, _ = net.join(5)
    two, _ = net.join(6)
    two.listen(80)
    two.listen(81)
    assert not one.reaches("10.0.0.6", 80, within=MOMENT)
    assert not one.pings("10.0.0.6", within=MOMENT)
    assert not one.pings("fd00::6", within=MOMENT)
    net.allow(tcp(80))
    assert one.reaches("10.0.0.6", 80)
    assert not one.reaches("10.0.0.6", 81, within=MOMENT)


def test_nothing_goes_out_unless_a_rule_allows_it(net: Net) -> None:
    net.allow(tcp(80))
    silent, _ = net.join(5, groups=[])
    limited, _ = net.join(6, groups=["web-only"])
    server, _ = net.join(7)
    server.listen(80)
    web = RuleSpec(id="w", direction="egress", ethertype="IPv4", protocol="6", port_min=80, port_max=80)
    net.allow(tcp(80), tcp(81), groups=(GroupSpec(id="web-only", rules=[web]),))
    server.listen(81)
    assert not silent.reaches("10.0.0.7", 80, within=MOMENT)
    assert limited.reaches("10.0.0.7", 80)
    assert not limited.reaches("10.0.0.7", 81, within=MOMENT)


def test_removing_a_rule_ends_the_connections_it_allowed_and_no_others(net: Net) -> None:
    net.allow(tcp(80), tcp(81))
    client, _ = net.join(5)
    server, _ = net.join(6)
    server.listen(80)
    server.listen(81)
    with client.connect("10.0.0.6", 80) as doomed, client.connect("10.0.0.6", 81) as kept:
        assert echoes(doomed)
        net.allow(tcp(81))
        assert not echoes(doomed, within=MOMENT)
        assert echoes(kept)
        net.allow(tcp(80), tcp(81))
        assert echoes(kept)
    assert client.reaches("10.0.0.6", 80)


def test_a_connection_that_another_rule_still_allows_goes_on(net: Net) -> None:
    net.allow(tcp(80), tcp(80, id="also", port_min=70, port_max=90))
    client, _ = net.join(5)
    server, _ = net.join(6)
    server.listen(80)
    with client.connect("10.0.0.6", 80) as connection:
        net.allow(tcp(80, id="also", port_min=70, port_max=90))
        assert echoes(connection)


def test_taking_the_group_off_a_port_ends_what_it_allowed(net: Net) -> None:
    net.allow(groups=(GroupSpec(id="web", rules=[tcp(80)]),))
    client, _ = net.join(5)
    server, port = net.join(6, groups=["g", "web"])
    server.listen(80)
    with client.connect("10.0.0.6", 80) as connection:
        assert echoes(connection)
        net.driver.ensure_port(msgspec.structs.replace(port, groups=["g"]))
        assert not echoes(connection, within=MOMENT)


def test_datagrams_stop_with_their_rule(net: Net) -> None:
    rule = tcp(53, protocol="udp")
    net.allow(rule)
    client, _ = net.join(5)
    server, _ = net.join(6)
    server.listen(53, socket.SOCK_DGRAM)
    with client.open_socket(socket.AF_INET, socket.SOCK_DGRAM) as questions:
        questions.connect(("10.0.0.6", 53))
        assert echoes(questions)
        net.allow()
        assert not echoes(questions, within=MOMENT)


def test_a_remote_group_is_its_members_of_the_moment(net: Net) -> None:
    inner = GroupSpec(id="inner", members=["10.0.0.5", "fd00::5"])
    rule = tcp(80, port_min=80, remote_group="inner")
    net.allow(rule, groups=(inner,))
    member, _ = net.join(5)
    stranger, _ = net.join(6)
    server, _ = net.join(7)
    server.listen(80)
    assert member.reaches("10.0.0.7", 80)
    assert not stranger.reaches("10.0.0.7", 80, within=MOMENT)
    with member.connect("10.0.0.7", 80) as connection:
        assert echoes(connection)
        net.allow(rule, groups=(GroupSpec(id="inner", members=["10.0.0.6"]),))
        assert not echoes(connection, within=MOMENT)
    assert stranger.reaches("10.0.0.7", 80)
    assert not member.reaches("10.0.0.7", 80, within=MOMENT)


def test_a_remote_prefix_is_where_the_other_end_must_be(net: Net) -> None:
    net.allow(tcp(80, remote_prefix="10.0.0.4/31"), tcp(80, id="6", ethertype="IPv6", remote_prefix="fd00::6/128"))
    five, _ = net.join(5)
    six, _ = net.join(6)
    server, _ = net.join(7)
    server.listen(80)
    assert five.reaches("10.0.0.7", 80)
    assert not five.reaches("fd00::7", 80, within=MOMENT)
    assert six.reaches("fd00::7", 80)
    assert not six.reaches("10.0.0.7", 80, within=MOMENT)


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp", "gre", "112", "icmp", "udplite", "ah", "ipv6-icmp"])
def test_every_protocol_the_api_knows_makes_a_rule(net: Net, protocol: str) -> None:
    for ethertype in ("IPv4", "IPv6"):
        net.driver.ensure_groups(
            net.spec.id,
            [GroupSpec(id="g", rules=[RuleSpec(id="r", direction="ingress", ethertype=ethertype, protocol=protocol)])],
        )
    assert net.driver.inventory().networks[0].faults == []


SPOOFED = {
    "MAC": ethernet("fa:16:3e:00:00:99", EVERYONE, 0x0800, ipv4("10.0.0.5", "10.0.0.6", 17, udp(1, 2, LONG))),
    "IPv4 address": ethernet("fa:16:3e:00:00:05", EVERYONE, 0x0800, ipv4("10.0.0.9", "10.0.0.6", 17, udp(1, 2, LONG))),
    "IPv6 address": ethernet("fa:16:3e:00:00:05", EVERYONE, 0x86DD, icmpv6("fd00::9", "fd00::6", 128, b"abcd")),
    "ARP address": ethernet("fa:16:3e:00:00:05", EVERYONE, 0x0806, arp("fa:16:3e:00:00:05", "10.0.0.1", "10.0.0.6")),
    "ARP MAC": ethernet("fa:16:3e:00:00:05", EVERYONE, 0x0806, arp("fa:16:3e:00:00:99", "10.0.0.5", "10.0.0.6")),
    "neighbour": ethernet(
        "fa:16:3e:00:00:05",
        EVERYONE,
        0x86DD,
        icmpv6("fd00::5", "ff02::1", 136, b"\x20\0\0\0" + socket.inet_pton(socket.AF_INET6, "fd00::1")),
    ),
    "router": ethernet(
        "fa:16:3e:00:00:05", EVERYONE, 0x86DD, icmpv6("fe80::f816:3eff:fe00:5", "ff02::1", 134, b"\x40\0\x07\x08" * 3)
    ),
    "DHCP server": ethernet(
        "fa:16:3e:00:00:05", EVERYONE, 0x0800, ipv4("10.0.0.5", "255.255.255.255", 17, udp(67, 68, b"x" * 240))
    ),
    "other protocol": ethernet("fa:16:3e:00:00:05", EVERYONE, 0x88CC, b"lldp"),
}
HONEST = {
    "IPv4": ethernet("fa:16:3e:00:00:05", EVERYONE, 0x0800, ipv4("10.0.0.5", "10.0.0.6", 17, udp(1, 2, LONG))),
    "IPv6": ethernet("fa:16:3e:00:00:05", EVERYONE, 0x86DD, icmpv6("fd00::5", "fd00::6", 128, b"abcd")),
    "ARP": ethernet("fa:16:3e:00:00:05", EVERYONE, 0x0806, arp("fa:16:3e:00:00:05", "10.0.0.5", "10.0.0.6")),
    "ARP probe": ethernet("fa:16:3e:00:00:05", EVERYONE, 0x0806, arp("fa:16:3e:00:00:05", "0.0.0.0", "10.0.0.5", 1)),
    "neighbour": ethernet(
        "fa:16:3e:00:00:05",
        EVERYONE,
        0x86DD,
        icmpv6("fd00::5", "ff02::1", 136, b"\x20\0\0\0" + socket.inet_pton(socket.AF_INET6, "fd00::5")),
    ),
    "DHCP client": ethernet(
        "fa:16:3e:00:00:05", EVERYONE, 0x0800, ipv4("0.0.0.0", "255.255.255.255", 17, udp(68, 67, b"x" * 240))
    ),
}


def test_spoofed_frames_are_stopped_and_honest_ones_pass(net: Net) -> None:
    net.allow(
        *(RuleSpec(id=kind, direction="ingress", ethertype=kind) for kind in ("IPv4", "IPv6")),
    )
    sender, _ = net.join(5)
    receiver, _ = net.join(6)
    assert [name for name, frame in HONEST.items() if not sender.sends(frame, to=receiver)] == []
    assert [name for name, frame in SPOOFED.items() if sender.sends(frame, to=receiver, within=MOMENT)] == []


def test_without_port_security_everything_passes(net: Net) -> None:
    net.allow()
    sender, _ = net.join(5, port_security=False, groups=[])
    receiver, _ = net.join(6, port_security=False, groups=[])
    assert [name for name, frame in SPOOFED.items() if not sender.sends(frame, to=receiver)] == []


def test_an_allowed_pair_widens_what_a_port_may_claim(net: Net) -> None:
    net.allow(*(RuleSpec(id=kind, direction="ingress", ethertype=kind) for kind in ("IPv4", "IPv6")))
    pairs = [
        AddressPair(ip_address="10.0.0.9"),
        AddressPair(ip_address="172.16.0.0/16"),
        AddressPair(ip_address="fd00:9::/64"),
        AddressPair(ip_address="10.0.0.5", mac_address="fa:16:3e:00:00:99"),
    ]
    sender, port = net.join(5)
    receiver, _ = net.join(6)
    ranged = ethernet("fa:16:3e:00:00:05", EVERYONE, 0x0800, ipv4("172.16.3.4", "10.0.0.6", 17, udp(1, 2, LONG)))
    claimed = ethernet(
        "fa:16:3e:00:00:05",
        EVERYONE,
        0x86DD,
        icmpv6("fd00:9::7", "ff02::1", 136, b"\x20\0\0\0" + socket.inet_pton(socket.AF_INET6, "fd00:9::7")),
    )
    frames = [SPOOFED["IPv4 address"], SPOOFED["MAC"], ranged, claimed]
    assert not any(sender.sends(frame, to=receiver, within=MOMENT) for frame in frames)
    net.driver.ensure_port(msgspec.structs.replace(port, allowed_pairs=pairs))
    assert [sender.sends(frame, to=receiver) for frame in frames] == [True] * 4
    assert not sender.sends(SPOOFED["neighbour"], to=receiver, within=MOMENT)
    assert net.driver.inventory().networks[0].faults == []


def test_a_frame_to_a_link_local_group_teaches_the_bridge_nothing(net: Net) -> None:
    net.allow()
    sender, _ = net.join(5)
    with sender.packet_socket("eth0") as link:
        link.send(ethernet("fa:16:3e:00:00:99", "01:80:c2:00:00:03", 0x888E, b"spoof"))
        link.send(HONEST["ARP"])
    assert until(lambda: "fa:16:3e:00:00:05" in net.host.inside_network(net.spec.id, "bridge", "fdb"))
    assert "fa:16:3e:00:00:99" not in net.host.inside_network(net.spec.id, "bridge", "fdb")


def test_an_address_that_moved_to_another_container_is_reached_at_once(net: Net) -> None:
    net.allow(*PING)
    asker, _ = net.join(5)
    _, old = net.join(6)
    assert asker.pings("10.0.0.6")
    assert asker.pings("fd00::6")
    net.driver.remove_port(net.spec.id, old.id)
    net.join(6, mac="fa:16:3e:00:00:77")
    assert asker.pings("10.0.0.6")
    assert asker.pings("fd00::6")


def test_a_port_that_is_down_passes_nothing(net: Net) -> None:
    net.allow(*PING)
    one, port = net.join(5)
    net.join(6)
    assert one.pings("10.0.0.6")
    net.driver.ensure_port(msgspec.structs.replace(port, admin_up=False))
    assert not one.pings("10.0.0.6", within=MOMENT)
    net.driver.plug(port, str(one.path))
    assert until(lambda: one.pings("10.0.0.6"))


def test_a_port_takes_new_addresses_while_plugged(net: Net) -> None:
    net.allow(*PING)
    one, port = net.join(5)
    two, _ = net.join(6)
    net.driver.plug(msgspec.structs.replace(port, addresses=["10.0.0.8/24"]), str(one.path))
    assert two.pings("10.0.0.8")
    assert not two.pings("10.0.0.5", within=MOMENT)
    assert not two.pings("fd00::5", within=MOMENT)


def test_a_container_with_ipv6_switched_off_by_its_engine_gets_its_addresses_all_the_same(net: Net) -> None:
    net.allow(*PING)
    net.join(5)
    container = net.host.container()
    for scope in ("all", "default"):
        container.run("sysctl", "-qw", f"net.ipv6.conf.{scope}.disable_ipv6=1")
    net.driver.plug(a_port(net.spec.id, 6, groups=["g"]), str(container.path))
    assert container.pings("fd00::5")
    assert container.pings("10.0.0.5")


def test_a_gateway_outside_the_ports_own_range_is_taken_to_be_on_the_link(net: Net) -> None:
    net.allow()
    container, _ = net.join(5, gateways=["172.16.0.1", "fe80::1"])
    assert "default via 172.16.0.1 dev eth0" in container.run("ip", "route").stdout
    assert "default via fe80::1 dev eth0" in container.run("ip", "-6", "route").stdout


def test_a_second_interface_brings_no_second_default_route(net: Net) -> None:
    net.allow()
    container, _ = net.join(5)
    other = a_net(net.host)
    other.allow()
    port = a_port(other.spec.id, 7, addresses=["10.7.0.7/24"], gateways=["10.7.0.1"])
    other.driver.plug(port, str(container.path), interface="eth1", default_route=False)
    routes = container.run("ip", "-4", "route").stdout
    assert routes.count("default") == 1
    assert "10.7.0.0/24 dev eth1" in routes
