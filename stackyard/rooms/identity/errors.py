"""Refusals in the Identity API's words."""

from stackyard.kernel.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized

UNAUTHENTICATED = "The request you have made requires authentication."


def unknown(kind: str, object_id: str) -> NotFound:
    """404: there is no such object."""
    return NotFound(f"Could not find {kind}: {object_id}.")


def duplicate(kind: str, detail: str) -> Conflict:
    """409: an object of that name (or that pair) exists."""
    return Conflict(f"Conflict occurred attempting to store {kind} - {detail}.")


def immutable(kind: str, object_id: str) -> Forbidden:
    """403: the object is protected by its option `immutable`."""
    return Forbidden(
        f"Cannot change or delete {kind} {object_id}: it is immutable.",
        remedy="Set its option 'immutable' to false first.",
    )


def denied(action: str) -> Forbidden:
    """403: policy says no."""
    return Forbidden(f"You are not authorized to perform the requested action: identity:{action}.")


def unauthenticated() -> Unauthorized:
    """401, one text for every cause: a stranger learns nothing from it."""
    return Unauthorized(UNAUTHENTICATED)


def invalid(field: str, why: str) -> BadRequest:
    """400: the field is well-formed but cannot be taken."""
    return BadRequest(f"Invalid input for field '{field}': {why}", field=field)
