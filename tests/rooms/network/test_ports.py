"""Ports through the wire: addresses, MACs, owners, security."""

import pytest

from tests.rooms.network.neutron import Neutron, refusal


def _ips(port: dict[str, object]) -> list[str]:
    found = port["fixed_ips"]
    assert isinstance(found, list)
    return [each["ip_address"] for each in found]


def test_a_port_gets_one_address_of_each_family_a_mac_and_the_default_group(tenant: Neutron) -> None:
    network, _ = tenant.net("10.100.0.0/28")
    tenant.make("subnets", network_id=network["id"], ip_version=6, cidr="fd00::/64")
    port = tenant.make("ports", network_id=network["id"], name="p")
    assert _ips(port) == ["10.100.0.2", "fd00::2"]
    assert port["mac_address"].startswith("fa:16:3e:")
    assert (port["status"], port["port_security_enabled"]) == ("DOWN", True)
    assert [tenant.show("security-groups", each)["name"] for each in port["security_groups"]] == ["default"]
    assert not [name for name in port if name in ("binding:host_id", "binding:profile")]


def test_a_port_gets_the_addresses_it_asks_for(tenant: Neutron) -> None:
    network, subnet = tenant.net("10.0.0.0/24")
    asked = [{"subnet_id": subnet["id"], "ip_address": "10.0.0.77"}, {"subnet_id": subnet["id"]}]
    port = tenant.make("ports", network_id=network["id"], fixed_ips=asked)
    assert _ips(port) == ["10.0.0.77", "10.0.0.2"]
    only_address = tenant.make("ports", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.78"}])
    assert only_address["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.78"}]
    assert _ips(tenant.make("ports", network_id=network["id"], fixed_ips=[])) == []


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        ([{"ip_address": "10.0.0.5"}], 409, "IpAddressAlreadyAllocated"),
        ([{"ip_address": "10.9.0.5"}], 400, "InvalidIpForNetwork"),
        ([{"ip_address": "10.0.0.255"}], 400, "InvalidIpForSubnet"),
        ([{"ip_address": "10.0.0.6"}, {"ip_address": "10.0.0.6"}], 400, "InvalidInput"),
        ([{"ip_address": f"10.0.0.{n}"} for n in range(10, 16)], 400, "InvalidInput"),
        ([{"subnet_id": "5a3c1d62-0000-4000-8000-000000000000"}], 400, "InvalidInput"),
        ([{"ip_address": "words"}], 400, "HTTPBadRequest"),
        ([{"address": "10.0.0.6"}], 400, "HTTPBadRequest"),
        ("10.0.0.6", 400, "HTTPBadRequest"),
    ],
)
def test_addresses_that_cannot_be_are_refused_and_no_port_is_left(
    tenant: Neutron, asked: object, status: int, kind: str
) -> None:
    network, _ = tenant.net("10.0.0.0/24")
    first = tenant.make("ports", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.5"}])
    assert tenant.refused("ports", network_id=network["id"], fixed_ips=asked)[:2] == (status, kind)
    assert [each["id"] for each in tenant.list("ports", f"network_id={network['id']}")] == [first["id"]]


def test_a_pool_that_is_used_up_says_so_and_serves_again_when_one_is_freed(tenant: Neutron) -> None:
    network, _ = tenant.net("10.0.0.0/30", gateway_ip=None)
    ports = [tenant.make("ports", network_id=network["id"]) for _ in range(2)]
    assert tenant.refused("ports", network_id=network["id"])[:2] == (409, "IpAddressGenerationFailure")
    tenant.gone("ports", ports[0]["id"])
    assert _ips(tenant.make("ports", network_id=network["id"])) == _ips(ports[0])


def test_two_ports_never_share_a_mac_on_a_network(tenant: Neutron) -> None:
    network, _ = tenant.net()
    tenant.make("ports", network_id=network["id"], mac_address="FA-16-3E-00-00-07")
    assert tenant.refused("ports", network_id=network["id"], mac_address="fa:16:3e:00:00:07")[:2] == (
        409,
        "MacAddressInUse",
    )
    assert tenant.refused("ports", network_id=network["id"], mac_address="01:00:5e:00:00:07")[0] == 400
    elsewhere, _ = tenant.net()
    assert (
        tenant.make("ports", network_id=elsewhere["id"], mac_address="fa:16:3e:00:00:07")["mac_address"]
        == "fa:16:3e:00:00:07"
    )


def test_addresses_that_stay_in_the_list_stay_as_they_are(tenant: Neutron) -> None:
    network, one = tenant.net("10.0.0.0/24")
    two = tenant.make("subnets", network_id=network["id"], ip_version=4, cidr="10.1.0.0/24")
    port = tenant.make(
        "ports", network_id=network["id"], fixed_ips=[{"subnet_id": one["id"]}, {"subnet_id": two["id"]}]
    )
    assert _ips(port) == ["10.0.0.2", "10.1.0.2"]
    tenant.make("ports", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.3"}])
    assert _ips(tenant.change("ports", port["id"], fixed_ips=[{"subnet_id": one["id"]}])) == ["10.0.0.2"]
    back = tenant.change("ports", port["id"], fixed_ips=[{"subnet_id": one["id"]}, {"subnet_id": two["id"]}])
    assert sorted(_ips(back)) == ["10.0.0.2", "10.1.0.2"]


def test_hosts_make_their_own_addresses_where_the_subnet_says_so(tenant: Neutron) -> None:
    network, _ = tenant.net("fd00:2::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
    port = tenant.make("ports", network_id=network["id"], mac_address="fa:16:3e:00:00:01")
    assert _ips(port) == ["fd00:2::f816:3eff:fe00:1"]
    asked = [{"ip_address": "fd00:2::99"}]
    assert tenant.refused("ports", network_id=network["id"], fixed_ips=asked)[:2] == (
        400,
        "AllocationOnAutoAddressSubnet",
    )


def test_port_security_and_what_needs_it_go_together(tenant: Neutron) -> None:
    network, _ = tenant.net()
    group = tenant.make("security-groups", name="g")
    refused = tenant.refused(
        "ports", network_id=network["id"], port_security_enabled=False, security_groups=[group["id"]]
    )
    assert refused[:2] == (400, "PortSecurityAndIPRequiredForSecurityGroups")
    pair = [{"ip_address": "10.100.0.9"}]
    refused = tenant.refused("ports", network_id=network["id"], port_security_enabled=False, allowed_address_pairs=pair)
    assert refused[:2] == (409, "AddressPairAndPortSecurityRequired")
    port = tenant.make("ports", network_id=network["id"], security_groups=[group["id"]])
    assert refusal(tenant.put("ports", port["id"], port_security_enabled=False))[:2] == (
        409,
        "PortSecurityPortHasSecurityGroup",
    )
    bare = tenant.change("ports", port["id"], port_security_enabled=False, security_groups=[])
    assert (bare["port_security_enabled"], bare["security_groups"]) == (False, [])


def test_address_pairs_default_to_the_ports_own_mac(tenant: Neutron) -> None:
    network, _ = tenant.net()
    port = tenant.make("ports", network_id=network["id"], allowed_address_pairs=[{"ip_address": "10.100.0.0/24"}])
    assert port["allowed_address_pairs"] == [{"ip_address": "10.100.0.0/24", "mac_address": port["mac_address"]}]
    twice = [{"ip_address": "10.100.0.9"}] * 2
    assert refusal(tenant.put("ports", port["id"], allowed_address_pairs=twice))[:2] == (
        400,
        "DuplicateAddressPairInRequest",
    )


def test_an_unknown_security_group_or_network_is_not_found(tenant: Neutron, other: Neutron) -> None:
    network, _ = tenant.net()
    foreign = other.make("security-groups", name="theirs")
    refused = tenant.refused("ports", network_id=network["id"], security_groups=[foreign["id"]])
    assert refused[:2] == (404, "SecurityGroupNotFound")
    theirs, _ = other.net()
    assert tenant.refused("ports", network_id=theirs["id"])[:2] == (404, "NetworkNotFound")


def test_on_a_shared_network_addresses_are_given_not_chosen(tenant: Neutron, admin: Neutron) -> None:
    network = admin.make("networks", shared=True)
    subnet = admin.make("subnets", network_id=network["id"], ip_version=4, cidr="10.8.0.0/24")
    assert tenant.make("ports", network_id=network["id"])["fixed_ips"][0]["subnet_id"] == subnet["id"]
    for chosen in ({"fixed_ips": [{"ip_address": "10.8.0.9"}]}, {"mac_address": "fa:16:3e:00:00:09"}):
        assert tenant.refused("ports", network_id=network["id"], **chosen)[:2] == (403, "PolicyNotAuthorized")


def test_nobody_but_the_cloud_makes_ports_that_pose_as_its_own(tenant: Neutron) -> None:
    network, _ = tenant.net()
    refused = tenant.refused("ports", network_id=network["id"], device_owner="network:router_interface")
    assert refused[:2] == (403, "PolicyNotAuthorized")
    assert tenant.refused("ports", network_id=network["id"], binding__host_id="somewhere")[:2] == (
        403,
        "PolicyNotAuthorized",
    )


def test_an_administrator_says_and_sees_where_a_port_is_bound(tenant: Neutron, admin: Neutron) -> None:
    network, _ = tenant.net()
    port = admin.make("ports", network_id=network["id"], binding__host_id="somewhere")
    assert (port["binding:host_id"], port["binding:vif_type"]) == ("somewhere", "bridge")
    assert [each["id"] for each in admin.list("ports", "binding:host_id=somewhere")] == [port["id"]]


def test_ports_are_found_by_address_group_and_device(tenant: Neutron) -> None:
    network, subnet = tenant.net()
    group = tenant.make("security-groups", name="g")
    port = tenant.make("ports", network_id=network["id"], security_groups=[group["id"]], device_id="d1")
    tenant.make("ports", network_id=network["id"])
    for query in (
        f"fixed_ips=ip_address%3D{_ips(port)[0]}",
        f"fixed_ips=subnet_id%3D{subnet['id']}&security_groups={group['id']}",
        f"network_id={network['id']}&device_id=d1",
    ):
        assert [each["id"] for each in tenant.list("ports", query)] == [port["id"]], query
