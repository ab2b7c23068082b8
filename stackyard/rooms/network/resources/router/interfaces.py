"""Connecting a router to subnets and taking it from them."""

from typing import Any

from stackyard.kernel.errors import BadRequest, Conflict, NotFound
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import addresses, dataplane, homes
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources import port as ports
from stackyard.rooms.network.resources import router as routers
from stackyard.rooms.network.resources import subnet as subnets
from stackyard.rooms.network.resources.floating_ip import store as floating_store
from stackyard.rooms.network.resources.port import rules as port_rules
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.router import gateway, store


def add(work: Work, router: Record, body: Record, query: Record) -> dict[str, Any]:
    """Connect the router to a subnet, as its gateway, or make a port the router's. Answers with what connects them."""
    if bool(body.subnet_id) == bool(body.port_id):
        raise BadRequest(
            "Bad router request: Either subnet_id or port_id must be specified, not both.",
            field="subnet_id",
        )
    port = _by_subnet(work, router, body.subnet_id) if body.subnet_id else _by_port(work, router, body.port_id)
    homes.join(work, port.network_id)
    rows.change(work, routers.ROUTER, router, {})
    dataplane.touch(work, routers=[router.id], networks=[port.network_id])
    return _told(work, router, port)


def _by_subnet(work: Work, router: Record, subnet_id: str) -> Record:
    subnet = rows.find(work, subnets.SUBNET, subnet_id)
    if not subnet.gateway_ip:
        raise _refused("Subnet for router interface must have a gateway IP")
    if subnet.project_id != work.caller.project_id and not work.caller.is_admin:
        raise _refused(
            f"Cannot add interface to router because subnet {subnet.id} is not owned by project making the request"
        )
    if subnet.ipv6_address_mode and not subnet.ipv6_ra_mode:
        raise _refused(f"IPv6 subnet {subnet.id} configured to receive RAs from an external router")
    network = rows.find(work, networks.NETWORK, subnet.network_id)
    _refuse_overlap(work, router, [subnet])
    holder = port_store.holder(work, subnet.id, subnet.gateway_ip)
    if holder is not None:
        raise Conflict(
            f"Unable to complete operation for network {network.id}. The IP address {subnet.gateway_ip} is in use by "
            f"port {holder.id}.",
            field="subnet_id",
            kind="IpAddressInUse",
            remedy="Connect the router with a port of another address.",
        )
    return port_rules.make(
        work,
        network,
        Record(
            {
                "network_id": network.id,
                "project_id": router.project_id,
                "device_id": router.id,
                "device_owner": store.INTERFACE,
                "router_id": router.id,
                "port_security_enabled": False,
                "fixed_ips": [{"subnet_id": subnet.id, "ip_address": subnet.gateway_ip}],
            }
        ),
    )


def _refused(why: str, field: str = "subnet_id") -> BadRequest:
    return BadRequest(f"Bad router request: {why}.", field=field)


def _by_port(work: Work, router: Record, port_id: str) -> Record:
    port = rows.find(work, ports.PORT, port_id)
    if port.project_id != router.project_id and not work.caller.is_admin:
        raise _refused(f"Port {port.id} is not of the router's project", "port_id")
    if port.device_id or port.attached_to:
        raise Conflict(
            f"Unable to complete operation on port {port.id} for network {port.network_id}. Port already has an "
            f"attached device {port.device_id}.",
            field="port_id",
            kind="PortInUse",
        )
    held = port_store.addresses_of(work, [port.id]).get(port.id, [])
    if not held:
        raise _refused("Router port must have at least one fixed IP", "port_id")
    _refuse_overlap(work, router, [work.tx.get(subnets.SUBNET.table, id=each.subnet_id) for each in held])
    groups = port_store.groups_of(work, [port.id]).get(port.id, [])
    port_store.wear(work, port.id, [])
    dataplane.touch(work, groups=groups)
    return rows.change(
        work,
        ports.PORT,
        port,
        {
            "router_id": router.id,
            "device_id": router.id,
            "device_owner": store.INTERFACE,
            "port_security_enabled": False,
            "allowed_address_pairs": [],
        },
    )


