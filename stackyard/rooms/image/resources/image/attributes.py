"""Reading what callers say of an image: declared attributes, free properties and tags, in Glance's way.

Every attribute nobody declared is a property: a string under a name of the caller's choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stackyard.kernel.declare.kinds import ListOf, Text, invalid
from stackyard.kernel.declare.resource import Field
from stackyard.kernel.errors import BadRequest, Forbidden, PayloadTooLarge
from stackyard.rooms.image.resources.image import resource

MOST_PROPERTIES = 128
MOST_TAGS = 128

_DERIVED = ("self", "file", "schema", "direct_url", "stores", "locations")
_RESERVED = ("location", "deleted", "deleted_at")
_RESERVED_PREFIX = "os_glance_"
_PROPERTY_NAME = Text(min=1, max=255)
_PROPERTY = Text(max=65_535)
_TAGS = ListOf(Text(max=255))


@dataclass(kw_only=True)
class Wanted:
    """What a caller gave: values of declared attributes, properties, and tags (None: not given)."""

    values: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    tags: list[str] | None = None


def read(body: Any) -> Wanted:
    """A whole image as given on creation. Raises BadRequest for a wrong value, Forbidden for an attribute that is not
    the caller's to set, PayloadTooLarge for too many properties or tags."""
    if not isinstance(body, Mapping):
        raise BadRequest(
            "The request body must be a JSON object.", remedy="Send an object with the attributes of the image."
        )
    wanted = Wanted()
    for name, value in body.items():
        check_settable(name)
        if name == "tags":
            wanted.tags = tags(value)
        elif is_declared(name):
            wanted.values[name] = declared_value(name, value)
        else:
            wanted.properties[name] = property_value(name, value)
    check_count(wanted.properties)
    return wanted


def is_declared(name: str) -> bool:
    """Whether the attribute is part of every image, rather than a property of some."""
    return (
        name in _DERIVED
        or name == "tags"
        or (name in resource.IMAGE.all_fields and resource.IMAGE.all_fields[name].read)
    )


def is_given(name: str) -> bool:
    """Whether the cloud itself adds the attribute to some images."""
    return name == "stores" or name.startswith(_RESERVED_PREFIX)


def check_settable(name: str, *, creating: bool = True) -> None:
    """Raise Forbidden when callers may not set the attribute (or, not `creating`, may not change it)."""
    if name in _RESERVED or name.startswith(_RESERVED_PREFIX):
        raise Forbidden(f"Attribute '{name}' is reserved.", field=name)
    each = resource.IMAGE.all_fields.get(name)
    settable = each is None or not each.read or (each.create if creating else each.update)
    if name in _DERIVED or not settable:
        raise Forbidden(f"Attribute '{name}' is read-only.", field=name)


def declared_value(name: str, value: Any) -> Any:
    """The value of a declared attribute, checked. Raises BadRequest."""
    each: Field = resource.IMAGE.all_fields[name]
    if value is None:
        if each.null:
            return None
        raise invalid(name, "must not be null.")
    return each.kind.parse(value, name, True)


def property_value(name: str, value: Any) -> str:
    """The value of a property, checked. Raises BadRequest."""
    _PROPERTY_NAME.parse(name, "property name", True)
    return str(_PROPERTY.parse(value, name, True))


def tags(value: Any) -> list[str]:
    """A set of tags, checked. Raises BadRequest, PayloadTooLarge."""
    given: list[str] = _TAGS.parse(value, "tags", True)
    unique = sorted(set(given))
    if len(unique) > MOST_TAGS:
        raise PayloadTooLarge(f"An image has at most {MOST_TAGS} tags; {len(unique)} were given.", field="tags")
    return unique


def check_count(properties: Mapping[str, str]) -> None:
    """Raise PayloadTooLarge when an image would have too many properties."""
    if len(properties) > MOST_PROPERTIES:
        raise PayloadTooLarge(f"An image has at most {MOST_PROPERTIES} properties; it would have {len(properties)}.")
