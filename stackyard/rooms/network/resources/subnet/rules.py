"""What happens when a subnet is made, changed or removed."""

from stackyard.kernel.declare.resource import Allow
from stackyard.kernel.errors import Conflict
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import addresses, dataplane, ipam
from stackyard.rooms.network.policies import NETWORK_OWNER
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources import subnet as subnets
from stackyard.rooms.network.resources.network import ownership
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.subnet import checks, cutting, store

CREATE_SUBNET: Allow = Allow("create_subnet", NETWORK_OWNER)


def create(work: Work, wanted: Record) -> Record:
    """A range on a network. Ports that are there already get the addresses hosts would give themselves (SLAAC)."""
    network = rows.find(work, networks.NETWORK, wanted.network_id)
    ownership.require(work, CREATE_SUBNET.name, network, work.caller.project_id)
    wanted.setdefault("project_id", network.project_id if work.caller.is_admin else work.caller.project_id)
    cutting.settle_range(work, wanted)
    _settle(wanted)
    checks.no_overlap(store.on_network(work, network.id), wanted)
    created = rows.insert(work, subnets.SUBNET, wanted)
    if ipam.gives_itself(created):
        for each in port_store.on_network(work, network.id):
            if each.router_id is None:
                ipam.claim(work, each.id, created, addresses.eui64(addresses.network(created.cidr), each.mac_address))
    dataplane.touch(work, networks=[network.id])
    return created


def _settle(wanted: Record) -> None:
    """Check a new subnet as a whole and fill in its gateway and pools."""
    checks.family(wanted)
    net = addresses.network(wanted.cidr)
    if "gateway_ip" not in wanted:
        wanted["gateway_ip"] = addresses.default_gateway(net)
    checks.gateway(wanted)
    checks.ipv6_modes(wanted)
    checks.lists(wanted)
    if wanted.get("allocation_pools") is None:
        wanted["allocation_pools"] = addresses.shown(net, addresses.default_pools(net, wanted.gateway_ip))
    else:
        checks.pools(wanted)
        checks.gateway_outside_pools(wanted)


def update(work: Work, record: Record, changes: Record) -> Record:
    """Change a subnet. Raises Conflict when a router uses the gateway that would be replaced."""
    wanted = Record({**record, **changes})
    checks.lists(wanted)
    for name in ("dns_nameservers", "host_routes"):
        if name in changes:
            changes[name] = wanted[name]
    if "gateway_ip" in changes and changes.gateway_ip != record.gateway_ip:
        checks.gateway(wanted)
        _refuse_while_gateway_used(work, record)
    if changes.get("allocation_pools") is not None:
        checks.pools(wanted)
    else:
        changes.pop("allocation_pools", None)
        wanted["allocation_pools"] = record.allocation_pools
    if {"gateway_ip", "allocation_pools"} & changes.keys():
        checks.gateway_outside_pools(wanted)
    changed = rows.change(work, subnets.SUBNET, record, changes)
    dataplane.touch(work, networks=[record.network_id])
    return changed


def _refuse_while_gateway_used(work: Work, record: Record) -> None:
    holder = port_store.holder(work, record.id, record.gateway_ip) if record.gateway_ip else None
    if holder is not None and holder.router_id is not None:
        raise Conflict(
            f"Current gateway ip {record.gateway_ip} already in use by port {holder.id}. Unable to update.",
            field="gateway_ip",
            kind="GatewayIpInUse",
            remedy="Remove the router's interface first.",
        )


def delete(work: Work, record: Record, query: Record) -> None:
    """Remove a range. Addresses that hosts gave themselves go with it; any other address in use is a Conflict."""
    holders = port_store.with_address_on(work, record.id)
    staying = [each for each in holders if each.router_id is not None or not ipam.gives_itself(record)]
    if staying:
        said = ", ".join(each.id for each in staying[:10])
        raise Conflict(
            f"Unable to complete operation on subnet {record.id}: One or more ports have an IP allocation from this "
            f"subnet ({said}).",
            kind="SubnetInUse",
            remedy="Delete these ports, or take their addresses, first.",
        )
    port_store.release_subnet(work, record.id)
    rows.remove(work, subnets.SUBNET, record)
    dataplane.touch(work, networks=[record.network_id])
