"""Limits of projects and domains. Source: Identity API v3, "Unified limits"."""

from stackyard.kernel.declare.kinds import ListOf, Nullable, Object, Text
from stackyard.kernel.declare.resource import Action, Field, Id, Resource, everyone
from stackyard.kernel.holdings import everything
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, ANYONE, allow, either
from stackyard.rooms.identity.resources.limit import rules
from stackyard.rooms.identity.resources.registered_limit.resource import (
    AMOUNT,
    DESCRIPTION,
    REGION,
    RESOURCE_NAME,
    SERVICE,
)

_HOLDER = Nullable(Text(min=1, max=64))
_NEW = Object(
    {
        "project_id": _HOLDER,
        "domain_id": _HOLDER,
        "service_id": SERVICE,
        "region_id": REGION,
        "resource_name": RESOURCE_NAME,
        "resource_limit": AMOUNT,
        "description": DESCRIPTION,
    },
    required=["service_id", "resource_name", "resource_limit"],
)
_ITS_OWN = "(project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)"
_OF_DOMAIN = "(domain_id:%(target.limit.domain.id)s or domain_id:%(target.limit.project.domain_id)s)"

LIMIT = Resource(
    name="limit",
    path="/v3/limits",
    table_name="identity_limit",
    fields=[
        Id(hex=True),
        Field(name="project_id", kind=_HOLDER, update=False, null=True, index=True, doc="The project it is for."),
        Field(name="domain_id", kind=_HOLDER, update=False, null=True, index=True, doc="Or the domain."),
        Field(name="service_id", kind=SERVICE, update=False, index=True, doc="The service whose resource it is."),
        Field(name="region_id", kind=REGION, update=False, null=True, doc="The region it is for."),
        Field(name="resource_name", kind=RESOURCE_NAME, update=False, doc="What is limited."),
        Field(name="resource_limit", kind=AMOUNT, doc="How much it may have; -1 for any."),
        Field(name="description", kind=DESCRIPTION, null=True, doc="A description for people."),
    ],
    visible=everyone,
    goes_with_owner=everything,
    unknown_fields="refuse",
    empty_update="take",
    verbs=("list", "show", "update", "delete"),
    target=rules.target,
    narrow=rules.narrow,
    policy={
        "list": allow("list_limits", ANYONE),
        "show": allow("get_limit", either(ADMIN_OR_SYSTEM_READER, _OF_DOMAIN, _ITS_OWN)),
        "update": allow("update_limit", ADMIN),
        "delete": allow("delete_limit", ADMIN),
    },
    update=rules.update,
    actions=[
        Action(
            method="POST",
            suffix="",
            on="collection",
            rule=rules.create,
            status=201,
            allow=allow("create_limits", ADMIN),
            body=[Field(name="limits", kind=ListOf(_NEW), required=True, doc="Those to make.")],
        ),
    ],
    doc="What a project or a domain may have of a service's resource, instead of the registered limit.",
)
