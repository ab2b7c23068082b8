"""What the container API says of itself, and what it does not offer yet."""

from typing import Any

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.declare.versions import Microversions, Version
from stackyard.kernel.errors import NotImplementedYet
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work
from stackyard.rooms.container.policies import reads

VERSIONS = Microversions("container", Version(1, 1), Version(1, 40))

#: What the real service has and Stackyard has not yet.
_MISSING = (
    ("GET", "/v1/capsules"), ("POST", "/v1/capsules"), ("GET", "/v1/registries"), ("POST", "/v1/registries"),
    ("GET", "/v1/networks"), ("POST", "/v1/networks"), ("GET", "/v1/images/{name}/search"),
)  # fmt: skip


def _v1(base_url: str) -> dict[str, Any]:
    return {
        "id": "v1",
        "status": "CURRENT",
        "min_version": str(VERSIONS.minimum),
        "max_version": str(VERSIONS.maximum),
        "links": [{"rel": "self", "href": f"{base_url}/container/v1/"}],
    }


def _root(work: Work, request: Request) -> dict[str, Any]:
    current = _v1(request.base_url)
    return {
        "name": "OpenStack Zun API",
        "description": "Containers on OpenStack, served by Stackyard.",
        "versions": [current],
        "default_version": current,
    }


def _first(work: Work, request: Request) -> dict[str, Any]:
    parts = ("services", "containers", "images", "hosts", "availability_zones")
    url = f"{request.base_url}/container/v1"
    media = [{"base": "application/json", "type": "application/vnd.openstack.zun.v1+json"}]
    links = {part: [{"rel": "self", "href": f"{url}/{part}"}] for part in parts}
    return {"id": "v1", "links": [{"rel": "self", "href": f"{url}/"}], "media_types": media, **links}


def _zones(work: Work, request: Request) -> dict[str, Any]:
    return {"availability_zones": [{"availability_zone": "nova"}]}


def _not_yet(work: Work, request: Request) -> None:
    raise NotImplementedYet(f"{request.method} {request.path} is not offered yet.", remedy="See docs/conformance.md.")


ROUTES = [
    Route(method="GET", path="", handler=_root, token="none"),
    Route(method="GET", path="/v1", handler=_first, token="none"),
    Route(method="GET", path="/v1/availability_zones", handler=_zones, allow=reads("get_all", "availability_zones")),
    *(Route(method=method, path=path, handler=_not_yet, status=501, reads="driver") for method, path in _MISSING),
]
