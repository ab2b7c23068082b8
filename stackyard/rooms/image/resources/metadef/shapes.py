"""What namespaces and their parts look like in requests; the published JSON schemas are made from the same words."""

from dataclasses import dataclass

from stackyard.kernel.declare.kinds import Anything, Boolean, Integer, Kind, ListOf, MapOf, Number, Object, OneOf, Text

_NAME = Text(min=1, max=80)
_PROSE = Text(max=500)
_TYPE = OneOf("array", "boolean", "integer", "number", "string")
_COUNT = Integer(min=0)
_PROPERTY = {
    "title": _NAME,
    "type": _TYPE,
    "description": _PROSE,
    "operators": ListOf(Text()),
    "default": Anything(),
    "enum": ListOf(Anything()),
    "items": Object({"type": _TYPE, "enum": ListOf(Anything())}),
    "minimum": Number(),
    "maximum": Number(),
    "minLength": _COUNT,
    "maxLength": _COUNT,
    "pattern": Text(max=2000),
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "uniqueItems": Boolean(),
    "additionalItems": Boolean(),
    "readonly": Boolean(),
    "confidential": Boolean(),
}
_PROPERTIES = MapOf(Object(_PROPERTY, required=("title", "type")), key=_NAME)


@dataclass(frozen=True, eq=False)
class Part:
    """A kind of part of a namespace. `title`: its name in messages. `timed`: answers carry its times."""

    kind: str
    plural: str
    title: str
    shape: Kind
    timed: bool = True


PROPERTY = Part(
    "property",
    "properties",
    "property",
    Object({"name": _NAME, **_PROPERTY}, required=("name", "title", "type")),
    False,
)
OBJECT = Part(
    "object", "objects", "object",
    Object(
        {"name": _NAME, "description": _PROSE, "required": ListOf(_NAME), "properties": _PROPERTIES}, required=("name",)
    ),
)  # fmt: skip
TAG = Part("tag", "tags", "tag", Object({"name": _NAME}, required=("name",)))
RESOURCE_TYPE = Part(
    "resource_type", "resource_type_associations", "resource type association",
    Object({"name": _NAME, "prefix": Text(max=80), "properties_target": Text(max=80)}, required=("name",)),
)  # fmt: skip
PARTS = (RESOURCE_TYPE, PROPERTY, OBJECT, TAG)

TAGS = Object({"tags": ListOf(TAG.shape)}, required=("tags",))
NAMESPACE = Object(
    {
        "namespace": _NAME,
        "display_name": Text(max=80),
        "description": _PROSE,
        "visibility": OneOf("public", "private"),
        "protected": Boolean(),
        "owner": Text(max=255),
        "properties": _PROPERTIES,
        **{each.plural: ListOf(each.shape) for each in (OBJECT, TAG, RESOURCE_TYPE)},
    },
    required=("namespace",),
)
