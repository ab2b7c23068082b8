"""The list of revocation events. Source: Identity API v3, "OS-REVOKE"."""

from typing import Any

from stackyard.kernel.declare.dialect import iso_micro
from stackyard.kernel.declare.kinds import Timestamp
from stackyard.kernel.declare.resource import Field, Route
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render
from stackyard.rooms.identity.policies import ADMIN, allow, either
from stackyard.rooms.identity.resources.revocation_event import store

_NAMES = {"user_id": "user_id", "project_id": "project_id", "domain_id": "domain_id", "audit_id": "audit_id",
          "trust_id": "OS-TRUST:trust_id"}  # fmt: skip


def list_events(work: Work, request: Request) -> dict[str, Any]:
    """What ended tokens since a moment, or as far back as a token can reach."""
    found = store.after(work.tx, request.query.get("since"))
    return render.listing(work, "events", [_shown(each) for each in found], "OS-REVOKE/events")


def _shown(event: Record) -> dict[str, Any]:
    moment = iso_micro(event.revoked_at)
    what = {told: event[name] for name, told in _NAMES.items() if event[name] is not None}
    return {**what, "issued_before": moment, "revoked_at": moment}


ROUTES = [
    Route(
        method="GET",
        path="/v3/OS-REVOKE/events",
        handler=list_events,
        reads="database",
        query=[Field(name="since", kind=Timestamp(), default=None, doc="Only events after this moment.")],
        allow=allow("list_revoke_events", either(ADMIN, "rule:service_role")),
    ),
]
