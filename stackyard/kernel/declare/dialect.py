"""A service's REST habits, as data: how it envelopes, pages, filters, updates, links, dates and refuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from stackyard.kernel.errors import ApiError, BadRequest


def iso_z(moment: datetime) -> str:
    """2026-11-23T06:07:08Z, as Neutron and Glance write it."""
    return moment.isoformat("T", "seconds")[:19] + "Z"


def iso_micro(moment: datetime) -> str:
    """2026-11-23T06:07:08.000000Z, as Keystone writes it."""
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def iso_space(moment: datetime) -> str:
    """2026-11-23 06:07:08+00:00, as Zun writes it."""
    return moment.isoformat(" ")[:19] + "+00:00"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What differs between OpenStack services that otherwise do the same.

    envelope_one: answers and bodies carry {"<resource>": {…}} rather than the bare object.
    envelope_body: request bodies are enveloped too (None: as envelope_one).
    list_extra(plural, url, next_url) -> extra members of a list answer (Neutron `networks_links`, Glance `next`).
    item_links(resource_url) -> the value of "links" in every object, or None for none.
    update: the method of updates. unknown_fields: what happens to a body member the declaration does not know.
    ("keep": in the resource's internal JSON column `extra`, shown again at the top level, as Keystone does).
    empty_update: what happens to an update that names nothing to change.
    unknown_object: "policy" asks policy before saying 404, so that the forbidden get 403 whether it exists or not.
    text_filters: whether lists are narrowed by `name__contains` and the like. bare_flags: whether a boolean filter
    without a value (`?enabled`) asks for true.
    unknown_filters: what happens to a query parameter nobody declared. unknown_marker: what a marker of no object that
    the caller can see is refused with. strict: whether "true" may stand for true.
    quota_status: what QuotaExceeded answers with.
    trailing_slash: whether /images/ is /images, or an object without an id, which is 404 (Glance).
    """

    error: Callable[[ApiError], Any]
    envelope_one: bool = True
    envelope_body: bool | None = None
    list_extra: Callable[[str, str, str | None], Mapping[str, Any]] = lambda plural, url, next_url: {}
    item_links: Callable[[str], Any] | None = None
    update: Literal["PUT", "PATCH"] = "PUT"
    create_status: int = 201
    update_status: int = 200
    delete_status: int = 204
    unknown_fields: Literal["refuse", "ignore", "keep"] = "refuse"
    empty_update: Literal["refuse", "take"] = "take"
    unknown_object: Literal["404", "policy"] = "404"
    unknown_filters: Literal["refuse", "ignore"] = "ignore"
    unknown_marker: type[ApiError] = BadRequest
    strict: bool = False
    timestamp: Callable[[datetime], str] = iso_z
    paging: bool = True
    default_limit: int | None = None
    maximum_limit: int = 1000
    sort_parameter: Literal["sort_key", "sort"] = "sort_key"
    field_selection: bool = False
    text_filters: bool = False
    bare_flags: bool = False
    quota_status: int = 409
    bulk: bool = False
    trailing_slash: Literal["ignored", "missing"] = "ignored"
    page_reverse: bool = False
