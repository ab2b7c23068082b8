"""Users: people and programs that authenticate."""

from stackyard.kernel.declare.kinds import Boolean, Integer, ListOf, Text, Timestamp
from stackyard.kernel.declare.resource import Action, Field, Id, Internal, ReadOnly, Resource, everyone
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.compliance import shown_expiry
from stackyard.rooms.identity.passwords import MAX_LENGTH
from stackyard.rooms.identity.policies import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    EVERY_SCOPE,
    OWNER,
    allow,
    domain_reader,
    either,
)
from stackyard.rooms.identity.resources.federation import people
from stackyard.rooms.identity.resources.federation.people import FEDERATED
from stackyard.rooms.identity.resources.user import rules

_SELF = "user_id:%(target.user.id)s"
_WRITE = either(ADMIN, "(role:manager and token.domain.id:%(target.user.domain_id)s)")

USER = Resource(
    name="user",
    path="/v3/users",
    table_name="identity_user",
    fields=[
        Id(hex=True),
        fields.NamedBy(255, index=True),
        fields.Reference("domain_id", "The domain that owns the user; the token's unless given."),
        fields.Reference("default_project_id", "The project a token is for when none is asked for."),
        fields.Enabled(),
        Field(name="description", kind=Text(max=None), default=None, null=True, doc="A description for people."),
        Field(name="email", kind=Text(max=255), default=None, null=True, doc="An address."),
        Field(
            name="password",
            kind=Text(min=1, max=MAX_LENGTH),
            default=None,
            null=True,
            stored=False,
            read=False,
            filter=False,
            sort=False,
            doc="The password; only its hash is kept.",
        ),
        Field(
            name="federated",
            kind=FEDERATED,
            stored=False,
            filter=False,
            sort=False,
            doc="For whom at identity providers the user stands, by provider and protocol.",
        ),
        fields.Options(
            ignore_change_password_upon_first_use=Boolean(),
            ignore_password_expiry=Boolean(),
            ignore_lockout_failure_attempts=Boolean(),
            lock_password=Boolean(),
            ignore_user_inactivity=Boolean(),
            multi_factor_auth_enabled=Boolean(),
            multi_factor_auth_rules=ListOf(ListOf(Text(min=1), unique=True), unique=True),
        ),
        ReadOnly(
            "password_expires_at",
            Timestamp(),
            null=True,
            default=None,
            filter=False,
            show=lambda work, user: shown_expiry(user),
            doc="When the password expires, or null. Filter: `lt:`, `lte:`, `gt:`, `gte:`, `eq:`, `neq:` and a moment.",
        ),
        Internal("local_id", Text(max=255), doc="What the domain's directory calls the user, where one keeps them."),
        Internal("password_hash", Text(max=None)),
        Internal("password_from", Text(max=16), doc="Who chose it: 'seed' (first start), 'api' (an admin), 'user'."),
        Internal("password_set_at", Timestamp()),
        # Rises when earlier tokens must die: a changed password, a disabled user. Tokens carry the one of their time.
        Internal("generation", Integer(), default=0, null=False),
        fields.Extra(),
    ],
    visible=everyone,
    unique=[("domain_id", "name")],
    target=rules.target,
    list_query=[
        Field(name="idp_id", kind=Text(max=64), doc="Those who stand for people at this identity provider."),
        Field(name="protocol_id", kind=Text(max=64), doc="Those who stand for people who came by this protocol."),
        Field(name="unique_id", kind=Text(max=255), doc="Those who stand for people of this id at a provider."),
        Field(name="password_expires_at", kind=Text(max=64), doc="Compared with when passwords expire: `lt:<moment>`."),
    ],
    narrow=rules.narrow,
    load=people.load,
    view=rules.view,
    policy={
        "list": allow("list_users", either(ADMIN_OR_SYSTEM_READER, domain_reader("target.domain_id"))),
        "show": allow(
            "get_user",
            either(ADMIN_OR_SYSTEM_READER, "(role:reader and token.domain.id:%(target.user.domain_id)s)", _SELF),
        ),
        "create": allow("create_user", _WRITE),
        "update": allow("update_user", _WRITE),
        "delete": allow("delete_user", _WRITE),
    },
    before={"list": rules.before_list, "create": rules.hash_new, "update": rules.hash_new},
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    actions=[
        Action(
            method="GET",
            suffix="projects",
            rule=rules.projects,
            status=200,
            allow=allow(
                "list_user_projects", either(ADMIN_OR_SYSTEM_READER, domain_reader("target.user.domain_id"), _SELF)
            ),
        ),
        Action(
            method="DELETE",
            suffix="tokens",
            rule=rules.end_tokens,
            status=204,
            allow=allow("revoke_tokens_for_user", either(ADMIN, OWNER), EVERY_SCOPE),
        ),
        Action(
            method="GET",
            suffix="groups",
            rule=rules.groups_of,
            status=200,
            allow=allow(
                "list_groups_for_user",
                either(ADMIN_OR_SYSTEM_READER, domain_reader("target.user.domain_id"), "user_id:%(user_id)s"),
            ),
        ),
    ],
    doc="A user belongs to a domain, may have a password, and holds roles directly or through groups.",
)
