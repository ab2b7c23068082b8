"""The JSON schemas that Glance's clients fetch to learn which attributes there are."""

from typing import Any

from stackyard.kernel.declare.kinds import Kind
from stackyard.kernel.declare.resource import Field, Route
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.work import Work
from stackyard.rooms.image.resources.image.resource import IMAGE
from stackyard.rooms.image.resources.member.rules import STATUSES

_LINK = {"type": "string", "readOnly": True}


def _attribute(each: Field) -> dict[str, Any]:
    described = {**_nullable(each.kind, each.null), "description": each.doc}
    return described if each.create or each.update else {**described, "readOnly": True}


def _nullable(kind: Kind, null: bool) -> dict[str, Any]:
    schema = {name: value for name, value in kind.schema.items() if name != "format"}
    if not null:
        return schema
    schema["type"] = ["null", schema["type"]]
    if "enum" in schema:
        schema["enum"] = [None, *schema["enum"]]
    return schema


def image() -> dict[str, Any]:
    """An image."""
    properties = {name: _attribute(each) for name, each in IMAGE.all_fields.items() if each.read}
    properties["tags"] = {
        "type": "array",
        "items": {"type": "string", "maxLength": 255},
        "description": "Words to find the image by.",
    }
    for name in ("self", "file", "schema", "direct_url", "stores"):
        properties[name] = {**_LINK, "description": "Given by the cloud."}
    links = [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ]
    return {"name": "image", "properties": properties, "additionalProperties": {"type": "string"}, "links": links}


def member() -> dict[str, Any]:
    """A membership."""
    text = {"type": "string"}
    properties = {
        "image_id": {**text, "description": "The shared image."},
        "member_id": {**text, "description": "The project it is shared with."},
        "status": {**text, "enum": list(STATUSES), "description": "What the project said."},
        "created_at": {**text, "description": "When the image was shared (UTC)."},
        "updated_at": {**text, "description": "When the membership last changed (UTC)."},
        "schema": _LINK,
    }
    return {"name": "member", "properties": properties}


def _many(plural: str, one: dict[str, Any], *, paged: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {plural: {"type": "array", "items": one}, "schema": {"type": "string"}}
    links = [{"rel": "describedby", "href": "{schema}"}]
    if paged:
        properties |= {"first": {"type": "string"}, "next": {"type": "string"}}
        links = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, *links]
    return {"name": plural, "properties": properties, "links": links}


def _show_image(work: Work, request: Request) -> Any:
    return image()


def _show_images(work: Work, request: Request) -> Any:
    return _many("images", image(), paged=True)


def _show_member(work: Work, request: Request) -> Any:
    return member()


def _show_members(work: Work, request: Request) -> Any:
    return _many("members", member(), paged=False)


ROUTES = [
    Route(method="GET", path="/v2/schemas/image", handler=_show_image, doc="The schema of an image."),
    Route(method="GET", path="/v2/schemas/images", handler=_show_images, doc="The schema of a list of images."),
    Route(method="GET", path="/v2/schemas/member", handler=_show_member, doc="The schema of an image member."),
    Route(
        method="GET", path="/v2/schemas/members", handler=_show_members, doc="The schema of a list of image members."
    ),
]
