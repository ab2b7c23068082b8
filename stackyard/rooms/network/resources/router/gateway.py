"""A router's way out: its port on an external network."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import addresses
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources import router as routers
from stackyard.rooms.network.resources.floating_ip import store as floating_store
from stackyard.rooms.network.resources.port import rules as port_rules
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.router import store
from stackyard.rooms.network.resources.subnet import store as subnet_store


def change(work: Work, router: Record, info: Mapping[str, Any] | None) -> Record:
    """Give the router this gateway, or (nothing) none. Raises NotFound, BadRequest, Conflict."""
    if not info or not info.get("network_id"):
        return _without(work, router)
    network = rows.find(work, networks.NETWORK, info["network_id"])
    if not network["router:external"]:
        raise BadRequest(
            f"Bad router request: Network {network.id} is not an external network.",
            field="external_gateway_info.network_id",
        )
    held = port_store.get(work, router.gateway_port_id) if router.gateway_port_id else None
    asked = info.get("external_fixed_ips") or None
    if held is not None and held.network_id != network.id:
        router = _without(work, router)
        held = None
    if held is None:
        port_id = _connect(work, router, network, asked)
    else:
        port_id = held.id
        if asked is not None:
            port_rules.move(work, held, asked)
    # Neutron's default is to translate, also when a gateway is set again without saying so.
    return rows.change(
        work, routers.ROUTER, router, {"gateway_port_id": port_id, "enable_snat": info.get("enable_snat", True)}
    )


def _connect(work: Work, router: Record, network: Record, asked: list[dict[str, Any]] | None) -> str:
    outside = subnet_store.on_network(work, network.id)
    for each in cidrs(work, _subnets_of(work, router)):
        for subnet in outside:
            if addresses.overlap(each, subnet.cidr):
                raise BadRequest(
                    f"Bad router request: Cidr {subnet.cidr} of the external network overlaps with cidr {each} of a "
                    "subnet the router has.",
                    field="external_gateway_info",
                )
    port = port_rules.make(
        work,
        network,
        Record(
            {
                "network_id": network.id,
                "project_id": "",
                "device_id": router.id,
                "device_owner": store.GATEWAY,
                "router_id": router.id,
                "fixed_ips": asked,
                "port_security_enabled": False,
            }
        ),
    )
    return str(port.id)


def _without(work: Work, router: Record) -> Record:
    if not router.gateway_port_id:
        return router
    if used := floating_store.of_router(work, router.id):
        raise Conflict(
            f"Gateway cannot be updated for router {router.id}, since a gateway to external network is required by one "
            f"or more floating IPs ({', '.join(each.floating_ip_address for each in used[:10])}).",
            field="external_gateway_info",
            kind="RouterExternalGatewayInUseByFloatingIp",
            remedy="Disassociate them first.",
        )
    port = port_store.get(work, router.gateway_port_id)
    if port is not None:
        port_rules.discard(work, port)
    return rows.change(work, routers.ROUTER, router, {"gateway_port_id": None})


def _subnets_of(work: Work, router: Record) -> list[str]:
    ids = [each.id for each in store.interfaces(work, router.id)]
    return [each.subnet_id for found in port_store.addresses_of(work, ids).values() for each in found]


def cidrs(work: Work, subnet_ids: Iterable[str]) -> list[str]:
    """The ranges of these subnets."""
    return [each.cidr for each in subnet_store.by_id(work, list(subnet_ids)).values()]


def shown(work: Work, records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """external_gateway_info of the routers that have a gateway."""
    ids = [each.gateway_port_id for each in records if each.gateway_port_id]
    ports = {each.id: each for each in port_store.by_id(work, ids)}
    held = port_store.addresses_of(work, ids)
    return {
        each.id: {
            "network_id": ports[each.gateway_port_id].network_id,
            "enable_snat": each.enable_snat,
            "external_fixed_ips": [
                {"subnet_id": one.subnet_id, "ip_address": one.ip_address} for one in held.get(each.gateway_port_id, [])
            ],
        }
        for each in records
        if each.gateway_port_id in ports
    }
