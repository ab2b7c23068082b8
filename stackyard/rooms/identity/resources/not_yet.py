"""What Keystone has and this room has not yet: an honest no on every such path, rather than silence."""

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.errors import NotImplementedYet
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work

#: Collections, with a member below each unless the path ends in "!".
_PATHS = (
    "/v3/OS-REVOKE/events!",
)  # fmt: skip
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def refuse(work: Work, request: Request) -> Reply:
    """Say so."""
    raise NotImplementedYet(f"{request.method} {request.path} is not offered yet.", remedy="See docs/conformance.md.")


def _routes(path: str) -> list[Route]:
    paths = [path[:-1]] if path.endswith("!") else [path, f"{path}/{{id}}"]
    return [
        Route(method=method, path=each, handler=refuse, status=501, reads="database")
        for each in paths
        for method in _METHODS
    ]


ROUTES = [route for path in _PATHS for route in _routes(path)]
