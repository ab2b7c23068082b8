"""Glance's patches: JSON patch's words, with rules of its own (one attribute per operation; three operations).

Media type v2.1: {"op": "replace", "path": "/name", "value": …}; v2.0 of the same: {"replace": "/name", "value": …}.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackyard.kernel.errors import BadRequest, Conflict, Forbidden, UnsupportedMediaType
from stackyard.rooms.image.resources.image import attributes

MEDIA_TYPES = ("application/openstack-images-v2.1-json-patch", "application/openstack-images-v2.0-json-patch")
_OPERATIONS = ("add", "remove", "replace")


@dataclass(frozen=True)
class Change:
    """One operation on one attribute."""

    operation: str
    name: str
    value: Any = None


def read(media_type: str, body: Any) -> list[Change]:
    """The changes a body asks for. Raises UnsupportedMediaType, BadRequest, Forbidden."""
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMediaType(
            f"Images are not updated with '{media_type[:100]}'.",
            remedy=f"Send {' or '.join(MEDIA_TYPES)}.",
            headers={"Accept-Patch": ", ".join(MEDIA_TYPES)},
        )
    if not isinstance(body, list):
        raise BadRequest("Request body must be a JSON array of operation objects.")
    changes = (_change(each, flat=media_type == MEDIA_TYPES[1]) for each in body)
    return [each for each in changes if each is not None]


def _change(each: Any, *, flat: bool) -> Change | None:
    if not isinstance(each, Mapping):
        raise BadRequest("Operations must be JSON objects.")
    operation, path = _flat(each) if flat else (each.get("op"), each.get("path"))
    if operation not in _OPERATIONS:
        raise BadRequest(f"Operations must be one of {', '.join(_OPERATIONS)}.", field="op")
    if not isinstance(path, str):
        raise BadRequest(f"Unable to find 'path' in the operation '{operation}'.", field="path")
    name = _attribute(path)
    if operation == "remove" and attributes.is_given(name):
        # openstacksdk takes these for properties, and removes every property that it was not given anew.
        return None
    attributes.check_settable(name, creating=False)
    if operation == "remove":
        return Change(operation, name)
    if "value" not in each:
        raise BadRequest(f'Operation "{operation}" requires a member named "value".', field="value")
    return Change(operation, name, each["value"])


def _flat(each: Mapping[str, Any]) -> tuple[Any, Any]:
    named = [name for name in _OPERATIONS if name in each]
    if len(named) != 1:
        raise BadRequest(
            f"Operation objects must contain exactly one member named {', '.join(_OPERATIONS)}.", field="op"
        )
    return named[0], each[named[0]]


def _attribute(path: str) -> str:
    """The one attribute a JSON pointer names."""
    if not path.startswith("/"):
        raise BadRequest(f"Pointer '{path[:255]}' does not start with \"/\".", field="path")
    if re.search(r"~(?![01])", path):
        raise BadRequest(
            f"Pointer '{path[:255]}' contains \"~\" not part of a recognized escape sequence.", field="path"
        )
    name = path[1:]
    if not name or "/" in name:
        raise BadRequest(f"Invalid JSON pointer for this resource: '{path[:255]}'.", field="path")
    return name.replace("~1", "/").replace("~0", "~")


def apply(changes: list[Change], properties: dict[str, str]) -> attributes.Wanted:
    """What an image with these properties is to become. Raises BadRequest, Conflict for a property that is not there,
    Forbidden for the removal of what every image has."""
    wanted = attributes.Wanted(properties=dict(properties))
    for change in changes:
        if change.operation == "remove":
            _remove(wanted, change.name)
        elif change.name == "tags":
            wanted.tags = attributes.tags(change.value)
        elif attributes.is_declared(change.name):
            wanted.values[change.name] = attributes.declared_value(change.name, change.value)
        elif change.operation == "replace" and change.name not in wanted.properties:
            raise Conflict(
                f"Property {change.name} does not exist.", remedy="Add it instead of replacing it.", field=change.name
            )
        else:
            wanted.properties[change.name] = attributes.property_value(change.name, change.value)
    if len(wanted.properties) > len(properties):
        attributes.check_count(wanted.properties)
    return wanted


def _remove(wanted: attributes.Wanted, name: str) -> None:
    if attributes.is_declared(name):
        raise Forbidden(f"Property {name} may not be removed.", field=name)
    if name not in wanted.properties:
        raise Conflict(f"Property {name} does not exist.", field=name)
    del wanted.properties[name]
