"""Domains. A domain is a row of the projects' table with `is_domain` set: a project may act as one."""

from typing import TYPE_CHECKING

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.kinds import Boolean, Text
from stackyard.kernel.declare.resource import Field, Internal, Resource
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow, domain_reader, either
from stackyard.rooms.identity.resources.domain import rules
from stackyard.rooms.identity.resources.project.tags import tags_field

if TYPE_CHECKING:
    import sqlalchemy as sa


def only_domains(caller: Caller, source: "sa.Table") -> "sa.ColumnElement[bool]":
    """The table holds projects too."""
    return source.c.is_domain.is_(True)


DOMAIN = Resource(
    name="domain",
    path="/v3/domains",
    table_name="identity_project",
    fields=[
        Field(name="id", kind=Text(max=64), create=False, update=False, doc="The domain's id."),
        fields.NamedBy(64, index=True),
        fields.Description(),
        fields.Enabled(),
        tags_field(),
        fields.Immutable(),
        Field(
            name="explicit_domain_id",
            kind=Text(min=1, max=64, pattern=fields.ID_PATTERN),
            update=False,
            stored=False,
            read=False,
            filter=False,
            sort=False,
            doc="The id to give the domain instead of a fresh one.",
        ),
        Internal("is_domain", Boolean(), default=True, null=False),
        Internal("domain_id", Text(max=64), index=True),
        Internal("parent_id", Text(max=64), index=True),
        fields.Extra(),
    ],
    visible=only_domains,
    unique=[("domain_id", "name")],
    target=rules.target,
    narrow=rules.narrow,
    policy={
        "list": allow("list_domains", either(ADMIN_OR_SYSTEM_READER, domain_reader("target.domain.id"))),
        "show": allow(
            "get_domain",
            either(
                ADMIN_OR_SYSTEM_READER,
                "token.domain.id:%(target.domain.id)s",
                "token.project.domain.id:%(target.domain.id)s",
            ),
        ),
        "create": allow("create_domain", ADMIN),
        "update": allow("update_domain", ADMIN),
        "delete": allow("delete_domain", ADMIN),
    },
    unknown_first=("update", "delete"),
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    delete_query=[fields.Cascade()],
    doc="A domain owns users, groups, projects and roles of its own; names are unique within it.",
)
