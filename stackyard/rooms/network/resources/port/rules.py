"""What happens when a port is made, changed or removed."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.resource import Allow
from stackyard.kernel.errors import Conflict, Forbidden
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import dataplane, ipam
from stackyard.rooms.network.policies import ADMIN_OR_SERVICE, NETWORK_OWNER, OWNER_WRITES
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources import port as ports
from stackyard.rooms.network.resources.floating_ip import store as floating_store
from stackyard.rooms.network.resources.network import ownership
from stackyard.rooms.network.resources.port import security, store

CREATE_PORT: Allow = Allow("create_port", f"{NETWORK_OWNER} or (role:member and True:%(network_shared)s)")
UPDATE_PORT: Allow = Allow("update_port", f"{OWNER_WRITES} or role:service")
CHOOSE_ADDRESS = Allow("create_port:fixed_ips:ip_address", NETWORK_OWNER)
ACT_FOR_THE_CLOUD = Allow("create_port:device_owner", ADMIN_OR_SERVICE)
POLICIES = (CHOOSE_ADDRESS, ACT_FOR_THE_CLOUD)


def create(work: Work, wanted: Record) -> Record:
    """A port with its addresses and groups, or none of it. It is DOWN until something is plugged into it."""
    network = rows.find(work, networks.NETWORK, wanted.network_id)
    wanted["project_id"] = rows.owner_of(work, wanted)
    ownership.require(work, CREATE_PORT.name, network, work.caller.project_id)
    _refuse_posing(work, network, wanted)
    return make(work, network, wanted)


def make(work: Work, network: Record, wanted: Mapping[str, Any]) -> Record:
    """A port on this network: what `create` does, also for the cloud's own ports."""
    values = Record(wanted)
    values.setdefault("project_id", work.caller.project_id)
    values["mac_address"] = _mac(work, network.id, values.get("mac_address"))
    if values.get("port_security_enabled") is None:
        values["port_security_enabled"] = network.port_security_enabled and not _of_the_cloud(values)
    groups = security.groups_for_new(work, values)
    values["allowed_address_pairs"] = security.pairs(values, values.mac_address)
    values["extra_dhcp_opts"] = values.get("extra_dhcp_opts") or []
    _bind(values)
    created = rows.insert(work, ports.PORT, values)
    ipam.assign(work, created, values.get("fixed_ips"))
    store.wear(work, created.id, groups)
    dataplane.touch(work, networks=[network.id], groups=groups)
    return created


def _of_the_cloud(port: Mapping[str, Any]) -> bool:
    return str(port.get("device_owner") or "").startswith("network:")


def _refuse_posing(work: Work, network: Record, values: Record) -> None:
    """Routers and floating IPs make their own ports; on another's network addresses are given, not chosen."""
    about = {"project_id": work.caller.project_id, "network_project_id": network.project_id}
    if _of_the_cloud(values) and not work.allows(ACT_FOR_THE_CLOUD.name, about):
        raise Forbidden(
            f"(rule:{ACT_FOR_THE_CLOUD.name}) is disallowed by policy: device_owner '{values.device_owner}' is for the "
            "cloud's own ports.",
            field="device_owner",
            kind="PolicyNotAuthorized",
        )
    chosen = any(each.get("ip_address") for each in values.get("fixed_ips") or [])
    if chosen and not work.allows(CHOOSE_ADDRESS.name, about):
        raise Forbidden(
            f"(rule:{CHOOSE_ADDRESS.name}) is disallowed by policy: only the network's owner chooses addresses on it.",
            field="fixed_ips",
            kind="PolicyNotAuthorized",
            remedy="Leave ip_address out.",
        )


def _mac(work: Work, network_id: str, asked: str | None) -> str:
    if asked:
        if store.mac_holder(work, network_id, asked):
            raise Conflict(
                f"Unable to complete operation for network {network_id}. The mac address {asked} is in use.",
                field="mac_address",
                kind="MacAddressInUse",
                remedy="Choose another, or none.",
            )
        return asked
    while True:
        digits = work.new_id()[-6:]
        mac = f"fa:16:3e:{digits[:2]}:{digits[2:4]}:{digits[4:]}"
        if not store.mac_holder(work, network_id, mac):
            return mac


