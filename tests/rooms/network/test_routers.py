"""Routers and floating IPs through the wire."""

import time
from typing import Any

from tests.rooms.network.neutron import BASE, Neutron, refusal


def _outside(tenant: Neutron) -> dict[str, str]:
    return {"network_id": tenant.public()}


def _routed(tenant: Neutron, cidr: str = "10.100.0.0/28") -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    network, subnet = tenant.net(cidr)
    router = tenant.make("routers", external_gateway_info=_outside(tenant))
    assert tenant.connect(router["id"], subnet_id=subnet["id"]).status_code == 200
    return network, subnet, router


def test_a_router_gets_its_gateway_at_birth_and_loses_it_when_asked(tenant: Neutron, admin: Neutron) -> None:
    router = tenant.make("routers", name="r", external_gateway_info=_outside(tenant))
    gateway = router["external_gateway_info"]
    assert (gateway["network_id"], gateway["enable_snat"]) == (tenant.public(), True)
    (port,) = admin.list("ports", f"device_id={router['id']}&device_owner=network:router_gateway")
    assert port["fixed_ips"] == gateway["external_fixed_ips"]
    assert tenant.list("ports", f"device_id={router['id']}") == []
    assert tenant.change("routers", router["id"], external_gateway_info={})["external_gateway_info"] is None
    assert admin.list("ports", f"device_id={router['id']}") == []


def test_a_gateway_keeps_its_address_when_only_translation_changes(tenant: Neutron) -> None:
    router = tenant.make("routers", external_gateway_info=_outside(tenant))
    changed = tenant.change("routers", router["id"], external_gateway_info={**_outside(tenant), "enable_snat": False})
    assert changed["external_gateway_info"] == {**router["external_gateway_info"], "enable_snat": False}


def test_a_gateway_must_be_an_external_network_that_is_there(tenant: Neutron) -> None:
    network, _ = tenant.net()
    router = tenant.make("routers")
    for info, expected in (
        ({"network_id": network["id"]}, (400, "HTTPBadRequest")),
        ({"network_id": router["id"]}, (404, "NetworkNotFound")),
        ({"network_id": "words"}, (400, "HTTPBadRequest")),
        ({**_outside(tenant), "colour": "red"}, (400, "HTTPBadRequest")),
    ):
        assert refusal(tenant.put("routers", router["id"], external_gateway_info=info))[:2] == expected, info
        assert tenant.refused("routers", external_gateway_info=info)[:2] == expected, info


def test_an_interface_is_made_from_a_subnet_and_taken_away(tenant: Neutron) -> None:
    network, subnet = tenant.net()
    router = tenant.make("routers")
    told = tenant.connect(router["id"], subnet_id=subnet["id"]).json()
    assert (told["id"], told["subnet_id"], told["network_id"]) == (router["id"], subnet["id"], network["id"])
    port = tenant.show("ports", told["port_id"])
    assert (port["device_id"], port["device_owner"]) == (router["id"], "network:router_interface")
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}]
    assert refusal(tenant.delete("ports", port["id"]))[:2] == (409, "ServicePortInUse")
    assert refusal(tenant.delete("routers", router["id"]))[:2] == (409, "RouterInUse")
    assert tenant.disconnect(router["id"], subnet_id=subnet["id"]).status_code == 200
    assert refusal(tenant.persona("GET", f"{BASE}/ports/{port['id']}"))[0] == 404
    tenant.gone("routers", router["id"])


def test_an_interface_is_made_from_a_port(tenant: Neutron) -> None:
    network, _ = tenant.net()
    router = tenant.make("routers")
    port = tenant.make("ports", network_id=network["id"])
    assert tenant.connect(router["id"], port_id=port["id"]).json()["port_id"] == port["id"]
    assert tenant.show("ports", port["id"])["security_groups"] == []
    used = tenant.make("ports", network_id=network["id"], device_id="something")
    assert refusal(tenant.connect(router["id"], port_id=used["id"]))[:2] == (409, "PortInUse")
    assert tenant.disconnect(router["id"], port_id=port["id"]).status_code == 200


