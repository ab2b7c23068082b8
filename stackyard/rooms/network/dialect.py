"""Neutron's REST habits: envelopes, links, errors.

Source: Network API v2.0 reference, "General API information".
"""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.dialect import Dialect, iso_z
from stackyard.kernel.errors import ApiError

#: Neutron's type names for refusals that no rule of this room named more closely.
_GENERIC = {
    "BadRequest": "HTTPBadRequest",
    "Unauthorized": "HTTPUnauthorized",
    "Forbidden": "PolicyNotAuthorized",
    "NotFound": "HTTPNotFound",
    "MethodNotAllowed": "HTTPMethodNotAllowed",
    "Conflict": "HTTPConflict",
    "QuotaExceeded": "OverQuota",
    "PreconditionFailed": "RevisionNumberConstraintFailed",
    "NotImplementedYet": "HTTPNotImplemented",
    "Unavailable": "HTTPServiceUnavailable",
}


def neutron_error(error: ApiError) -> dict[str, Any]:
    """{"NeutronError": {"type", "message", "detail"}}."""
    return {"NeutronError": {"type": _GENERIC.get(error.kind, error.kind), "message": error.message, "detail": ""}}


def page_links(plural: str, url: str, next_url: str | None) -> Mapping[str, Any]:
    """`networks_links` with the next page, where there is one."""
    return {f"{plural}_links": [{"rel": "next", "href": next_url}]} if next_url else {}


NEUTRON = Dialect(
    error=neutron_error,
    list_extra=page_links,
    timestamp=iso_z,
    field_selection=True,
    bulk=True,
    page_reverse=True,
)
