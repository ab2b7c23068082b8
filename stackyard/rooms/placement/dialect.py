"""How Placement speaks: bare objects, PUT updates, the API SIG's errors with a code since 1.23, times in headers."""

from collections.abc import Iterable
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from stackyard.kernel.declare.dialect import Dialect
from stackyard.kernel.declare.versions import Microversions, Version
from stackyard.kernel.errors import ApiError
from stackyard.kernel.request.exchange import Reply
from stackyard.kernel.work import Work

VERSIONS = Microversions("placement", Version(1, 0), Version(1, 39))

#: The error codes of the API, as `kind` of an ApiError. Source: Placement API reference, "Errors".
UNDEFINED = "placement.undefined_code"
CONCURRENT_UPDATE = "placement.concurrent_update"
DUPLICATE_NAME = "placement.duplicate_name"
INVENTORY_IN_USE = "placement.inventory.inuse"
PROVIDER_IN_USE = "placement.resource_provider.inuse"
CANNOT_DELETE_PARENT = "placement.resource_provider.cannot_delete_parent"
PROVIDER_NOT_FOUND = "placement.resource_provider.not_found"
DUPLICATE_KEY = "placement.query.duplicate_key"
BAD_VALUE = "placement.query.bad_value"
MISSING_VALUE = "placement.query.missing_value"


def since(work: Work, minor: int) -> bool:
    """Whether the request asks for version 1.<minor> or later."""
    return work.version is None or work.version >= Version(1, minor)


def errors(error: ApiError) -> dict[str, Any]:
    """The error body of the API SIG's errors guideline."""
    entry: dict[str, Any] = {
        "status": error.status, "title": error.title, "detail": error.message, "request_id": error.request_id,
    }  # fmt: skip
    if error.version and error.version >= Version(1, 23):
        entry["code"] = error.kind if error.kind.startswith("placement.") else UNDEFINED
    if error.status == 406 and error.version is None:
        entry |= {"max_version": str(VERSIONS.maximum), "min_version": str(VERSIONS.minimum)}
    return {"errors": [entry]}


def times(work: Work, moments: Iterable[datetime] = ()) -> dict[str, str]:
    """When what is shown last changed, now where that is not known; said since 1.15."""
    if not since(work, 15):
        return {}
    changed = max(moments, default=work.now)
    return {"Last-Modified": format_datetime(changed, usegmt=True), "Cache-Control": "no-cache"}


def answer(work: Work, body: Any, moments: Iterable[datetime] = (), status: int = 200, **headers: str) -> Reply:
    """An answer with the times that Placement's carry."""
    return Reply(status=status, body=body, headers={**times(work, moments), **headers})


DIALECT = Dialect(
    error=errors,
    envelope_one=False,
    update="PUT",
    update_status=200,
    unknown_filters="refuse",
    strict=True,
    paging=False,
)
