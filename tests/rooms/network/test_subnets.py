"""Subnets through the wire: ranges, pools, gateways, IPv6 modes."""

import pytest

from tests.rooms.network.neutron import Neutron, refusal


def test_a_subnet_has_the_first_address_as_gateway_and_the_rest_as_pool(tenant: Neutron) -> None:
    network, subnet = tenant.net("10.100.0.0/28")
    assert subnet["gateway_ip"] == "10.100.0.1"
    assert subnet["allocation_pools"] == [{"start": "10.100.0.2", "end": "10.100.0.14"}]
    assert tenant.show("networks", network["id"])["subnets"] == [subnet["id"]]


def test_a_gateway_in_the_middle_splits_the_pool(tenant: Neutron) -> None:
    _, subnet = tenant.net("10.100.0.0/29", gateway_ip="10.100.0.3")
    assert subnet["allocation_pools"] == [
        {"start": "10.100.0.1", "end": "10.100.0.2"},
        {"start": "10.100.0.4", "end": "10.100.0.6"},
    ]


def test_a_subnet_may_have_no_gateway(tenant: Neutron) -> None:
    _, subnet = tenant.net("10.100.0.0/30", gateway_ip=None)
    assert subnet["gateway_ip"] is None
    assert subnet["allocation_pools"] == [{"start": "10.100.0.1", "end": "10.100.0.2"}]


@pytest.mark.parametrize(
    ("attributes", "status", "kind"),
    [
        ({"cidr": "10.0.0.0/24", "ip_version": 6}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "ip_version": 5}, 400, "HTTPBadRequest"),
        ({"cidr": "nonsense", "ip_version": 4}, 400, "HTTPBadRequest"),
        ({"cidr": "0.0.0.0/0", "ip_version": 4}, 400, "InvalidInput"),
        ({"cidr": "224.0.0.0/8", "ip_version": 4}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "ip_version": 4, "gateway_ip": "10.0.0.255"}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/24", "ip_version": 4, "gateway_ip": "fd00::1"}, 400, "InvalidInput"),
        (
            {"cidr": "10.0.0.0/24", "ip_version": 4, "allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.2"}]},
            400,
            "InvalidAllocationPool",
        ),
        (
            {"cidr": "10.0.0.0/24", "ip_version": 4, "allocation_pools": [{"start": "10.0.1.2", "end": "10.0.1.9"}]},
            400,
            "OutOfBoundsAllocationPool",
        ),
        (
            {"cidr": "10.0.0.0/24", "ip_version": 4, "allocation_pools": [{"start": "10.0.0.1", "end": "10.0.0.9"}]},
            409,
            "GatewayConflictWithAllocationPools",
        ),
        (
            {
                "cidr": "10.0.0.0/24",
                "ip_version": 4,
                "allocation_pools": [
                    {"start": "10.0.0.2", "end": "10.0.0.9"},
                    {"start": "10.0.0.9", "end": "10.0.0.20"},
                ],
            },
            409,
            "OverlappingAllocationPools",
        ),
        (
            {"cidr": "10.0.0.0/24", "ip_version": 4, "dns_nameservers": [f"9.9.9.{n}" for n in range(6)]},
            400,
            "DNSNameServersExhausted",
        ),
        (
            {
                "cidr": "10.0.0.0/24",
                "ip_version": 4,
                "host_routes": [{"destination": "fd00::/64", "nexthop": "10.0.0.9"}],
            },
            400,
            "InvalidInput",
        ),
        ({"cidr": "10.0.0.0/24", "ip_version": 4, "ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
        ({"cidr": "fd00::/80", "ip_version": 6, "ipv6_address_mode": "slaac"}, 400, "InvalidInput"),
        (
            {"cidr": "fd00::/64", "ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"},
            400,
            "InvalidInput",
        ),
        ({"cidr": "fd00::/64", "ip_version": 6, "ipv6_ra_mode": "slaac", "enable_dhcp": False}, 400, "InvalidInput"),
        ({"cidr": "fd00::/64", "ip_version": 6, "ipv6_ra_mode": "magic"}, 400, "HTTPBadRequest"),
        ({"ip_version": 4}, 400, "HTTPBadRequest"),
    ],
)
def test_a_subnet_that_contradicts_itself_is_refused(
    tenant: Neutron, attributes: dict[str, object], status: int, kind: str
) -> None:
    network = tenant.make("networks")
    assert tenant.refused("subnets", network_id=network["id"], **attributes)[:2] == (status, kind)
    assert tenant.show("networks", network["id"])["subnets"] == []


def test_ranges_on_one_network_may_not_overlap(tenant: Neutron) -> None:
    network, _ = tenant.net("10.0.0.0/24")
    status, kind, message = tenant.refused("subnets", network_id=network["id"], ip_version=4, cidr="10.0.0.128/25")
    assert (status, kind) == (400, "InvalidInput")
    assert "overlaps with another subnet" in message


def test_host_bits_of_a_range_are_cleared(tenant: Neutron) -> None:
    assert tenant.net("10.0.0.77/24")[1]["cidr"] == "10.0.0.0/24"