def _bind(values: Record) -> None:
    """What a host, once named, makes of a port."""
    if "binding:host_id" in values:
        values["binding:host_id"] = values["binding:host_id"] or ""
        bound = bool(values["binding:host_id"])
        values["binding:vif_type"] = "bridge" if bound else "unbound"
        values["binding:vif_details"] = {"port_filter": True} if bound else {}
    if "binding:profile" in values:
        values["binding:profile"] = values["binding:profile"] or {}


def update(work: Work, record: Record, changes: Record) -> Record:
    """Change a port. Addresses that stay in the list stay as they are."""
    network = work.tx.get(networks.NETWORK.table, id=record.network_id)
    assert network is not None
    if changes.get("device_owner") == record.device_owner:
        del changes["device_owner"]
    _refuse_posing(work, network, changes)
    if changes.get("mac_address", record.mac_address) == record.mac_address:
        changes.pop("mac_address", None)
    if "mac_address" in changes:
        changes["mac_address"] = _new_mac(work, record, changes.mac_address)
    before = store.groups_of(work, [record.id]).get(record.id, [])
    after = security.groups_for_changed(work, record, changes, before)
    if changes.get("extra_dhcp_opts", ...) is None:
        changes["extra_dhcp_opts"] = []
    _bind(changes)
    changed = rows.change(work, ports.PORT, record, changes)
    if changes.get("fixed_ips") is not None:
        move(work, changed, changes.fixed_ips)
    store.wear(work, record.id, after)
    routers = [record.router_id] if record.router_id else []
    dataplane.touch(work, networks=[record.network_id], groups={*before, *after}, routers=routers)
    return changed


def _new_mac(work: Work, record: Record, asked: str) -> str:
    if record.wiring:
        raise Conflict(
            f"Unable to complete operation on port {record.id}, port is already bound, port type: "
            f"{record['binding:vif_type']}, old_mac {record.mac_address}, new_mac {asked}.",
            field="mac_address",
            kind="PortBound",
        )
    return _mac(work, record.network_id, asked)


def move(work: Work, record: Record, asked: list[dict[str, Any]]) -> None:
    """Change a port's addresses; a floating IP keeps the address it stands for from being taken away."""
    ipam.reassign(work, record, asked)
    left = {each.ip_address for each in store.addresses_of(work, [record.id]).get(record.id, [])}
    for each in floating_store.of_port(work, record.id):
        if each.fixed_ip_address not in left:
            raise Conflict(
                f"Fixed IP {each.fixed_ip_address} of port {record.id} is used by floating IP "
                f"{each.floating_ip_address}.",
                field="fixed_ips",
                kind="FixedIpInUse",
                remedy="Disassociate the floating IP first.",
            )


def delete(work: Work, record: Record, query: Record) -> None:
    """Remove a port. Its floating IPs are left without one. Raises Conflict for a router's or floating IP's own."""
    if record.router_id is not None or floating_store.owner_of(work, record.id):
        raise Conflict(
            f"Port {record.id} cannot be deleted directly via the port API: has device owner {record.device_owner}.",
            kind="ServicePortInUse",
            remedy="Remove the router's interface, its gateway or the floating IP instead.",
        )
    discard(work, record)


def discard(work: Work, record: Record) -> None:
    """The port is gone from the cloud; hosts follow."""
    routers = floating_store.detach_all(work, record.id)
    groups = store.groups_of(work, [record.id]).get(record.id, [])
    affected = store.networks_wearing(work, groups)
    store.remove(work, record.id)
    dataplane.touch(work, networks={record.network_id, *affected}, routers=routers, groups=groups)


def follow(work: Work, record: Record) -> None:
    """Have hosts follow what became of a port."""
    groups = store.groups_of(work, [record.id]).get(record.id, [])
    dataplane.touch(work, networks=[record.network_id], groups=groups)
