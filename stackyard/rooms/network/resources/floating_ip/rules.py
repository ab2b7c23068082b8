"""What happens when a floating IP is made, given to a port, taken from it or removed."""

from typing import Any

from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import dataplane
from stackyard.rooms.network.resources import floating_ip as floating_ips
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources import port as ports
from stackyard.rooms.network.resources.floating_ip import store
from stackyard.rooms.network.resources.port import rules as port_rules
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.router import store as router_store
from stackyard.rooms.network.resources.subnet import store as subnet_store


def create(work: Work, wanted: Record) -> Record:
    """An outside address of the caller's project, at once for a port if one is named. Raises Conflict when none is
    left."""
    project_id = rows.owner_of(work, wanted)
    network = rows.find(work, networks.NETWORK, wanted.floating_network_id)
    if not network["router:external"]:
        raise BadRequest(
            f"Bad floatingip request: Network {network.id} is not a valid external network.",
            field="floating_network_id",
            remedy="Name a network with router:external.",
        )
    standing = _association(work, network.id, project_id, wanted) if wanted.port_id else {}
    floating_id = work.new_id()
    own_port = _own_port(work, network, floating_id, wanted)
    address = port_store.addresses_of(work, [own_port.id])[own_port.id][0].ip_address
    created = rows.insert(
        work,
        floating_ips.FLOATING_IP,
        {
            **wanted,
            "id": floating_id,
            "project_id": project_id,
            "floating_ip_address": address,
            "floating_port_id": own_port.id,
            "fixed_ip_address": None,
            **standing,
        },
    )
    dataplane.touch(work, routers=[standing["router_id"]] if standing else [])
    return created


def _own_port(work: Work, network: Record, floating_id: str, wanted: Record) -> Record:
    """The port that holds the address on the external network. It belongs to no project: tenants do not see it."""
    candidates = [each for each in subnet_store.on_network(work, network.id) if each.ip_version == 4]
    if wanted.get("subnet_id"):
        candidates = [each for each in candidates if each.id == wanted.subnet_id]
    if not candidates:
        raise BadRequest(
            f"Bad floatingip request: Network {network.id} does not contain any IPv4 subnet.",
            field="floating_network_id",
        )
    chosen: dict[str, Any] = {"subnet_id": candidates[0].id}
    if wanted.floating_ip_address:
        chosen = {"ip_address": wanted.floating_ip_address}
    return port_rules.make(
        work,
        network,
        Record(
            {
                "network_id": network.id,
                "project_id": "",
                "device_id": floating_id,
                "device_owner": "network:floatingip",
                "fixed_ips": [chosen],
                "port_security_enabled": False,
            }
        ),
    )


def _association(work: Work, network_id: str, project_id: str, wanted: Record) -> dict[str, Any]:
    """What makes a floating IP of this external network stand for a port. Raises NotFound, BadRequest, Conflict."""
    port = rows.find(work, ports.PORT, wanted.port_id)
    if port.device_owner == "network:floatingip":
        raise BadRequest(f"Bad floatingip request: Port {port.id} is a floating IP's own.", field="port_id")
    if port.project_id != project_id and not work.caller.is_admin:
        raise BadRequest(
            f"Bad floatingip request: Port {port.id} is associated with a different project than the floating IP.",
            field="port_id",
        )
    fixed = _fixed_address(work, port, wanted.get("fixed_ip_address"))
    router = router_store.between(work, fixed.subnet_id, network_id)
    if router is None:
        raise NotFound(
            f"External network {network_id} is not reachable from subnet {fixed.subnet_id}. Therefore, cannot "
            f"associate Port {port.id} with a Floating IP.",
            field="port_id",
            kind="ExternalGatewayForFloatingIPNotFound",
            remedy="Connect the subnet to a router that has its gateway on that network.",
        )
    holder = store.standing_for(work, port.id, fixed.ip_address)
    if holder is not None and holder.id != wanted.get("id"):
        raise Conflict(
            f"Cannot associate floating IP with port {port.id} using fixed IP {fixed.ip_address}, as that fixed IP "
            f"already has a floating IP ({holder.floating_ip_address}) on external network {network_id}.",
            field="port_id",
            kind="FloatingIPPortAlreadyAssociated",
        )
    return {"port_id": port.id, "fixed_ip_address": fixed.ip_address, "router_id": router.id, "status": "DOWN"}


def _fixed_address(work: Work, port: Record, asked: str | None) -> Record:
    held = [each for each in port_store.addresses_of(work, [port.id]).get(port.id, []) if ":" not in each.ip_address]
    found = next((each for each in held if asked in (None, each.ip_address)), None)
    if found is not None:
        return found
    said = f"fixed IP {asked}" if asked else "fixed IPv4 address"
    raise BadRequest(f"Bad floatingip request: Port {port.id} does not have {said}.", field="fixed_ip_address")


def update(work: Work, record: Record, changes: Record) -> Record:
    """Give a floating IP to a port, another port or (null) none. Without `port_id` only the rest changes."""
    touched = [record.router_id] if record.router_id else []
    if "port_id" in changes or "fixed_ip_address" in changes:
        port_id = changes.get("port_id", record.port_id)
        if port_id is None and changes.get("fixed_ip_address"):
            raise BadRequest(
                "Bad floatingip request: fixed_ip_address cannot be specified without a port_id.",
                field="fixed_ip_address",
            )
        wanted = Record(id=record.id, port_id=port_id, fixed_ip_address=changes.get("fixed_ip_address"))
        standing = _association(work, record.floating_network_id, record.project_id, wanted) if port_id else store.FREED
        changes = Record({**changes, **standing})
        touched += [standing["router_id"]] if standing["router_id"] else []
    changed = rows.change(work, floating_ips.FLOATING_IP, record, changes)
    dataplane.touch(work, routers=touched)
    return changed


def delete(work: Work, record: Record, query: Record) -> None:
    """Give the address back."""
    port_store.remove(work, record.floating_port_id)
    rows.remove(work, floating_ips.FLOATING_IP, record)
    dataplane.touch(work, routers=[record.router_id] if record.router_id else [])
