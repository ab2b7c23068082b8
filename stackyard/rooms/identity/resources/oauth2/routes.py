"""Where programs that speak OAuth 2.0 get tokens. Sources: Identity API v3, "OS-OAUTH2"; RFC 6749, 4.4; RFC 8705."""

from stackyard.kernel.declare.resource import Route
from stackyard.rooms.identity.resources.oauth2 import handlers

ROUTES = [
    Route(
        method="POST",
        path="/v3/OS-OAUTH2/token",
        handler=handlers.token,
        token="none",
        reads="driver",
        answers=(401, 429),
        doc="An access token for an application credential (client_secret_basic), or a user (tls_client_auth).",
    )
]
