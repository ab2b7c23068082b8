"""Version discovery: what a client asks before it has a token."""

from typing import Any

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work

_COLLECTIONS = (
    "networks",
    "subnets",
    "ports",
    "routers",
    "floatingips",
    "security-groups",
    "security-group-rules",
    "quotas",
    "agents",
    "availability_zones",
    "extensions",
    "network-ip-availabilities",
    "subnetpools",
)


def _versions(work: Work, request: Request) -> dict[str, Any]:
    link = {"rel": "self", "href": f"{work.base_url}/networking/v2.0/"}
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


def _resources(work: Work, request: Request) -> dict[str, Any]:
    """What v2.0 has, each with its address."""
    return {
        "resources": [
            {
                "name": _singular(each).replace("-", "_"),
                "collection": each.replace("-", "_"),
                "links": [{"rel": "self", "href": f"{work.base_url}/networking/v2.0/{each}"}],
            }
            for each in _COLLECTIONS
        ]
    }


def _singular(collection: str) -> str:
    return collection.removesuffix("ies") + "y" if collection.endswith("ies") else collection.removesuffix("s")


ROUTES = [
    Route(method="GET", path="", handler=_versions, token="none", doc="The versions there are."),
    Route(method="GET", path="/v2.0", handler=_resources, token="none", doc="What version 2.0 has."),
]