def test_interfaces_that_cannot_be_are_refused(tenant: Neutron, other: Neutron) -> None:
    _, subnet = tenant.net("10.0.0.0/24")
    _, same = tenant.net("10.0.0.0/25")
    _, without = tenant.net("10.1.0.0/24", gateway_ip=None)
    _, foreign = other.net("10.2.0.0/24")
    router = tenant.make("routers")
    assert tenant.connect(router["id"], subnet_id=subnet["id"]).status_code == 200
    for body, expected in (
        ({"subnet_id": subnet["id"]}, (400, "HTTPBadRequest")),
        ({"subnet_id": same["id"]}, (400, "HTTPBadRequest")),
        ({"subnet_id": without["id"]}, (400, "HTTPBadRequest")),
        ({"subnet_id": foreign["id"]}, (404, "SubnetNotFound")),
        ({}, (400, "HTTPBadRequest")),
        ({"subnet_id": subnet["id"], "port_id": router["id"]}, (400, "HTTPBadRequest")),
        ({"port_id": router["id"]}, (404, "PortNotFound")),
    ):
        assert refusal(tenant.connect(router["id"], **body))[:2] == expected, body
    assert refusal(tenant.disconnect(router["id"], subnet_id=same["id"]))[:2] == (
        404,
        "RouterInterfaceNotFoundForSubnet",
    )


def test_two_routers_cannot_both_be_a_subnets_gateway(tenant: Neutron) -> None:
    _, subnet = tenant.net()
    one, two = tenant.make("routers"), tenant.make("routers")
    assert tenant.connect(one["id"], subnet_id=subnet["id"]).status_code == 200
    assert refusal(tenant.connect(two["id"], subnet_id=subnet["id"]))[:2] == (409, "IpAddressInUse")


def test_routes_lead_over_connected_networks_only(tenant: Neutron) -> None:
    _, subnet = tenant.net("10.0.0.0/24")
    router = tenant.make("routers")
    tenant.connect(router["id"], subnet_id=subnet["id"])
    route = {"destination": "10.5.0.0/16", "nexthop": "10.0.0.9"}
    assert tenant.change("routers", router["id"], routes=[route])["routes"] == [route]
    for bad in ({**route, "nexthop": "10.9.0.9"}, {**route, "nexthop": "10.0.0.1"}):
        assert refusal(tenant.put("routers", router["id"], routes=[bad]))[:2] == (400, "InvalidRoutes")
    more = {"destination": "10.6.0.0/16", "nexthop": "10.0.0.9"}
    answer = tenant.persona("PUT", f"{BASE}/routers/{router['id']}/add_extraroutes", {"router": {"routes": [more]}})
    assert answer.json()["router"]["routes"] == [route, more]
    assert refusal(tenant.disconnect(router["id"], subnet_id=subnet["id"]))[:2] == (409, "RouterInterfaceInUseByRoute")
    assert tenant.change("routers", router["id"], routes=None)["routes"] == []


def test_a_floating_ip_is_made_given_moved_taken_and_removed(tenant: Neutron) -> None:
    network, _, router = _routed(tenant)
    one, two = (tenant.make("ports", network_id=network["id"]) for _ in range(2))
    made = tenant.make("floatingips", floating_network_id=tenant.public(), port_id=one["id"])
    assert made["fixed_ip_address"] == one["fixed_ips"][0]["ip_address"]
    assert (made["router_id"], made["port_details"]["network_id"]) == (router["id"], network["id"])
    moved = tenant.change("floatingips", made["id"], port_id=two["id"])
    assert moved["fixed_ip_address"] == two["fixed_ips"][0]["ip_address"]
    freed = tenant.change("floatingips", made["id"], port_id=None)
    assert (freed["port_id"], freed["fixed_ip_address"], freed["router_id"], freed["status"]) == (
        None,
        None,
        None,
        "DOWN",
    )
    assert freed["floating_ip_address"] == made["floating_ip_address"]
    tenant.gone("floatingips", made["id"])


