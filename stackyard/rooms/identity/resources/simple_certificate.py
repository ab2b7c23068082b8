"""Certificates of the tokens that were signed with X.509: Keystone has them no longer, and says so to everybody."""

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.errors import Gone
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work


def gone(work: Work, request: Request) -> Reply:
    """Say so."""
    raise Gone("This API is no longer available due to the removal of support for PKI tokens.")


ROUTES = [
    Route(method="GET", path=f"/v3/OS-SIMPLE-CERT/{each}", handler=gone, token="none", reads="database", status=410)
    for each in ("ca", "certificates")
]
