"""Glance's REST habits."""

from typing import Any

from stackyard.kernel.declare.dialect import Dialect, iso_z
from stackyard.kernel.errors import ApiError


def glance_fault(error: ApiError) -> dict[str, Any]:
    """Glance's error body in the JSON form its clients read."""
    return {"message": error.message, "code": f"{error.status} {error.title}", "title": error.title}


DIALECT = Dialect(
    error=glance_fault,
    envelope_one=False,
    update="PATCH",
    trailing_slash="missing",
    timestamp=iso_z,
    strict=True,
    default_limit=25,
    maximum_limit=1000,
    sort_parameter="sort",
    quota_status=413,
)
