"""Registered limits. Source: Identity API v3, "Unified limits"."""

from stackyard.kernel.declare.kinds import Integer, ListOf, Nullable, Object, Text
from stackyard.kernel.declare.resource import Action, Field, Id, Resource, everyone
from stackyard.rooms.identity.policies import ADMIN, ANYONE, allow
from stackyard.rooms.identity.resources.registered_limit import rules

#: -1 is no limit.
AMOUNT = Integer(min=-1, max=2**31 - 1)
SERVICE = Text(min=1, max=64)
REGION = Nullable(Text(min=1, max=255))
RESOURCE_NAME = Text(min=1, max=255)
DESCRIPTION = Nullable(Text(max=None))

_NEW = Object(
    {
        "service_id": SERVICE,
        "region_id": REGION,
        "resource_name": RESOURCE_NAME,
        "default_limit": AMOUNT,
        "description": DESCRIPTION,
    },
    required=["service_id", "resource_name", "default_limit"],
)

REGISTERED_LIMIT = Resource(
    name="registered_limit",
    path="/v3/registered_limits",
    table_name="identity_registered_limit",
    fields=[
        Id(hex=True),
        Field(name="service_id", kind=SERVICE, index=True, doc="The service whose resource it is."),
        Field(name="region_id", kind=REGION, null=True, doc="The region it is for; all of them if null."),
        Field(name="resource_name", kind=RESOURCE_NAME, doc="What is limited, in the service's own word."),
        Field(name="default_limit", kind=AMOUNT, doc="How much a project may have; -1 for any."),
        Field(name="description", kind=DESCRIPTION, null=True, doc="A description for people."),
    ],
    visible=everyone,
    unknown_fields="refuse",
    empty_update="take",
    verbs=("list", "show", "update", "delete"),
    policy={
        "list": allow("list_registered_limits", ANYONE),
        "show": allow("get_registered_limit", ANYONE),
        "update": allow("update_registered_limit", ADMIN),
        "delete": allow("delete_registered_limit", ADMIN),
    },
    update=rules.update,
    delete=rules.delete,
    actions=[
        Action(
            method="POST",
            suffix="",
            on="collection",
            rule=rules.create,
            status=201,
            allow=allow("create_registered_limits", ADMIN),
            body=[Field(name="registered_limits", kind=ListOf(_NEW), required=True, doc="Those to make.")],
        ),
    ],
    doc="What every project may have of a service's resource, unless a limit of its own says otherwise.",
)
