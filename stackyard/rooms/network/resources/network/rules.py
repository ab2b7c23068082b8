"""What happens when a network is made, changed or removed."""

from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import dataplane
from stackyard.rooms.network.resources import floating_ip as floating_ips
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources.floating_ip import store as floating_store
from stackyard.rooms.network.resources.network import store
from stackyard.rooms.network.resources.port import store as port_store
from stackyard.rooms.network.resources.subnet import store as subnet_store


def create(work: Work, wanted: Record) -> Record:
    """A network of the caller's project. Nothing is made on a host before something is put on it."""
    wanted["project_id"] = rows.owner_of(work, wanted)
    _check_provider(wanted)
    return rows.insert(work, networks.NETWORK, wanted)


def _check_provider(wanted: Record) -> None:
    """Networks are isolated on their host; only an external one touches what lies outside."""
    if wanted["provider:segmentation_id"] is not None:
        raise BadRequest(
            "Invalid input for operation: segmentation_id requires a tunnelled or VLAN network, which this cloud does "
            "not have.",
            field="provider:segmentation_id",
            kind="InvalidInput",
        )
    if wanted["provider:network_type"] == "flat" and not wanted["router:external"]:
        raise BadRequest(
            "Invalid input for operation: a flat network must be external here.",
            field="provider:network_type",
            remedy="Give router:external too, or leave the type out.",
            kind="InvalidInput",
        )


def update(work: Work, record: Record, changes: Record) -> Record:
    """Change a network; what it has in use may not lose what it stands on."""
    if changes.get("shared") is False and record.shared and store.used_by_others(work, record):
        raise Conflict(
            f"Unable to reconfigure sharing settings for network {record.id}. Multiple projects are using it.",
            field="shared",
            kind="InvalidSharedSetting",
        )
    if changes.get("router:external") is False and record["router:external"]:
        _refuse_while_external_use(work, record)
    changed = rows.change(work, networks.NETWORK, record, changes)
    dataplane.touch(work, networks=[record.id])
    return changed


def _refuse_while_external_use(work: Work, record: Record) -> None:
    if port_store.outside_ports(work, record.id):
        raise Conflict(
            f"External network {record.id} cannot be updated to be made non-external, since it has existing gateway "
            "ports.",
            field="router:external",
            kind="ExternalNetworkInUse",
        )


def delete(work: Work, record: Record, query: Record) -> None:
    """Remove a network with its subnets and the floating IPs of it that no port has. Raises Conflict while ports use
    it."""
    for each in floating_store.idle_on_network(work, record.id):
        port_store.remove(work, each.floating_port_id)
        rows.remove(work, floating_ips.FLOATING_IP, each)
    if using := port_store.on_network(work, record.id):
        said = ", ".join(each.id for each in using[:10])
        raise Conflict(
            f"Unable to complete operation on network {record.id}. There are one or more ports still in use on the "
            f"network, id for these ports is: {said}.",
            kind="NetworkInUse",
            remedy="Delete these ports, or detach them, first.",
        )
    subnet_store.remove_all(work, record.id)
    rows.remove(work, networks.NETWORK, record)
    dataplane.touch(work, networks=[record.id])
