"""The JSON schemas of metadata definitions, from the shapes that requests are read by."""

from collections.abc import Callable
from typing import Any

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work
from stackyard.rooms.image.resources.metadef.shapes import NAMESPACE, OBJECT, PROPERTY, RESOURCE_TYPE, TAG, Part

_GIVEN = {"type": "string", "readOnly": True}
_MADE = {
    name: {**_GIVEN, "description": "Given by the cloud."} for name in ("created_at", "updated_at", "schema", "self")
}


def _one(name: str, shape: dict[str, Any], *, made: bool = True) -> dict[str, Any]:
    return {**shape, "name": name, "properties": {**shape["properties"], **(_MADE if made else {})}}


def _many(plural: str, one: dict[str, Any]) -> dict[str, Any]:
    keyed: dict[str, Any] = {"type": "object", "additionalProperties": one}
    items = keyed if plural == PROPERTY.plural else {"type": "array", "items": one}
    text = {"type": "string"}
    links = [{"rel": rel, "href": f"{{{rel}}}"} for rel in ("first", "next")] + [
        {"rel": "describedby", "href": "{schema}"}
    ]
    return {
        "name": plural,
        "properties": {plural: items, "first": text, "next": text, "schema": text},
        "links": links,
    }


def _routes(word: str, words: str, part: Part | None) -> list[Route]:
    name = "resource_type_association" if part is RESOURCE_TYPE else word
    one = _one(name, dict((part.shape if part else NAMESPACE).schema), made=part is not PROPERTY)
    many = _many(f"{name}s" if part is RESOURCE_TYPE else words, one)
    return [
        Route(
            method="GET", path=f"/v2/schemas/metadefs/{path}", handler=_answering(shown), doc=f"The schema of {path}."
        )
        for path, shown in ((word, one), (words, many))
    ]


def _answering(shown: dict[str, Any]) -> Callable[[Work, Request], Any]:
    return lambda work, request: shown


ROUTES = [
    *_routes("namespace", "namespaces", None),
    *(
        route
        for part in (PROPERTY, OBJECT, TAG)
        for route in _routes(part.kind, part.plural, part)
    ),
    *_routes("resource_type", "resource_types", RESOURCE_TYPE),
]  # fmt: skip
