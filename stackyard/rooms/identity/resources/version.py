"""Which versions of the Identity API there are: asked by every client before anything else."""

from typing import Any

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.identity import render
from stackyard.rooms.identity.resources import home

_VARY = {"Vary": "Accept"}


def _version(work: Work) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": render.url(work, "")}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def list_versions(work: Work, request: Request) -> Reply:
    """The versions, of which there is one; or where everything is, for those who ask for that."""
    if home.is_wanted(request.headers.get("accept", "")):
        return Reply(body=home.document("/v3"), content_type=home.MEDIA_TYPE, headers={**_VARY})
    values = {"versions": {"values": [_version(work)]}}
    return Reply(status=300, body=values, headers={"Location": render.url(work, "")})


def show_version(work: Work, request: Request) -> Reply:
    """The one version; or where everything in it is."""
    if home.is_wanted(request.headers.get("accept", "")):
        return Reply(body=home.document(""), content_type=home.MEDIA_TYPE, headers={**_VARY})
    return Reply(body={"version": _version(work)}, headers={**_VARY})


ROUTES = [
    Route(method="GET", path="", handler=list_versions, token="none", reads="database", status=300),
    Route(method="GET", path="/v3", handler=show_version, token="none", reads="database"),
]
