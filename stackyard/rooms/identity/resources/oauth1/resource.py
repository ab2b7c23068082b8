"""Consumers, and the access tokens that users have given them. Source: Identity API v3, "OS-OAUTH1"."""

from stackyard.kernel.declare.kinds import Anything, ListOf, Text, Timestamp
from stackyard.kernel.declare.resource import Action, Field, Id, Internal, ReadOnly, Resource, everyone
from stackyard.kernel.holdings import everything
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources.oauth1 import rules

CONSUMER = Resource(
    name="consumer",
    path="/v3/OS-OAUTH1/consumers",
    table_name="identity_consumer",
    fields=[
        Id(hex=True),
        Field(name="description", kind=Text(max=None), default=None, null=True, doc="A description for people."),
        Field(
            name="secret",
            kind=Anything(),
            create=False,
            null=True,
            stored=False,
            filter=False,
            sort=False,
            show=lambda work, consumer: consumer.get("secret"),
            doc="What the consumer signs with; shown when it is made.",
        ),
        Internal("sealed", Text(max=None), null=False, doc="The secret."),
        Internal("key_id", Text(max=32), null=False, index=True, doc="The key that sealed it."),
        fields.Extra(),
    ],
    visible=everyone,
    view=rules.view,
    policy={
        "list": allow("list_consumers", ADMIN_OR_SYSTEM_READER),
        "show": allow("get_consumer", ADMIN_OR_SYSTEM_READER),
        "create": allow("create_consumer", ADMIN),
        "update": allow("update_consumer", ADMIN),
        "delete": allow("delete_consumer", ADMIN),
    },
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    doc="A consumer is a program that users may let act for them.",
)

ACCESS_TOKEN = Resource(
    name="access_token",
    path="/v3/users/{user_id}/OS-OAUTH1/access_tokens",
    table_name="identity_access_token",
    parents={"user_id": "authorizing_user_id"},
    within=rules.refuse_delegated,
    verbs=("list", "show", "delete"),
    fields=[
        Id(hex=True),
        ReadOnly("consumer_id", Text(max=64), index=True, doc="Who may act."),
        ReadOnly("project_id", Text(max=64), index=True, doc="Where."),
        ReadOnly("authorizing_user_id", Text(max=64), index=True, doc="For whom."),
        ReadOnly("expires_at", Timestamp(), doc="Until when (UTC)."),
        Internal("role_ids", ListOf(Text()), null=False, doc="With which of their roles."),
        Internal("sealed", Text(max=None), null=False, doc="The secret that the consumer signs with."),
        Internal("key_id", Text(max=32), null=False, index=True, doc="The key that sealed it."),
    ],
    visible=everyone,
    goes_with_owner=everything,
    view=rules.view_token,
    policy={
        "list": allow("list_access_tokens", ADMIN, ("project",)),
        "show": allow("get_access_token", ADMIN, ("project",)),
        "delete": allow("delete_access_token", ADMIN, ("project",)),
    },
    actions=[
        Action(
            method="GET",
            suffix="roles",
            rule=rules.roles,
            status=200,
            allow=allow("list_access_token_roles", ADMIN, ("project",)),
            doc="The roles that the access token gives.",
        ),
        Action(
            method="GET",
            suffix="roles/{role_id}",
            rule=rules.role,
            status=200,
            allow=allow("get_access_token_role", ADMIN, ("project",)),
            doc="One of them.",
        ),
    ],
    doc="An access token lets a consumer act for a user with some of their roles on one project.",
)
