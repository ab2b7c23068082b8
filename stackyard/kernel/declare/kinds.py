"""The kinds of value a field can have: how input is read, how it is described (JSON Schema), how it is stored.

A kind's `parse` returns the value in its canonical form or raises `BadRequest` naming the field. With `strict` false,
a dialect's habit, text such as "true" or "8" stands for the boolean or the number, as Neutron and Zun accept it.
"""

import ipaddress
import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from stackyard.kernel.errors import BadRequest

Parse = Callable[[Any, str, bool], Any]


@dataclass(frozen=True)
class Kind:
    """How one kind of value is read, described and stored. `storage` is one of the names `database` maps to a
    column."""

    parse: Parse
    schema: Mapping[str, Any]
    storage: str = "text"
    length: int | None = None


def invalid(path: str, why: str) -> BadRequest:
    """The error for a value of the wrong shape, naming its field."""
    return BadRequest(f"Invalid input for field '{path}': {why}", field=path)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def Text(*, min: int = 0, max: int | None = 255, pattern: str | None = None, number: bool = False) -> Kind:
    """A string of `min` to `max` characters, matching `pattern` in full if given. `number` also admits a number."""
    compiled = re.compile(pattern) if pattern else None

    def parse(value: Any, path: str, strict: bool) -> str:
        if number and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        _is_text(value, path)
        if len(value) < min:
            raise invalid(path, "must not be empty." if min == 1 else f"must have at least {min} characters.")
        if max is not None and len(value) > max:
            raise invalid(path, f"has {len(value)} characters; at most {max} are allowed.")
        if compiled and not compiled.fullmatch(value):
            raise invalid(path, f"{_shown(value)} does not match '{pattern}'.")
        return str(value)

    limits = {"minLength": min or None, "maxLength": max, "pattern": f"^(?:{pattern})$" if pattern else None}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return Kind(parse, {"type": "string", **given}, "text", max)


def _is_text(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise invalid(path, f"{_shown(value)} is not a string.")
    if "\x00" in value:
        raise invalid(path, "must not contain NUL characters.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(path, "is not valid Unicode text.") from None


def Uuid(*, hex: bool = False) -> Kind:
    """An object's id: a UUID in dashed form, or (`hex`) 32 hexadecimal digits as Keystone writes it."""

    def parse(value: Any, path: str, strict: bool) -> str:
        try:
            parsed = uuid.UUID(value)
        except (ValueError, TypeError, AttributeError):
            raise invalid(path, f"{_shown(value)} is not a valid UUID.") from None
        return parsed.hex if hex else str(parsed)

    return Kind(parse, {"type": "string", "format": "uuid"}, "text", 64)


_TRUE, _FALSE = {"true", "1", "t", "yes", "y", "on"}, {"false", "0", "f", "no", "n", "off"}


def Boolean() -> Kind:
    """true or false."""

    def parse(value: Any, path: str, strict: bool) -> bool:
        if isinstance(value, bool):
            return value
        if not strict and isinstance(value, str | int):
            text = str(value).strip().lower()
            if text in _TRUE:
                return True
            if text in _FALSE:
                return False
        raise invalid(path, f"{_shown(value)} is not a boolean.")

    return Kind(parse, {"type": "boolean"}, "boolean")


#: What every database can store as an integer.
_LEAST, _MOST = -(2**63), 2**63 - 1


def Integer(*, min: int | None = None, max: int | None = None) -> Kind:
    """A whole number within the bounds."""

    def parse(value: Any, path: str, strict: bool) -> int:
        if not strict and isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,19}\s*", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(path, f"{_shown(value)} is not an integer.")
        _within(value, _LEAST if min is None else min, _MOST if max is None else max, path)
        return value

    return Kind(parse, {"type": "integer", **_bounds(min, max)}, "bigint")


def Number(*, min: float | None = None, max: float | None = None) -> Kind:
    """A number within the bounds, stored as floating point."""

    def parse(value: Any, path: str, strict: bool) -> float:
        if not strict and isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise invalid(path, f"{_shown(value)} is not a number.") from None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise invalid(path, f"{_shown(value)} is not a number.")
        _within(value, min, max, path)
        return float(value)

    return Kind(parse, {"type": "number", **_bounds(min, max)}, "float")


def _bounds(low: float | None, high: float | None) -> dict[str, float]:
    return {name: bound for name, bound in (("minimum", low), ("maximum", high)) if bound is not None}


def _within(value: float, low: float | None, high: float | None, path: str) -> None:
    if low is not None and value < low:
        raise invalid(path, f"{_shown(value)} is less than the least allowed, {low}.")
    if high is not None and value > high:
        raise invalid(path, f"{_shown(value)} is more than the most allowed, {high}.")


def OneOf(*values: str, fold: bool = False) -> Kind:
    """One of the given words; `fold` compares without regard to case and returns the word as declared."""
    canonical = {(v.lower() if fold else v): v for v in values}

    def parse(value: Any, path: str, strict: bool) -> str:
        found = (
            canonical.get(value.lower() if fold and isinstance(value, str) else value)
            if isinstance(value, str)
            else None
        )
        if found is None:
            raise invalid(path, f"{_shown(value)} is not one of {', '.join(values)}.")
        return found

    return Kind(parse, {"type": "string", "enum": list(values)}, "text", 64)


def IpAddress(version: int | None = None) -> Kind:
    """An IPv4 or IPv6 address in canonical form."""

    def parse(value: Any, path: str, strict: bool) -> str:
        try:
            if not isinstance(value, str):
                raise ValueError
            address = ipaddress.ip_address(value)
            if version and address.version != version:
                raise ValueError
        except ValueError:
            raise invalid(
                path, f"{_shown(value)} is not a valid IP{f'v{version}' if version else ''} address."
            ) from None
        return str(address)

    return Kind(parse, {"type": "string", "format": f"ipv{version}" if version else "ip"}, "text", 45)


def Cidr() -> Kind:
    """An IP network in CIDR notation; host bits are cleared, as Neutron does."""

    def parse(value: Any, path: str, strict: bool) -> str:
        try:
            if not isinstance(value, str) or "/" not in value:
                raise ValueError
            return _network(value)
        except ValueError:
            raise invalid(path, f"{_shown(value)} is not a valid IP network in CIDR notation.") from None

    return Kind(parse, {"type": "string", "format": "cidr"}, "text", 50)


@lru_cache(4096)
def _network(text: str) -> str:
    """A network as it is stored. Most clouds know few, again and again."""
    return str(ipaddress.ip_network(text, strict=False))


def MacAddress() -> Kind:
    """A unicast MAC address, lower case with colons."""

    def parse(value: Any, path: str, strict: bool) -> str:
        text = value.lower().replace("-", ":") if isinstance(value, str) else ""
        if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text) or int(text[:2], 16) & 1:
            raise invalid(path, f"{_shown(value)} is not a valid unicast MAC address.")
        return text

    return Kind(parse, {"type": "string", "format": "mac"}, "text", 17)


