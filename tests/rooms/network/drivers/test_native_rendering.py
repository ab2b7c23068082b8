"""What the native driver writes, without a host: names, rules, tables and their differences."""

import ipaddress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackyard.hosts.conntrack import Flow
from stackyard.rooms.network.driver import (
    AddressPair,
    GroupSpec,
    InvalidSpec,
    NetworkSpec,
    PortSpec,
    RuleSpec,
    fingerprint,
)
from stackyard.rooms.network.drivers.native import names
from stackyard.rooms.network.drivers.native.connections import forbidden
from stackyard.rooms.network.drivers.native.filters import link_local, network_objects, port_objects
from stackyard.rooms.network.drivers.native.objects import (
    Chain,
    Element,
    ElementSet,
    Objects,
    Value,
    difference,
    faults,
    takes_away,
)
from stackyard.rooms.network.drivers.native.permissions import allows, match
from stackyard.rooms.network.drivers.native.records import NetworkRecord, PortRecord, Records
from stackyard.testing.network_driver import a_port


def a_rule(**changes: object) -> RuleSpec:
    return msgspec.structs.replace(RuleSpec(id="r", direction="ingress", ethertype="IPv4"), **changes)


def a_flow(**changes: object) -> Flow:
    wanted: dict[str, object] = {
        "family": 2, "protocol": 6, "source": "10.0.0.5", "target": "10.0.0.6", "port": 80, "icmp_type": None,
        "icmp_code": None, "mark": 0, "reply_source": "10.0.0.6", "reply_target": "10.0.0.5", **changes,
    }  # fmt: skip
    return Flow(**wanted)  # type: ignore[arg-type]


@given(st.lists(st.uuids().map(str), unique=True, max_size=20))
def test_device_names_fit_and_differ(ids: list[str]) -> None:
    cloud = names.CloudNames("abc123")
    for name in (names.port_device, names.router_device, names.router_interface, cloud.host_link):
        made = {name(one) for one in ids}
        assert len(made) == len(ids)
        assert all(len(one) <= 15 for one in made)


def test_ids_that_begin_alike_have_different_devices() -> None:
    assert names.port_device("00000000-0000-0000-0000-000000000001") != names.port_device(
        "00000000-0000-0000-0000-000000000002"
    )


@given(st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True), st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True))
def test_no_clouds_things_begin_like_anothers(one: str, other: str) -> None:
    if one != other:
        first, second = names.CloudNames(one), names.CloudNames(other)
        assert not second.network("x").startswith(first.namespaces)
        assert not second.host_link("x").startswith(first.host_links)


@pytest.mark.parametrize("cloud", ["", "a-b", "Upper", "toolong1", "a/b", "a b"])
def test_a_cloud_id_that_would_not_fit_is_refused(cloud: str) -> None:
    with pytest.raises(InvalidSpec):
        names.CloudNames(cloud)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "meta nfproto ipv4"),
        ({"protocol": "tcp", "port_min": 22, "port_max": 22}, "meta nfproto ipv4 tcp dport 22"),
        ({"protocol": "17", "port_min": 1, "port_max": 9}, "meta nfproto ipv4 udp dport 1-9"),
        ({"protocol": "tcp"}, "meta nfproto ipv4 meta l4proto 6"),
        ({"protocol": "vrrp"}, "meta nfproto ipv4 meta l4proto 112"),
        ({"protocol": "icmp", "port_min": 8, "port_max": 0}, "meta nfproto ipv4 icmp type 8 icmp code 0"),
        ({"ethertype": "IPv6", "protocol": "icmp", "port_min": 128}, "meta nfproto ipv6 icmpv6 type 128"),
        ({"remote_prefix": "10.0.0.9/8"}, "meta nfproto ipv4 ip saddr 10.0.0.0/8"),
        ({"remote_prefix": "0.0.0.0/0"}, "meta nfproto ipv4"),
        ({"direction": "egress", "remote_prefix": "10.0.0.1/32"}, "meta nfproto ipv4 ip daddr 10.0.0.1/32"),
        ({"remote_group": "g", "ethertype": "IPv6"}, "meta nfproto ipv6 ip6 saddr @members-g-6"),
    ],
)
def test_a_rule_becomes_a_match(changes: dict[str, object], text: str) -> None:
    assert match(a_rule(**changes)) == text


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "telnet"},
        {"protocol": "256"},
        {"protocol": "tcp", "port_min": 9, "port_max": 1},
        {"protocol": "tcp", "port_min": 1, "port_max": 70000},
        {"remote_prefix": "fd00::/8"},
        {"protocol": "icmp", "port_min": 300},
        {"remote_prefix": "all"},
    ],
)
def test_a_rule_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidSpec, match="rule r"):
        match(a_rule(**changes))


@pytest.mark.parametrize(
    ("rule", "flow", "expected"),
    [
        ({}, {}, True),
        ({"ethertype": "IPv6"}, {}, False),
        ({"protocol": "tcp", "port_min": 80, "port_max": 80}, {}, True),
        ({"protocol": "tcp", "port_min": 81, "port_max": 90}, {}, False),
        ({"protocol": "udp"}, {}, False),
        ({"remote_prefix": "10.0.0.4/31"}, {}, True),
        ({"remote_prefix": "10.0.0.6/31"}, {}, False),
        ({"direction": "egress", "remote_prefix": "10.0.0.6/31"}, {}, True),
        ({"remote_group": "g"}, {}, True),
        ({"remote_group": "unknown"}, {}, False),
        ({"protocol": "icmp", "port_min": 8}, {"protocol": 1, "icmp_type": 8, "icmp_code": 0, "port": None}, True),
        ({"protocol": "icmp", "port_min": 0}, {"protocol": 1, "icmp_type": 8, "icmp_code": 0, "port": None}, False),
    ],
)
def test_a_rule_judges_a_connection_as_it_would_its_first_packet(
    rule: dict[str, object], flow: dict[str, object], expected: bool
) -> None:
    assert allows(a_rule(**rule), a_flow(**flow), {"g": frozenset({"10.0.0.5"})}) is expected


