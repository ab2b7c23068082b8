"""Providers of services that can be had from several (VPN, firewalls): none here. Clients ask before they clean up."""

from typing import Any

from stackyard.kernel.declare.resource import Allow, Route
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work


def list_providers(work: Work, request: Request) -> dict[str, Any]:
    """None, of whatever type."""
    return {"service_providers": []}


ROUTES = [
    Route(
        method="GET",
        path="/v2.0/service-providers",
        handler=list_providers,
        reads="database",
        allow=Allow("get_service_provider", "role:reader"),
        doc="Providers of VPN and the like: none.",
    ),
]