def _refuse_overlap(work: Work, router: Record, wanted: list[Record | None]) -> None:
    """A router cannot tell two networks with one range apart."""
    ids = [each.id for each in port_store.of_router(work, router.id)]
    held = {each.subnet_id for found in port_store.addresses_of(work, ids).values() for each in found}
    for subnet in wanted:
        assert subnet is not None
        if subnet.id in held:
            raise BadRequest(
                f"Bad router request: Router already has a port on subnet {subnet.id}.",
                field="subnet_id",
            )
        for each in gateway.cidrs(work, held):
            if addresses.overlap(each, subnet.cidr):
                raise BadRequest(
                    f"Bad router request: Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr {each} of a "
                    "subnet the router has.",
                    field="subnet_id",
                )


def remove(work: Work, router: Record, body: Record, query: Record) -> dict[str, Any]:
    """Take the router from a subnet; its port there goes. Raises NotFound, Conflict when a floating IP or route needs
    it."""
    if not body.subnet_id and not body.port_id:
        raise BadRequest("Bad router request: Either subnet_id or port_id must be specified.", field="subnet_id")
    port = _interface(work, router, body)
    told = _told(work, router, port)
    if body.subnet_id and body.subnet_id not in told["subnet_ids"]:
        raise Conflict(
            f"Subnet on port {port.id} does not match the requested subnet {body.subnet_id}.",
            field="subnet_id",
            kind="SubnetMismatchForPort",
        )
    _refuse_while_needed(work, router, told["subnet_ids"])
    port_rules.discard(work, port)
    rows.change(work, routers.ROUTER, router, {})
    dataplane.touch(work, routers=[router.id])
    return told


def _interface(work: Work, router: Record, body: Record) -> Record:
    found = store.interfaces(work, router.id)
    if body.port_id:
        match = next((each for each in found if each.id == body.port_id), None)
        if match is None:
            raise NotFound(
                f"Router {router.id} does not have an interface with id {body.port_id}",
                field="port_id",
                kind="RouterInterfaceNotFound",
            )
        return match
    rows.find(work, subnets.SUBNET, body.subnet_id)
    on_it = {each.id for each in port_store.with_address_on(work, body.subnet_id)}
    match = next((each for each in found if each.id in on_it), None)
    if match is None:
        raise NotFound(
            f"Router {router.id} has no interface on subnet {body.subnet_id}",
            field="subnet_id",
            kind="RouterInterfaceNotFoundForSubnet",
        )
    return match


def _refuse_while_needed(work: Work, router: Record, subnet_ids: list[str]) -> None:
    for each in floating_store.of_router(work, router.id):
        held = port_store.addresses_of(work, [each.port_id]).get(each.port_id, [])
        if any(one.subnet_id in subnet_ids and one.ip_address == each.fixed_ip_address for one in held):
            raise Conflict(
                f"Router interface for subnet {subnet_ids[0]} on router {router.id} cannot be deleted, as it is "
                f"required by one or more floating IPs ({each.floating_ip_address}).",
                kind="RouterInterfaceInUseByFloatingIP",
                remedy="Disassociate them first.",
            )
    for cidr in gateway.cidrs(work, subnet_ids):
        for route in router.routes:
            if addresses.within(route["nexthop"], cidr):
                raise Conflict(
                    f"Router interface for subnet {subnet_ids[0]} on router {router.id} cannot be deleted, as it is "
                    f"required by one or more routes ({route['destination']} via {route['nexthop']}).",
                    kind="RouterInterfaceInUseByRoute",
                    remedy="Remove these routes first.",
                )


def _told(work: Work, router: Record, port: Record) -> dict[str, Any]:
    subnet_ids = [each.subnet_id for each in port_store.addresses_of(work, [port.id]).get(port.id, [])]
    return {
        "id": router.id,
        "tenant_id": router.project_id,
        "project_id": router.project_id,
        "port_id": port.id,
        "network_id": port.network_id,
        "subnet_id": subnet_ids[0],
        "subnet_ids": subnet_ids,
        "tags": router.tags,
    }