def test_a_subnet_is_changed_but_not_its_range(tenant: Neutron) -> None:
    _, subnet = tenant.net("10.0.0.0/24", allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.20"}])
    changed = tenant.change(
        "subnets",
        subnet["id"],
        gateway_ip="10.0.0.2",
        dns_nameservers=["9.9.9.9"],
        host_routes=[{"destination": "10.5.0.0/16", "nexthop": "10.0.0.9"}],
    )
    assert (changed["gateway_ip"], changed["dns_nameservers"]) == ("10.0.0.2", ["9.9.9.9"])
    assert refusal(tenant.put("subnets", subnet["id"], cidr="10.1.0.0/24"))[0] == 400
    assert refusal(tenant.put("subnets", subnet["id"], gateway_ip="10.0.0.15"))[:2] == (
        409,
        "GatewayConflictWithAllocationPools",
    )


def test_the_gateway_stays_while_a_router_has_it(tenant: Neutron) -> None:
    _, subnet = tenant.net("10.0.0.0/24", allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.20"}])
    router = tenant.make("routers")
    assert tenant.connect(router["id"], subnet_id=subnet["id"]).status_code == 200
    assert refusal(tenant.put("subnets", subnet["id"], gateway_ip="10.0.0.2"))[:2] == (409, "GatewayIpInUse")


def test_a_subnet_in_use_stays(tenant: Neutron) -> None:
    network, subnet = tenant.net()
    port = tenant.make("ports", network_id=network["id"])
    assert refusal(tenant.delete("subnets", subnet["id"]))[:2] == (409, "SubnetInUse")
    tenant.gone("ports", port["id"])
    tenant.gone("subnets", subnet["id"])


def test_addresses_that_hosts_give_themselves_come_and_go_with_the_subnet(tenant: Neutron) -> None:
    network = tenant.make("networks")
    port = tenant.make("ports", network_id=network["id"], mac_address="fa:16:3e:00:00:01")
    subnet = tenant.make(
        "subnets",
        network_id=network["id"],
        ip_version=6,
        cidr="fd00:1::/64",
        ipv6_ra_mode="slaac",
        ipv6_address_mode="slaac",
    )
    assert tenant.show("ports", port["id"])["fixed_ips"] == [
        {"subnet_id": subnet["id"], "ip_address": "fd00:1::f816:3eff:fe00:1"}
    ]
    tenant.gone("subnets", subnet["id"])
    assert tenant.show("ports", port["id"])["fixed_ips"] == []


def test_only_the_owner_of_a_shared_network_makes_subnets_on_it(tenant: Neutron, admin: Neutron) -> None:
    network = admin.make("networks", shared=True)
    refused = tenant.refused("subnets", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    assert refused[:2] == (403, "PolicyNotAuthorized")
    assert tenant.refused("subnets", network_id=tenant.project_id, ip_version=4, cidr="10.0.0.0/24")[0] in (400, 404)


def test_subnets_are_cut_from_a_pool_until_it_is_used_up(tenant: Neutron) -> None:
    pool = tenant.make("subnetpools", name="p", prefixes=["10.20.0.0/25", "10.20.0.128/25"], default_prefixlen=25)
    assert (pool["prefixes"], pool["ip_version"], pool["min_prefixlen"]) == (["10.20.0.0/24"], 4, 8)
    network = tenant.make("networks")
    wanted = {"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool["id"]}
    first = tenant.make("subnets", **wanted)
    second = tenant.make("subnets", **wanted, prefixlen=26)
    assert [each["cidr"] for each in (first, second)] == ["10.20.0.0/25", "10.20.0.128/26"]
    assert tenant.refused("subnets", **wanted)[:2] == (409, "SubnetAllocationError")
    assert tenant.refused("subnets", **wanted, prefixlen=33)[0] == 400
    assert tenant.refused("subnets", **wanted, cidr="10.99.0.0/26")[:2] == (409, "SubnetAllocationError")
    assert tenant.make("subnets", **wanted, cidr="10.20.0.192/26")["subnetpool_id"] == pool["id"]
    assert refusal(tenant.delete("subnetpools", pool["id"]))[:2] == (409, "SubnetPoolInUse")
    tenant.gone("networks", network["id"])
    tenant.gone("subnetpools", pool["id"])


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"prefixes": []}, "EmptySubnetPoolPrefixList"),
        ({"prefixes": ["10.0.0.0/8", "fd00::/48"]}, "PrefixVersionMismatch"),
        ({"prefixes": ["10.0.0.0/8"], "min_prefixlen": 28, "default_prefixlen": 26}, "IllegalSubnetPoolPrefixBounds"),
        ({"prefixes": ["10.0.0.0/8"], "max_prefixlen": 64}, "IllegalSubnetPoolPrefixBounds"),
        ({"prefixes": ["words"]}, "HTTPBadRequest"),
        ({}, "HTTPBadRequest"),
    ],
)
def test_a_pool_that_contradicts_itself_is_refused(tenant: Neutron, attributes: dict[str, object], kind: str) -> None:
    assert tenant.refused("subnetpools", name="p", **attributes)[:2] == (400, kind)


def test_a_pool_only_grows_and_a_default_one_serves_who_asks(tenant: Neutron, admin: Neutron) -> None:
    assert tenant.refused("subnetpools", name="p", prefixes=["10.0.0.0/8"], is_default=True)[0] == 403
    pool = admin.make(
        "subnetpools", name="p", prefixes=["10.30.0.0/16"], is_default=True, shared=True, default_quota=512
    )
    assert refusal(admin.put("subnetpools", pool["id"], prefixes=["10.30.0.0/17"]))[:2] == (
        400,
        "IllegalSubnetPoolPrefixUpdate",
    )
    network = tenant.make("networks")
    wanted = {"network_id": network["id"], "ip_version": 4, "use_default_subnetpool": True}
    assert tenant.make("subnets", **wanted, prefixlen=24)["cidr"] == "10.30.0.0/24"
    assert tenant.refused("subnets", **wanted, prefixlen=23)[:2] == (409, "SubnetPoolQuotaExceeded")
    assert tenant.refused("subnets", **{**wanted, "ip_version": 6})[0] == 400
