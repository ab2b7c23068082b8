"""Endpoint groups: the endpoints that have certain attributes. Source: Identity API v3, "OS-EP-FILTER"."""

from stackyard.kernel.declare.kinds import Nullable, Object, OneOf, Text
from stackyard.kernel.declare.resource import Action, Field, Id, Resource, everyone
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources.endpoint_filter import rules

_FILTERS = Object(
    {
        "service_id": Text(min=1, max=64),
        "region_id": Nullable(Text(min=1, max=255)),
        "interface": OneOf("public", "internal", "admin"),
    }
)

#: The released client sends null for whatever it was not told.
_CHANGES = Object(
    {
        "name": Nullable(Text(min=1, max=255, pattern=fields.NOT_BLANK)),
        "description": Nullable(Text(max=None)),
        "filters": Nullable(_FILTERS),
    }
)

ENDPOINT_GROUP = Resource(
    name="endpoint_group",
    path="/v3/OS-EP-FILTER/endpoint_groups",
    table_name="identity_endpoint_group",
    fields=[
        Id(hex=True),
        fields.NamedBy(255),
        Field(name="description", kind=Text(max=None), default=None, null=True, doc="A description for people."),
        Field(
            name="filters", kind=_FILTERS, required=True, filter=False, sort=False, doc="What its endpoints must have."
        ),
    ],
    visible=everyone,
    unknown_fields="refuse",
    unknown_filters="refuse",
    verbs=("list", "show", "create", "delete"),
    policy={
        "list": allow("list_endpoint_groups", ADMIN_OR_SYSTEM_READER),
        "show": allow("get_endpoint_group", ADMIN_OR_SYSTEM_READER),
        "create": allow("create_endpoint_group", ADMIN),
        "delete": allow("delete_endpoint_group", ADMIN),
    },
    create=rules.create,
    delete=rules.delete,
    actions=[
        Action(
            method="PATCH",
            suffix="",
            rule=rules.update,
            status=200,
            allow=allow("update_endpoint_group", ADMIN),
            body=[
                Field(name="endpoint_group", kind=_CHANGES, required=True, doc="What to change; null is left alone.")
            ],
        ),
        Action(
            method="GET",
            suffix="endpoints",
            rule=rules.list_endpoints,
            status=200,
            allow=allow("list_endpoints_associated_with_endpoint_group", ADMIN_OR_SYSTEM_READER),
        ),
        Action(
            method="GET",
            suffix="projects",
            rule=rules.list_projects,
            status=200,
            allow=allow("list_projects_associated_with_endpoint_group", ADMIN_OR_SYSTEM_READER),
        ),
        Action(
            method="GET",
            suffix="projects/{project_id}",
            rule=rules.show_in_project,
            status=200,
            allow=allow("get_endpoint_group_in_project", ADMIN_OR_SYSTEM_READER),
        ),
        Action(
            method="PUT",
            suffix="projects/{project_id}",
            rule=rules.add_to_project,
            status=204,
            allow=allow("add_endpoint_group_to_project", ADMIN),
        ),
        Action(
            method="DELETE",
            suffix="projects/{project_id}",
            rule=rules.remove_from_project,
            status=204,
            allow=allow("remove_endpoint_group_from_project", ADMIN),
        ),
    ],
    doc="An endpoint group is associated with projects, whose catalogs then show its endpoints.",
)
