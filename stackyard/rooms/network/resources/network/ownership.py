"""Who may put something on a network: what policy checks of ports and subnets may name."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.errors import Forbidden, NotFound
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network.resources import network as networks


def target(work: Work, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The owner of the network that an object is, or is to be, on. One that the caller may not know of counts as their
    own, so that it is then not found."""
    if "id" in record:
        network = work.tx.get(networks.NETWORK.table, id=record["network_id"])
    else:
        network = _known(work, record.get("network_id"))
    return target_of(network, work.caller.project_id)


def _known(work: Work, network_id: object) -> Record | None:
    try:
        return rows.find(work, networks.NETWORK, network_id) if isinstance(network_id, str) else None
    except NotFound:
        return None


def target_of(network: Record | None, project_id: str | None) -> dict[str, Any]:
    """What checks may name of a network."""
    if network is None:
        return {"network_project_id": project_id, "network_shared": False}
    return {"network_project_id": network.project_id, "network_shared": network.shared}


def require(work: Work, rule: str, network: Record, project_id: str | None) -> None:
    """Raises Forbidden unless the rule lets the caller put something of the project on the network."""
    if not work.allows(rule, {"project_id": project_id, **target_of(network, project_id)}):
        raise Forbidden(
            f"(rule:{rule}) is disallowed by policy: network {network.id} is not yours to use.",
            field="network_id",
            kind="PolicyNotAuthorized",
            remedy="Use a network of your project, or a shared one.",
        )