def a_record(*ports: PortSpec, rules: tuple[RuleSpec, ...] = ()) -> NetworkRecord:
    return NetworkRecord(
        spec=NetworkSpec(id="n"),
        groups={"g": GroupSpec(id="g", rules=list(rules))},
        ports={port.id: PortRecord(spec=port, number=n) for n, port in enumerate(ports, start=1)},
    )


def test_connections_are_judged_at_both_ends() -> None:
    sender, receiver = a_port("n", 5, groups=["g"]), a_port("n", 6, groups=["g"])
    out = a_rule(direction="egress")
    web = a_rule(protocol="tcp", port_min=80, port_max=80)
    assert not forbidden(a_record(sender, receiver, rules=(out, web)))(a_flow())
    assert forbidden(a_record(sender, receiver, rules=(out,)))(a_flow())
    assert forbidden(a_record(sender, receiver, rules=(web,)))(a_flow())
    trusted_sender = a_record(receiver, rules=(web,))
    assert not forbidden(trusted_sender)(a_flow())


def test_a_connection_of_a_removed_port_is_found_by_address_and_by_mark() -> None:
    gone = PortRecord(spec=a_port("n", 5), number=7)
    judge = forbidden(a_record(), [gone])
    assert judge(a_flow())
    assert judge(a_flow(source="172.16.0.1", mark=7 << 16))
    assert not judge(a_flow(source="172.16.0.1"))


def test_a_port_without_security_is_judged_by_nobody() -> None:
    free = a_port("n", 6, port_security=False)
    assert not forbidden(a_record(free))(a_flow())
    assert list(port_objects(PortRecord(spec=free, number=1)).chains) == []


def test_overlapping_pairs_become_ranges_that_do_not_overlap() -> None:
    pairs = [AddressPair(ip_address=text) for text in ("10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "10.0.0.5")]
    objects = port_objects(PortRecord(spec=a_port("n", 5, allowed_pairs=pairs), number=1))
    ranges = [ipaddress.ip_network(element[2]) for element in objects.sets["bridge", "ranges-4"].elements]
    assert ranges == [ipaddress.ip_network("10.1.0.0/16")]


def test_a_link_local_address_is_made_of_the_mac() -> None:
    assert link_local("fa:16:3e:00:00:05") == "fe80::f816:3eff:fe00:5"


def chains(**rules: tuple[str, ...]) -> Objects:
    return Objects({("inet", name): Chain(found) for name, found in rules.items()})


def test_the_difference_of_equal_objects_is_nothing() -> None:
    record = a_record(a_port("n", 5, groups=["g"]), rules=(a_rule(),))
    assert difference("t", network_objects(record), network_objects(record), Objects()) == ""


def test_the_difference_touches_only_what_changed() -> None:
    script = difference("t", chains(a=("accept",), b=("drop",)), chains(a=("accept",), c=("drop",)), Objects())
    assert "inet t a" not in script
    assert "delete chain inet t b" in script
    assert "add chain inet t c" in script


def test_what_is_asked_for_again_is_written_though_it_did_not_change() -> None:
    objects = chains(a=("accept",))
    assert "flush chain inet t a" in difference("t", objects, objects, objects)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (chains(a=("x",)), chains(a=("x", "y")), False),
        (chains(a=("x", "y")), chains(a=("x",)), True),
        (chains(a=("x",)), chains(), True),
        (chains(), chains(a=("x",)), False),
    ],
)
def test_only_what_takes_away_asks_for_a_look_at_connections(before: Objects, after: Objects, expected: bool) -> None:
    assert takes_away(before, after) is expected


@pytest.mark.parametrize(
    ("element", "value", "listed"),
    [
        (("p1", "fa:16:3e:00:00:05"), None, {"concat": ["p1", "fa:16:3e:00:00:05"]}),
        (("10.0.0.0/8",), None, {"prefix": {"addr": "10.0.0.0", "len": 8}}),
        (("0x1-0x2",), None, {"range": ["0x1", "0x2"]}),
        (("p1",), 65536, ["p1", 65536]),
        ((7,), ("goto", "c"), [7, {"goto": {"target": "c"}}]),
        (("203.0.113.9",), "10.0.0.5", ["203.0.113.9", "10.0.0.5"]),
    ],
)
def test_a_listed_element_is_recognised(element: Element, value: Value, listed: object) -> None:
    wanted = Objects(sets={("inet", "s"): ElementSet("", {element: value}, is_map=value is not None)})
    word = "map" if value is not None else "set"
    assert faults(wanted, {"inet": [{word: {"name": "s", "elem": [listed]}}]}) == []
    assert faults(wanted, {"inet": [{word: {"name": "s"}}]}) == [f"inet {word} s was changed"]
    assert faults(wanted, {"inet": None}) == ["nft table of family inet is missing"]


def test_equal_specs_have_equal_fingerprints_and_others_do_not() -> None:
    port = a_port("n", 5)
    assert fingerprint(port) == fingerprint(msgspec.msgpack.decode(msgspec.msgpack.encode(port), type=PortSpec))
    assert fingerprint(port) != fingerprint(msgspec.structs.replace(port, mtu=1400))


def test_a_torn_record_is_as_if_it_had_not_been_written(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("state")
    records = Records(folder)
    records.put_network(a_record())
    assert Records(folder).network("n") == a_record()
    (folder / "networks" / "n").write_bytes(b"\x83\xa4spec")
    assert Records(folder).network("n") is None
