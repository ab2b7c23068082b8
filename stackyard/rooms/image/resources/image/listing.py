"""What a list's query string asks for, read into plain values. Glance's filters are its own: operators within the
value, and every name nobody declared is a property."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from stackyard.kernel.declare.kinds import Boolean, Timestamp, invalid
from stackyard.kernel.errors import BadRequest
from stackyard.rooms.image.resources.image import resource

MEMBER_STATUSES = ("accepted", "pending", "rejected", "all")
_SORTABLE = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
_WORDS = ("name", "id", "status", "container_format", "disk_format")
_MOMENTS = ("created_at", "updated_at")
_COMPARISONS = ("gt", "gte", "lt", "lte", "eq", "neq")
_BOUNDED = ("size", "min_disk", "min_ram", "virtual_size")
_CONTROL = ("marker", "limit", "sort", "sort_key", "sort_dir", "visibility", "member_status", "os_hidden", "tag")
_DEFAULT_LIMIT, _MOST = 25, 1000


class Moment(NamedTuple):
    """A comparison of a time column with a second."""

    column: str
    operator: str
    when: datetime


class Bound(NamedTuple):
    """A least or greatest value of a column, inclusive."""

    column: str
    least: int | None
    greatest: int | None


@dataclass(kw_only=True)
class Listing:
    """Which images, in which order, how many. `among`: column → the values it may have."""

    among: dict[str, list[Any]] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    visibility: str | None = None
    member_status: str = "accepted"
    hidden: bool = False
    order: list[tuple[str, bool]] = field(default_factory=list)
    marker: str | None = None
    limit: int = _DEFAULT_LIMIT


def read(raw: Sequence[tuple[str, str]]) -> Listing:
    """Read a query string. Raises BadRequest naming the parameter."""
    asked = Listing(order=_order(raw), limit=_limit(dict(raw).get("limit")))
    for name, value in raw:
        if name == "tag":
            asked.tags.append(value)
        elif name not in _CONTROL:
            _filter(asked, name, value)
    values = dict(raw)
    asked.marker = values.get("marker")
    asked.visibility = _one_of("visibility", values.get("visibility"), (*resource.VISIBILITIES, "all"))
    asked.member_status = _one_of("member_status", values.get("member_status"), MEMBER_STATUSES) or "accepted"
    if "os_hidden" in values:
        asked.hidden = Boolean().parse(values["os_hidden"], "os_hidden", False)
    return asked


def links(raw: Sequence[tuple[str, str]], next_marker: str | None) -> dict[str, str]:
    """The `first` and `next` members of a list: paths below the service."""
    kept = [(name, value) for name, value in raw if name != "marker"]
    path = resource.IMAGE.path
    found = {"first": f"{path}?{urlencode(kept)}" if kept else path}
    if next_marker:
        found["next"] = f"{path}?{urlencode([*kept, ('marker', next_marker)])}"
    return found


def _one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> str | None:
    if value is not None and value not in allowed:
        raise BadRequest(
            f"Invalid {name} value: '{value[:80]}'.", field=name, remedy=f"Give one of {', '.join(allowed)}."
        )
    return value


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not text.isdecimal() or len(text) > 18:
        raise invalid("limit", f"'{text[:40]}' is not a whole number of zero or more.")
    return min(int(text), _MOST)


def _order(raw: Sequence[tuple[str, str]]) -> list[tuple[str, bool]]:
    compact = [value for name, value in raw if name == "sort"]
    keys = [value for name, value in raw if name == "sort_key"]
    directions = [value for name, value in raw if name == "sort_dir"]
    if compact and (keys or directions):
        raise BadRequest(
            "Old and new sorting syntax cannot be combined.",
            field="sort",
            remedy="Give sort, or sort_key and sort_dir.",
        )
    pairs = [_pair(part) for value in compact for part in value.split(",")] or _zipped(keys, directions)
    ordered = [_checked(key, direction) for key, direction in pairs]
    fallback = ordered[-1][1] if ordered else False
    chosen = {key for key, _ in ordered}
    return ordered + [(key, fallback) for key in ("created_at", "id") if key not in chosen]


def _pair(part: str) -> tuple[str, str]:
    key, _, direction = part.strip().partition(":")
    return key.strip(), direction.strip() or "desc"


def _zipped(keys: list[str], directions: list[str]) -> list[tuple[str, str]]:
    keys = keys or (["created_at"] if directions else [])
    if len(directions) > 1 and len(directions) != len(keys):
        raise BadRequest("Number of sort dirs does not match the number of sort keys.", field="sort_dir")
    if len(directions) <= 1:
        directions = (directions or ["desc"]) * len(keys)
    return list(zip(keys, directions, strict=True))


def _checked(key: str, direction: str) -> tuple[str, bool]:
    if key not in _SORTABLE:
        raise BadRequest(
            f"Invalid sort key: '{key[:80]}'.", field="sort_key", remedy=f"It must be one of {', '.join(_SORTABLE)}."
        )
    if direction not in ("asc", "desc"):
        raise BadRequest(f"Invalid sort direction: '{direction[:80]}'.", field="sort_dir", remedy="Give asc or desc.")
    return key, direction == "asc"


def _filter(asked: Listing, name: str, value: str) -> None:
    if name in _MOMENTS:
        asked.moments.append(_moment(name, value))
    elif name in _WORDS:
        asked.among[name] = _words(name, value)
    elif name[:-4] in _BOUNDED and name.endswith(("_min", "_max")):
        number = _number(name, value)
        asked.bounds.append(Bound(name[:-4], number, None) if name.endswith("_min") else Bound(name[:-4], None, number))
    elif (each := resource.IMAGE.all_fields.get(name)) and each.read:
        asked.among[name] = [value if each.kind.storage == "text" else each.kind.parse(value, name, False)]
    else:
        asked.properties[name] = value


def _number(name: str, value: str) -> int:
    if not value.isdecimal() or len(value) > 18:
        raise BadRequest(f"Unable to filter on a range with a non-numeric value: {name}={value[:40]}.", field=name)
    return int(value)


def _words(name: str, value: str) -> list[str]:
    operator, colon, rest = value.partition(":")
    if colon and operator == "in":
        return _quoted(name, rest)
    if colon and operator == "eq":
        return [rest]
    if colon and operator in _COMPARISONS:
        raise BadRequest(f"Unable to filter by unknown operator '{operator}'.", field=name, remedy="Give in: or eq:.")
    return [value]


def _quoted(name: str, text: str) -> list[str]:
    try:
        row = next(csv.reader([text], strict=True, skipinitialspace=True), [])
    except csv.Error:
        raise BadRequest(f"Invalid filter value {text[:80]}: the quotes do not match.", field=name) from None
    return [each.strip() for each in row]


def _moment(name: str, value: str) -> Moment:
    operator, colon, rest = value.partition(":")
    if not colon or operator.isdigit() or "T" in operator:
        operator, rest = "eq", value
    if operator not in _COMPARISONS:
        raise BadRequest(f"Unable to filter by unknown operator '{operator[:40]}'.", field=name)
    try:
        return Moment(name, operator, Timestamp().parse(rest, name, True))
    except BadRequest:
        raise BadRequest(
            f'Bad "{name}" query filter format.', field=name, remedy="Use ISO 8601 DateTime notation."
        ) from None
