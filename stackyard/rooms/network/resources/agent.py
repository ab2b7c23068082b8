"""Agents and availability zones: what does the networking on each host, as far as an operator can see it."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from stackyard.kernel.declare.resource import Allow, Route
from stackyard.kernel.errors import NotFound
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work
from stackyard.rooms.network.policies import ADMIN, ANYONE

ZONE = "nova"
READ = Allow("get_agent", ADMIN)
_NAMESPACE = uuid.UUID("6b1f3c1e-7a52-4a0e-9a43-2f6f5b1d9d10")


def _agents(work: Work) -> Iterator[dict[str, Any]]:
    """One for each host that ever registered. Its id follows from its name, so that it is the same after a restart."""
    for each in work.services.nodes.states():
        yield {
            "id": str(uuid.uuid5(_NAMESPACE, each.name)),
            "agent_type": "Stackyard node",
            "binary": "stackyard",
            "host": each.name,
            "topic": "network",
            "admin_state_up": True,
            "alive": each.connected,
            "availability_zone": ZONE,
            "description": "",
            "configurations": {},
            "resources_synced": None,
            "heartbeat_timestamp": _written(each.last_seen),
        }


def _written(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else None


def _list(work: Work, request: Request) -> dict[str, Any]:
    """Who is no administrator sees none, as with Neutron."""
    if not work.allows(READ.name, {}):
        return {"agents": []}
    wanted = {name: value for name, value in request.raw_query if name in ("host", "agent_type", "binary", "id")}
    return {
        "agents": [each for each in _agents(work) if all(str(each[name]) == value for name, value in wanted.items())]
    }


def _show(work: Work, request: Request) -> dict[str, Any]:
    for each in _agents(work) if work.allows(READ.name, {}) else ():
        if each["id"] == request.params["id"]:
            return {"agent": each}
    raise NotFound(f"Agent {request.params['id'][:80]} could not be found.", kind="AgentNotFound")


def _zones(work: Work, request: Request) -> dict[str, Any]:
    state = "available" if work.services.nodes.names() else "unavailable"
    return {"availability_zones": [{"name": ZONE, "resource": each, "state": state} for each in ("network", "router")]}


POLICIES = (READ,)
ROUTES = [
    Route(method="GET", path="/v2.0/agents", handler=_list, doc="The hosts' networking."),
    Route(method="GET", path="/v2.0/agents/{id}", handler=_show, doc="One host's networking."),
    Route(
        method="GET",
        path="/v2.0/availability_zones",
        handler=_zones,
        allow=Allow("get_availability_zone", ANYONE),
        doc="Where networks and routers can be.",
    ),
]
