"""What Glance has and this room has not yet: an honest no, where silence would look like a wrong path."""

from typing import NoReturn

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.errors import NotImplementedYet
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work


def _refuse(work: Work, request: Request) -> NoReturn:
    raise NotImplementedYet(
        f"{request.method} {request.path} is part of the image API, but not of this cloud yet.",
        remedy="docs/rooms/image.md lists what is there.",
    )


_PATHS: list[tuple[str, tuple[str, ...]]] = [
    ("/v2/tasks", ("GET", "POST")),
    ("/v2/tasks/{task_id}", ("GET",)),
    ("/v2/images/{id}/tasks", ("GET",)),
    ("/v2/images/{id}/locations", ("GET", "POST")),
    ("/v2/stores/{store}/{id}", ("DELETE",)),
    ("/v2/info/stores/detail", ("GET",)),
    ("/v2/info/usage", ("GET",)),
    ("/v2/cache", ("GET", "DELETE")),
    ("/v2/cache/{id}", ("PUT", "DELETE")),
    ("/v2/schemas/{name}", ("GET",)),
]

ROUTES = [
    Route(method=method, path=path, handler=_refuse, status=501, doc="Not offered yet.")
    for path, methods in _PATHS
    for method in methods
]
