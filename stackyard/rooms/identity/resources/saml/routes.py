"""Where clients get assertions for other clouds, and other clouds what they need to take them."""

from stackyard.kernel.declare.resource import Route
from stackyard.rooms.identity.resources.saml import handlers

_SAML2 = "/v3/auth/OS-FEDERATION/saml2"

ROUTES = [
    *(
        # The token that the assertion is about, in the body, is what is asked for.
        Route(method="POST", path=path, handler=handler, token="none", reads="driver", answers=(401, 403, 404), doc=doc)
        for path, handler, doc in (
            (_SAML2, handlers.assertion, "A SAML assertion for a service provider, for a token of a project."),
            (f"{_SAML2}/ecp", handlers.ecp_assertion, "The same, wrapped as an enhanced client (ECP) posts it."),
        )
    ),
    Route(
        method="GET",
        path="/v3/OS-FEDERATION/saml2/metadata",
        handler=handlers.description,
        token="none",
        reads="driver",
        doc="This cloud's metadata as an identity provider.",
    ),
]
