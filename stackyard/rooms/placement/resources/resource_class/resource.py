"""A resource class. The standard ones come with os-resource-classes; those of the cloud's own begin with CUSTOM_.
Source: Placement API reference, "Resource Classes"."""

from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.declare.resource import Action, Field, Resource, Timestamps, everyone
from stackyard.rooms.placement.policies import operates
from stackyard.rooms.placement.resources.resource_class import rules

_NAME = Field(name="name", kind=Text(min=8, pattern="CUSTOM_[A-Z0-9_]+"), required=True)

RESOURCE_CLASS = Resource(
    name="resource_class",
    plural="resource_classes",
    path="/resource_classes",
    table_name="placement_resource_classes",
    id_field="name",
    fields=[_NAME, *Timestamps()],
    visible=everyone,
    verbs=(),
    actions=[
        Action(
            method="GET", suffix="", rule=rules.list_all, allow=operates("resource_classes:list"), on="collection",
            status=200, since="1.2",
        ),
        Action(
            method="POST", suffix="", rule=rules.create, allow=operates("resource_classes:create"), on="collection",
            status=201, since="1.2", body=[_NAME],
        ),
        Action(
            method="GET", suffix="{name}", rule=rules.show, allow=operates("resource_classes:show"), on="collection",
            status=200, since="1.2",
        ),
        Action(
            method="PUT", suffix="{name}", rule=rules.rename, allow=operates("resource_classes:update"),
            on="collection", status=200, since="1.2", until="1.7", body=[_NAME],
        ),
        Action(
            method="PUT", suffix="{name}", rule=rules.ensure, allow=operates("resource_classes:update"),
            on="collection", status=201, since="1.7", answers=[204],
        ),
        Action(
            method="DELETE", suffix="{name}", rule=rules.delete, allow=operates("resource_classes:delete"),
            on="collection", status=204, since="1.2",
        ),
    ],
)  # fmt: skip
