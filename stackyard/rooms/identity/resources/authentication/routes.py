"""Where a token is asked for."""

from collections.abc import Callable

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.identity.resources.authentication import wanted
from stackyard.rooms.identity.resources.authentication.attempt import Attempt
from stackyard.rooms.identity.resources.authentication.authenticate import authenticate


def issue(work: Work, request: Request) -> Reply | Callable[[], Reply]:
    """A new token for whoever proves to be somebody."""
    attempt = Attempt(services=work.services, request=request)
    return authenticate(work.tx, attempt, wanted.read(request.body), catalog="nocatalog" not in request.query)


ROUTES = [
    Route(
        method="POST",
        path="/v3/auth/tokens",
        handler=issue,
        token="none",
        reads="driver",
        status=201,
        answers=[429],
    ),
]
