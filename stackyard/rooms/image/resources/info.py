"""What this image service offers, and which versions of its API: what clients ask before anything else."""

from typing import Any

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.image.resources.image.imports import METHODS
from stackyard.rooms.image.vault import vault

#: Glance's minor versions, newest first: 2.9 is the newest without several stores.
VERSIONS = ("2.9", "2.7", "2.6", "2.5", "2.4", "2.3", "2.2", "2.1", "2.0")


def _imports(work: Work, request: Request) -> Any:
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": list(METHODS)}}


def _stores(work: Work, request: Request) -> Any:
    held = vault(work.services).store
    return {"stores": [{"id": held.name, "description": held.description, "default": "true"}]}


def _documents(work: Work) -> dict[str, Any]:
    links = [{"rel": "self", "href": f"{work.base_url}/image/v2/"}]
    newest, *older = VERSIONS
    found = [{"id": f"v{newest}", "status": "CURRENT", "links": links}]
    return {"versions": found + [{"id": f"v{each}", "status": "SUPPORTED", "links": links} for each in older]}


def _choices(work: Work, request: Request) -> Reply:
    return Reply(status=300, body=_documents(work))


def _versions(work: Work, request: Request) -> Any:
    return _documents(work)


ROUTES = [
    Route(
        method="GET", path="/", handler=_choices, token="none", status=300, doc="Which versions of the API there are."
    ),
    Route(method="GET", path="/versions", handler=_versions, token="none", doc="Which versions of the API there are."),
    Route(method="GET", path="/v2/info/import", handler=_imports, doc="How images can be imported."),
    Route(method="GET", path="/v2/info/stores", handler=_stores, doc="Where image data can be kept."),
]