def test_a_floating_ip_is_active_once_a_router_translates_it(tenant: Neutron) -> None:
    network, _, _ = _routed(tenant)
    port = tenant.make("ports", network_id=network["id"])
    made = tenant.make("floatingips", floating_network_id=tenant.public(), port_id=port["id"])
    end = time.monotonic() + 30
    while tenant.show("floatingips", made["id"])["status"] != "ACTIVE" and time.monotonic() < end:
        time.sleep(0.02)
    assert tenant.show("floatingips", made["id"])["status"] == "ACTIVE"


def test_a_floating_ip_keeps_what_it_needs(tenant: Neutron) -> None:
    network, subnet, router = _routed(tenant)
    port = tenant.make("ports", network_id=network["id"])
    made = tenant.make("floatingips", floating_network_id=tenant.public(), port_id=port["id"])
    refused = refusal(tenant.disconnect(router["id"], subnet_id=subnet["id"]))
    assert refused[:2] == (409, "RouterInterfaceInUseByFloatingIP")
    refused = refusal(tenant.put("routers", router["id"], external_gateway_info=None))
    assert refused[:2] == (409, "RouterExternalGatewayInUseByFloatingIp")
    second = tenant.refused("floatingips", floating_network_id=tenant.public(), port_id=port["id"])
    assert second[:2] == (409, "FloatingIPPortAlreadyAssociated")
    tenant.gone("ports", port["id"])
    assert tenant.show("floatingips", made["id"])["port_id"] is None


def test_floating_ips_that_cannot_be_are_refused(tenant: Neutron, other: Neutron) -> None:
    network, _ = tenant.net()
    port, public = tenant.make("ports", network_id=network["id"]), tenant.public()
    foreign, _ = other.net()
    theirs = other.make("ports", network_id=foreign["id"])
    for attributes, expected in (
        ({"floating_network_id": network["id"]}, (400, "HTTPBadRequest")),
        ({"floating_network_id": foreign["id"]}, (404, "NetworkNotFound")),
        ({"floating_network_id": public, "port_id": port["id"]}, (404, "ExternalGatewayForFloatingIPNotFound")),
        ({"floating_network_id": public, "port_id": theirs["id"]}, (404, "PortNotFound")),
        ({"floating_network_id": public, "floating_ip_address": "203.0.113.200"}, (403, "PolicyNotAuthorized")),
        ({}, (400, "HTTPBadRequest")),
    ):
        assert tenant.refused("floatingips", **attributes)[:2] == expected, attributes
    assert tenant.list("floatingips") == []


def test_a_refused_association_leaves_the_floating_ip_as_it_was(tenant: Neutron) -> None:
    network, _, _ = _routed(tenant)
    port = tenant.make("ports", network_id=network["id"])
    made = tenant.make("floatingips", floating_network_id=tenant.public(), port_id=port["id"])
    lost, _ = tenant.net("10.7.0.0/24")
    unreachable = tenant.make("ports", network_id=lost["id"])
    assert tenant.put("floatingips", made["id"], port_id=unreachable["id"]).status_code == 404
    assert tenant.show("floatingips", made["id"])["port_id"] == port["id"]


def test_an_external_pool_that_is_used_up_says_so(tenant: Neutron, admin: Neutron) -> None:
    network = admin.make("networks", router__external=True)
    admin.make("subnets", network_id=network["id"], ip_version=4, cidr="198.51.100.0/30")
    tenant.make("floatingips", floating_network_id=network["id"])
    assert tenant.refused("floatingips", floating_network_id=network["id"])[:2] == (409, "IpAddressGenerationFailure")
