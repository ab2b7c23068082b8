"""The caller's own catalog."""

from typing import Any

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.errors import Forbidden
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render
from stackyard.rooms.identity.policies import ANYONE, allow
from stackyard.rooms.identity.resources.catalog import store


def catalog(work: Work, request: Request) -> dict[str, Any]:
    """The catalog for the caller's token."""
    if work.caller.project_id is None:
        raise Forbidden("A project-scoped token is required to produce a service catalog.")
    found = store.catalog(work.tx, work.caller.project_id)
    return {"catalog": found, "links": {"self": render.url(work, "auth/catalog")}}


ROUTES = [
    Route(
        method="GET",
        path="/v3/auth/catalog",
        handler=catalog,
        reads="database",
        allow=allow("get_auth_catalog", ANYONE),
    ),
]
