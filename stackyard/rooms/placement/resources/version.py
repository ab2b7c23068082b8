"""What the Placement API says of itself."""

from typing import Any

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.placement.dialect import VERSIONS, answer


def _root(work: Work, request: Request) -> Reply:
    shown: dict[str, Any] = {
        "id": f"v{VERSIONS.minimum}",
        "max_version": str(VERSIONS.maximum),
        "min_version": str(VERSIONS.minimum),
        "status": "CURRENT",
        "links": [{"rel": "self", "href": ""}],
    }
    return answer(work, {"versions": [shown]})


ROUTE = Route(method="GET", path="", handler=_root, token="none", doc="Which microversions there are.")
