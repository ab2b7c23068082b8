"""Network IP availability, declared as routes: it is counted, not stored. Source: Network API v2.0, same name."""

from typing import Any

from stackyard.kernel.declare.resource import Allow, Route
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import addresses
from stackyard.rooms.network.policies import ADMIN
from stackyard.rooms.network.resources.ip_availability import store
from stackyard.rooms.network.resources.network import NETWORK
from stackyard.rooms.network.resources.subnet import SUBNET

READ = Allow("get_network_ip_availability", ADMIN)


def _one(network: Record, subnets: list[Record], used: dict[str, int]) -> dict[str, Any]:
    counted = [
        {
            "subnet_id": each.id,
            "subnet_name": each.name,
            "ip_version": each.ip_version,
            "cidr": each.cidr,
            "total_ips": sum(pool.size() for pool in addresses.read_pools(each.allocation_pools)),
            "used_ips": used.get(each.id, 0),
        }
        for each in subnets
    ]
    return {
        "network_id": network.id,
        "network_name": network.name,
        "project_id": network.project_id,
        "tenant_id": network.project_id,
        "total_ips": sum(each["total_ips"] for each in counted),
        "used_ips": sum(each["used_ips"] for each in counted),
        "subnet_ip_availability": counted,
    }


def _of(work: Work, networks: list[Record], version: str | None) -> list[dict[str, Any]]:
    used, subnets = store.used_by_subnet(work), work.tx.find(SUBNET.table)
    chosen = [each for each in subnets if version is None or str(each.ip_version) == version]
    return [_one(network, [each for each in chosen if each.network_id == network.id], used) for network in networks]


def _list(work: Work, request: Request) -> dict[str, Any]:
    asked = dict(request.raw_query)
    names = {"network_id": "id", "network_name": "name", "project_id": "project_id", "tenant_id": "project_id"}
    wanted = {column: asked[name] for name, column in names.items() if name in asked}
    return {"network_ip_availabilities": _of(work, work.tx.find(NETWORK.table, **wanted), asked.get("ip_version"))}


def _show(work: Work, request: Request) -> dict[str, Any]:
    network = rows.find(work, NETWORK, request.params["network_id"])
    return {"network_ip_availability": _of(work, [network], None)[0]}


ROUTES = [
    Route(
        method="GET",
        path="/v2.0/network-ip-availabilities",
        handler=_list,
        allow=READ,
        doc="Addresses of all networks.",
    ),
    Route(
        method="GET",
        path="/v2.0/network-ip-availabilities/{network_id}",
        handler=_show,
        allow=READ,
        doc="Of one network.",
    ),
]
