"""The services on the hosts, as `appcontainer service list` shows them, and switching them off and on."""

from typing import Any

from stackyard.kernel.declare.dialect import iso_space
from stackyard.kernel.declare.kinds import Boolean, Text
from stackyard.kernel.declare.resource import Field, Route
from stackyard.kernel.errors import NotFound
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.container.policies import administers
from stackyard.rooms.container.resources.host import store
from stackyard.rooms.container.resources.host.resource import HOST

BINARY = "zun-compute"

_NAMED = [
    Field(name="host", kind=Text(min=1), required=True),
    Field(name="binary", kind=Text(min=1), required=True),
]


def _shown(work: Work, number: int, host: Record) -> dict[str, Any]:
    up = host.hostname in work.services.nodes.names() and not host.forced_down
    seen = iso_space(host.last_seen) if host.last_seen else None
    return {
        "id": number,
        "host": host.hostname,
        "binary": BINARY,
        "state": "up" if up else "down",
        "disabled": bool(host.disabled),
        "disabled_reason": host.disabled_reason,
        "forced_down": bool(host.forced_down),
        "last_seen_up": seen,
        "report_count": host.reports,
        "availability_zone": "nova",
        "created_at": iso_space(host.created_at),
        "updated_at": seen,
    }


def _list(work: Work, request: Request) -> dict[str, Any]:
    return {"services": [_shown(work, number, host) for number, host in enumerate(store.all_hosts(work), 1)]}


def _host(work: Work, query: Record) -> Record:
    host = store.named(work, query.host) if query.binary == BINARY else None
    if host is None:
        raise NotFound(f"Service {query.binary} on host {query.host} could not be found.")
    return host


def _enable(work: Work, request: Request) -> dict[str, Any]:
    host = rows.change(work, HOST, _host(work, request.query), {"disabled": False, "disabled_reason": None})
    return _answer(host, disabled=False, disabled_reason=None)


def _disable(work: Work, request: Request) -> dict[str, Any]:
    reason = request.query.get("disabled_reason")
    host = rows.change(work, HOST, _host(work, request.query), {"disabled": True, "disabled_reason": reason})
    return _answer(host, disabled=True, disabled_reason=reason)


def _force_down(work: Work, request: Request) -> dict[str, Any]:
    forced = request.query.get("forced_down", True)
    host = rows.change(work, HOST, _host(work, request.query), {"forced_down": forced})
    return _answer(host, forced_down=forced)


def _answer(host: Record, **values: Any) -> dict[str, Any]:
    return {"service": {"host": host.hostname, "binary": BINARY, **values}}


ROUTES = [
    Route(
        method="GET", path="/v1/services", handler=_list, allow=administers("get_all", "zun-service"), reads="database"
    ),
    Route(
        method="PUT",
        path="/v1/services/enable",
        handler=_enable,
        allow=administers("enable", "zun-service"),
        query=_NAMED,
    ),
    Route(
        method="PUT",
        path="/v1/services/disable",
        handler=_disable,
        allow=administers("disable", "zun-service"),
        query=[*_NAMED, Field(name="disabled_reason", kind=Text(max=255))],
    ),
    Route(
        method="PUT",
        path="/v1/services/force_down",
        handler=_force_down,
        allow=administers("force_down", "zun-service"),
        query=[*_NAMED, Field(name="forced_down", kind=Boolean(), default=True)],
    ),
]
