"""How Zun speaks: bare objects, PATCH updates, links in every object, a `next` link, the API SIG's error body."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.dialect import Dialect, iso_space
from stackyard.kernel.errors import ApiError


def errors(error: ApiError) -> dict[str, Any]:
    """The error body of the API SIG's errors guideline, as Zun's clients read it."""
    entry = {
        "request_id": error.request_id,
        "code": f"container.{error.kind}",
        "status": error.status,
        "title": error.title,
        "detail": error.message,
        "links": [],
    }
    return {"errors": [entry]}


def links(url: str) -> list[dict[str, str]]:
    """The two links of every object."""
    return [{"rel": "self", "href": url}, {"rel": "bookmark", "href": url.replace("/v1/", "/", 1)}]


def next_link(plural: str, url: str, next_url: str | None) -> Mapping[str, Any]:
    """The link to the next page, null on the last."""
    return {"next": next_url}


DIALECT = Dialect(
    error=errors,
    envelope_one=False,
    update="PATCH",
    list_extra=next_link,
    item_links=links,
    create_status=202,
    unknown_filters="refuse",
    timestamp=iso_space,
    default_limit=1000,
    quota_status=403,
)
