"""The networks a new cloud starts with. Each function may be called at every start: what is there stays as it is."""

from typing import Any

from stackyard.kernel.declare.resource import NO_DEFAULT, Resource
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import addresses
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources import router as routers
from stackyard.rooms.network.resources import subnet as subnets
from stackyard.rooms.network.resources.network import rules as network_rules
from stackyard.rooms.network.resources.network import store as network_store
from stackyard.rooms.network.resources.router import interfaces
from stackyard.rooms.network.resources.router import rules as router_rules
from stackyard.rooms.network.resources.subnet import rules as subnet_rules

DEMO_RANGE = "10.0.0.0/24"


def public_network(work: Work, cidr: str, gateway: str | None = None, project_id: str | None = None) -> str:
    """The external network `public` with its subnet; the host has the gateway's address (default: the first), ports
    get those after it. Returns the network's id."""
    found = network_store.external_named(work, "public")
    if found is not None:
        return str(found.id)
    network = network_rules.create(
        work,
        _with_defaults(
            networks.NETWORK,
            {
                "name": "public",
                "description": "Leads out of the cloud",
                "router:external": True,
                "is_default": True,
                "project_id": project_id or work.caller.project_id,
                "provider:network_type": "flat",
                "provider:physical_network": "public",
            },
        ),
    )
    subnet_rules.create(
        work,
        _with_defaults(
            subnets.SUBNET,
            {
                "name": "public-subnet",
                "network_id": network.id,
                "project_id": network.project_id,
                "ip_version": 4,
                "cidr": cidr,
                "gateway_ip": gateway or addresses.default_gateway(addresses.network(cidr)),
                "enable_dhcp": False,
            },
        ),
    )
    return str(network.id)


def demo_network(work: Work, project_id: str) -> str:
    """A project's first network: `demo-net`, its subnet, and a router to the outside. Returns the network's id."""
    own = [
        each
        for each in network_store.inside(work, project_id)
        if each.name == "demo-net" and each.project_id == project_id
    ]
    if own:
        return str(own[0].id)
    network = network_rules.create(
        work, _with_defaults(networks.NETWORK, {"name": "demo-net", "project_id": project_id})
    )
    subnet = subnet_rules.create(
        work,
        _with_defaults(
            subnets.SUBNET,
            {
                "name": "demo-subnet",
                "network_id": network.id,
                "project_id": project_id,
                "ip_version": 4,
                "cidr": DEMO_RANGE,
            },
        ),
    )
    outside = network_store.external_named(work, "public")
    router = router_rules.create(
        work,
        _with_defaults(
            routers.ROUTER,
            {
                "name": "demo-router",
                "project_id": project_id,
                "external_gateway_info": {"network_id": outside.id} if outside else None,
            },
        ),
    )
    interfaces.add(work, router, Record(subnet_id=subnet.id, port_id=None), Record())
    return str(network.id)


def _with_defaults(resource: Resource, values: dict[str, Any]) -> Record:
    """What a request with these attributes would hold after it was read."""
    declared = {
        each.name: each.default
        for each in resource.all_fields.values()
        if each.create and each.default is not NO_DEFAULT
    }
    return Record({**{name: value() if callable(value) else value for name, value in declared.items()}, **values})
