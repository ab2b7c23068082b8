"""Security groups and rules through the wire."""

from typing import Any

import pytest

from tests.rooms.network.neutron import BASE, Neutron, refusal


def _rule(tenant: Neutron, group: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return tenant.make("security-group-rules", security_group_id=group["id"], **{"direction": "ingress", **attributes})


def _default(tenant: Neutron) -> dict[str, Any]:
    return tenant.list("security-groups", "name=default")[0]


def test_every_project_has_a_default_group_from_the_first_look_on(tenant: Neutron) -> None:
    (group,) = tenant.list("security-groups")
    assert group["name"] == "default"
    said = {(each["direction"], each["ethertype"], each["remote_group_id"]) for each in group["security_group_rules"]}
    assert said == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", group["id"]),
        ("ingress", "IPv6", group["id"]),
    }
    assert len(tenant.list("security-groups")) == 1


def test_the_default_group_stays_and_keeps_its_name(tenant: Neutron) -> None:
    group = _default(tenant)
    assert refusal(tenant.put("security-groups", group["id"], name="mine"))[:2] == (
        409,
        "SecurityGroupCannotUpdateDefault",
    )
    assert refusal(tenant.delete("security-groups", group["id"]))[:2] == (409, "SecurityGroupCannotRemoveDefault")
    assert tenant.refused("security-groups", name="Default")[:2] == (409, "SecurityGroupDefaultAlreadyExists")
    assert tenant.change("security-groups", group["id"], description="ours")["description"] == "ours"


def test_a_new_group_lets_everything_out_and_nothing_in(tenant: Neutron) -> None:
    group = tenant.make("security-groups", name="web")
    assert [each["direction"] for each in group["security_group_rules"]] == ["egress", "egress"]
    rule = _rule(tenant, group, protocol="tcp", port_range_min=80, port_range_max=443, remote_ip_prefix="10.0.0.0/8")
    assert (rule["ethertype"], rule["protocol"], rule["port_range_min"]) == ("IPv4", "tcp", 80)
    shown = tenant.show("security-groups", group["id"])["security_group_rules"]
    assert rule["id"] in [each["id"] for each in shown]
    tenant.gone("security-group-rules", rule["id"])
    assert len(tenant.show("security-groups", group["id"])["security_group_rules"]) == 2


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"protocol": "bogus"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": 256}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": [6]}, "SecurityGroupRuleInvalidProtocol"),
        ({"ethertype": "IPv5"}, "SecurityGroupRuleInvalidEtherType"),
        ({"direction": "sideways"}, "HTTPBadRequest"),
        ({"remote_ip_prefix": "10.0.0.0/33"}, "InvalidCIDR"),
        ({"remote_ip_prefix": "fd00::/64"}, "SecurityGroupRuleParameterConflict"),
        ({"port_range_min": 80, "port_range_max": 80}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "tcp", "port_range_min": 80, "port_range_max": 79}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_max": 79}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 80, "port_range_max": 65536}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "tcp", "port_range_min": -1, "port_range_max": 6}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "vrrp", "port_range_min": 1, "port_range_max": 2}, "SecurityGroupInvalidProtocolForPort"),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        ({"protocol": "icmp", "port_range_max": 6}, "SecurityGroupMissingIcmpType"),
        ({"protocol": "icmpv6"}, "SecurityGroupEthertypeConflictWithProtocol"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(tenant: Neutron, attributes: dict[str, Any], kind: str) -> None:
    group = tenant.make("security-groups", name="g")
    wanted = {"direction": "ingress", "security_group_id": group["id"], **attributes}
    assert tenant.refused("security-group-rules", **wanted)[:2] == (400, kind)


@pytest.mark.parametrize(
    ("given", "shown"),
    [("TCP", "tcp"), (6, "6"), ("6", "6"), ("any", None), ("", None), (None, None), ("icmpv6", "icmpv6")],
)
def test_protocols_are_names_or_numbers(tenant: Neutron, given: object, shown: object) -> None:
    group = tenant.make("security-groups", name="g")
    assert _rule(tenant, group, protocol=given, ethertype="ipv6")["protocol"] == shown


def test_a_rule_has_one_far_end_at_most_and_it_must_be_there(tenant: Neutron, other: Neutron) -> None:
    group, foreign = tenant.make("security-groups", name="g"), other.make("security-groups", name="theirs")
    both = {"remote_group_id": group["id"], "remote_ip_prefix": "10.0.0.0/8"}
    base = {"direction": "ingress", "security_group_id": group["id"]}
    assert tenant.refused("security-group-rules", **base, **both)[:2] == (400, "SecurityGroupMultipleRemoteEntites")
    for unknown in (foreign["id"], "nonsense"):
        assert tenant.refused("security-group-rules", **base, remote_group_id=unknown)[:2] == (
            404,
            "SecurityGroupNotFound",
        )
    refused = tenant.refused("security-group-rules", direction="ingress", security_group_id=foreign["id"])
    assert refused[:2] == (404, "SecurityGroupNotFound")


def test_the_same_rule_twice_is_refused(tenant: Neutron) -> None:
    group = tenant.make("security-groups", name="g")
    same = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    rule = _rule(tenant, group, **same)
    status, kind, message = tenant.refused(
        "security-group-rules", security_group_id=group["id"], direction="ingress", **same
    )
    assert (status, kind) == (409, "SecurityGroupRuleExists")
    assert rule["id"] in message
    _rule(tenant, group, protocol="tcp", port_range_min=22, port_range_max=23)


def test_rules_are_made_all_or_none(tenant: Neutron) -> None:
    group = tenant.make("security-groups", name="g")
    good = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    path = f"{BASE}/security-group-rules"
    answer = tenant.persona("POST", path, {"security_group_rules": [good, {**good, "protocol": "bogus"}]})
    assert answer.status_code == 400
    assert len(tenant.show("security-groups", group["id"])["security_group_rules"]) == 2
    answer = tenant.persona("POST", path, {"security_group_rules": [good, good]})
    assert refusal(answer)[:2] == (409, "SecurityGroupRuleExists")
    assert len(tenant.show("security-groups", group["id"])["security_group_rules"]) == 2


def test_a_group_that_is_worn_stays_and_rules_naming_it_go_with_it(tenant: Neutron) -> None:
    network, _ = tenant.net()
    worn, naming = tenant.make("security-groups", name="worn"), tenant.make("security-groups", name="naming")
    _rule(tenant, naming, remote_group_id=worn["id"])
    port = tenant.make("ports", network_id=network["id"], security_groups=[worn["id"]])
    assert refusal(tenant.delete("security-groups", worn["id"]))[:2] == (409, "SecurityGroupInUse")
    tenant.gone("ports", port["id"])
    tenant.gone("security-groups", worn["id"])
    assert len(tenant.show("security-groups", naming["id"])["security_group_rules"]) == 2
