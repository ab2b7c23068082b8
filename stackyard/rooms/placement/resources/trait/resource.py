"""A trait. The standard ones come with os-traits; those of the cloud's own begin with CUSTOM_. Source: Placement API
reference, "Traits"."""

from stackyard.kernel.declare.kinds import Boolean, Text
from stackyard.kernel.declare.resource import Action, Field, Resource, Timestamps, everyone
from stackyard.rooms.placement.policies import operates
from stackyard.rooms.placement.resources.trait import rules

_LIST = [Field(name="name", kind=Text(max=None)), Field(name="associated", kind=Boolean())]

TRAIT = Resource(
    name="trait",
    path="/traits",
    table_name="placement_traits",
    id_field="name",
    fields=[Field(name="name", kind=Text(min=8, pattern="CUSTOM_[A-Z0-9_]+"), required=True), *Timestamps()],
    visible=everyone,
    verbs=(),
    actions=[
        Action(
            method="GET", suffix="", rule=rules.list_all, allow=operates("traits:list"), on="collection", status=200,
            since="1.6", query=_LIST,
        ),
        Action(
            method="GET", suffix="{name}", rule=rules.show, allow=operates("traits:show"), on="collection",
            status=204, since="1.6",
        ),
        Action(
            method="PUT", suffix="{name}", rule=rules.ensure, allow=operates("traits:update"), on="collection",
            status=201, since="1.6", answers=[204],
        ),
        Action(
            method="DELETE", suffix="{name}", rule=rules.delete, allow=operates("traits:delete"), on="collection",
            status=204, since="1.6",
        ),
    ],
)  # fmt: skip
