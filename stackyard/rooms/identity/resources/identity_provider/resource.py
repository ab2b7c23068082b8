"""Identity providers. Source: Identity API v3, OS-FEDERATION, "Identity Providers"."""

from stackyard.kernel.declare.kinds import Integer, ListOf, Text
from stackyard.kernel.declare.resource import Field, Resource, everyone
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources.identity_provider import rules

IDENTITY_PROVIDER = Resource(
    name="identity_provider",
    path="/v3/OS-FEDERATION/identity_providers",
    table_name="identity_provider",
    id_from="path",
    unknown_fields="refuse",
    fields=[
        Field(name="id", kind=Text(min=1, max=64), create=False, update=False, doc="The identity provider's id."),
        Field(
            name="domain_id",
            kind=Text(min=1, max=64, pattern=fields.ID_PATTERN),
            default=None,
            null=True,
            update=False,
            index=True,
            doc="The domain its people fall into; one of its own is made unless given.",
        ),
        Field(name="enabled", kind=fields.Enabled().kind, default=False, doc="Whether people can log in through it."),
        Field(name="description", kind=Text(max=None), default=None, null=True, doc="A description for people."),
        Field(
            name="authorization_ttl",
            kind=Integer(min=0),
            default=None,
            null=True,
            filter=False,
            doc="Minutes for which memberships from a mapping hold beyond the token; the cloud's default unless given.",
        ),
        Field(
            name="remote_ids",
            kind=ListOf(Text(min=1, max=255), unique=True),
            default=list,
            null=True,
            filter=False,
            sort=False,
            doc="The names by which it calls itself in assertions.",
        ),
    ],
    visible=everyone,
    view=rules.view,
    policy={
        "list": allow("list_identity_providers", ADMIN_OR_SYSTEM_READER),
        "show": allow("get_identity_provider", ADMIN_OR_SYSTEM_READER),
        "create": allow("create_identity_provider", ADMIN),
        "update": allow("update_identity_provider", ADMIN),
        "delete": allow("delete_identity_provider", ADMIN),
    },
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    doc="An identity provider says who people are; its protocols say in which form, its mappings what that means here.",
)
