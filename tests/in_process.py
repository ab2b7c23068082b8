"""An ASGI application asked in the test's own process, by Falcon's test client."""

from typing import Any

import falcon.asgi
from falcon import testing


def client(app: Any) -> testing.TestClient:
    """A client of the application."""
    # The client wants to be told that the application has begun; a server asks ours no such thing.
    beginning = falcon.asgi.App()

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await beginning(scope, receive, send)
        else:
            # As servers name them.
            named = [(name.lower(), value) for name, value in scope["headers"]]
            await app({**scope, "headers": named}, receive, send)

    return testing.TestClient(asked)
