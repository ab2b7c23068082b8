"""Where consumers ask, users give leave, and consumers get access tokens. Source: Identity API v3, "OS-OAUTH1"."""

from stackyard.kernel.declare.resource import Route
from stackyard.rooms.identity.policies import ADMIN, allow
from stackyard.rooms.identity.resources.oauth1 import handlers

ROUTES = [
    Route(
        method="POST",
        path="/v3/OS-OAUTH1/request_token",
        handler=handlers.request_token,
        token="none",
        status=201,
        answers=(401,),
        doc="A request token for a consumer, which signs with its secret.",
    ),
    Route(
        method="PUT",
        path="/v3/OS-OAUTH1/authorize/{request_token_id}",
        handler=handlers.authorize,
        allow=allow("authorize_request_token", ADMIN, ("project",)),
        doc="Give leave.",
    ),
    Route(
        method="POST",
        path="/v3/OS-OAUTH1/access_token",
        handler=handlers.access_token,
        token="none",
        status=201,
        answers=(401,),
        doc="An access token for an authorized request token.",
    ),
]