def Timestamp() -> Kind:
    """An instant, ISO 8601 in and out; without an offset it is UTC."""

    def parse(value: Any, path: str, strict: bool) -> datetime:
        try:
            instant = datetime.fromisoformat(value)
            return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            raise invalid(path, f"{_shown(value)} is not an ISO 8601 timestamp.") from None

    return Kind(parse, {"type": "string", "format": "date-time"}, "instant")


def ListOf(item: Kind, *, max: int | None = None, unique: bool = False) -> Kind:
    """A list of one kind of item."""

    def parse(value: Any, path: str, strict: bool) -> list[Any]:
        if not isinstance(value, list):
            raise invalid(path, f"{_shown(value)} is not a list.")
        if max is not None and len(value) > max:
            raise invalid(path, f"has {len(value)} items; at most {max} are allowed.")
        parsed = [item.parse(each, f"{path}.{index}", strict) for index, each in enumerate(value)]
        if unique and len({repr(each) for each in parsed}) != len(parsed):
            raise invalid(path, "has the same item twice.")
        return parsed

    schema: dict[str, Any] = {"type": "array", "items": dict(item.schema)}
    if max is not None:
        schema["maxItems"] = max
    return Kind(parse, schema, "json")


def MapOf(item: Kind, *, key: Kind | None = None, max: int | None = None) -> Kind:
    """An object with free keys and one kind of value."""
    key = key or Text(min=1)

    def parse(value: Any, path: str, strict: bool) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid(path, f"{_shown(value)} is not an object.")
        if max is not None and len(value) > max:
            raise invalid(path, f"has {len(value)} entries; at most {max} are allowed.")
        return {key.parse(k, path, strict): item.parse(v, f"{path}.{k}", strict) for k, v in value.items()}

    return Kind(parse, {"type": "object", "additionalProperties": dict(item.schema)}, "json")


def Object(members: Mapping[str, Kind], *, required: Sequence[str] = (), extra: bool = False) -> Kind:
    """An object with the named members; others are refused unless `extra`. Members not given stay absent."""

    def parse(value: Any, path: str, strict: bool) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid(path, f"{_shown(value)} is not an object.")
        for name in required:
            if name not in value:
                raise invalid(f"{path}.{name}", "is required.")
        unknown = [name for name in value if name not in members]
        if unknown and not extra:
            raise invalid(f"{path}.{unknown[0]}", f"is not known; known are {', '.join(members)}.")
        return {
            name: members[name].parse(each, f"{path}.{name}", strict) if name in members else each
            for name, each in value.items()
        }

    properties = {name: dict(kind.schema) for name, kind in members.items()}
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": extra}
    return Kind(parse, schema, "json")


def Nullable(kind: Kind) -> Kind:
    """The kind, or null."""

    def parse(value: Any, path: str, strict: bool) -> Any:
        return None if value is None else kind.parse(value, path, strict)

    return Kind(parse, {"anyOf": [dict(kind.schema), {"type": "null"}]}, kind.storage, kind.length)


def Either(*kinds: Kind, said: str) -> Kind:
    """The first of several kinds that reads the value; `said` names them for the error."""

    def parse(value: Any, path: str, strict: bool) -> Any:
        for kind in kinds:
            try:
                return kind.parse(value, path, strict)
            except BadRequest:
                continue
        raise invalid(path, f"{_shown(value)} is not {said}.")

    return Kind(parse, {"anyOf": [dict(kind.schema) for kind in kinds]}, kinds[0].storage, kinds[0].length)


def Anything() -> Kind:
    """Any JSON value."""
    return Kind(lambda value, path, strict: value, {}, "json")
