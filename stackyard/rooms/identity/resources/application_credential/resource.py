"""Application credentials. Source: Identity API v3, "Application Credentials"."""

from stackyard.kernel.declare.kinds import Anything, Boolean, ListOf, Object, OneOf, Text, Timestamp
from stackyard.kernel.declare.resource import Field, Id, Internal, ReadOnly, Resource, everyone
from stackyard.kernel.holdings import everything
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.passwords import MAX_LENGTH
from stackyard.rooms.identity.policies import ADMIN, OWNER, SYSTEM_READER, allow, either
from stackyard.rooms.identity.resources.application_credential import rules
from stackyard.rooms.identity.resources.token import delegation

METHOD = OneOf("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
PATH = Text(max=225, pattern=r"/(?s:.*)")
SERVICE = Text(min=1, max=64, pattern=r"[a-zA-Z0-9_-]+")
_NAMED = Text(min=1, max=255)
_READ = either(ADMIN, SYSTEM_READER, OWNER)

APPLICATION_CREDENTIAL = Resource(
    name="application_credential",
    path="/v3/users/{user_id}/application_credentials",
    table_name="identity_application_credential",
    parents={"user_id": "user_id"},
    within=delegation.refuse_all_but_application_credentials,
    verbs=("list", "show", "create", "delete"),
    fields=[
        Id(hex=True),
        fields.NamedBy(255),
        ReadOnly("user_id", Text(max=64), index=True, filter=False, doc="The owner."),
        ReadOnly("project_id", Text(max=64), index=True, doc="The project that its tokens are for."),
        Field(name="description", kind=Text(max=None), default=None, null=True, doc="A description for people."),
        Field(
            name="expires_at",
            kind=Timestamp(),
            default=None,
            null=True,
            filter=False,
            show=rules.shown_expiry,
            doc="When it ends (UTC); never unless given.",
        ),
        Field(
            name="roles",
            kind=ListOf(Object({"id": _NAMED, "name": _NAMED}), max=fields.MOST),
            default=list,
            filter=False,
            sort=False,
            show=lambda work, record: record.shown_roles,
            doc="The roles of its tokens, by id or name; those of the token it is made with unless given.",
        ),
        Field(
            name="unrestricted",
            kind=Boolean(),
            default=False,
            null=True,
            doc="Whether it may make and delete application credentials and EC2 keys.",
        ),
        Field(
            name="access_rules",
            kind=ListOf(Object({"id": _NAMED, "path": PATH, "method": METHOD, "service": SERVICE}), max=fields.MOST),
            default=list,
            filter=False,
            sort=False,
            show=lambda work, record: record.shown_rules,
            doc="The only requests it is good for, when there are any.",
        ),
        Field(
            name="secret",
            kind=Text(min=1, max=MAX_LENGTH),
            default=None,
            null=True,
            stored=False,
            filter=False,
            sort=False,
            show=lambda work, record: record.get("secret"),
            doc="The secret, shown once; a fresh one unless given.",
        ),
        Field(
            name="system",
            kind=Anything(),
            default=None,
            null=True,
            stored=False,
            filter=False,
            sort=False,
            doc="Unused.",
        ),
        Internal("secret_hash", Text(max=None), null=False),
        fields.NothingElse(),
    ],
    visible=everyone,
    goes_with_owner=everything,
    unique=[("user_id", "name")],
    target=rules.target,
    load=rules.load,
    view=rules.view,
    policy={
        "list": allow("list_application_credentials", _READ),
        "show": allow("get_application_credential", _READ),
        "create": allow("create_application_credential", OWNER, ("project",)),
        "delete": allow("delete_application_credential", either(ADMIN, OWNER)),
    },
    before={"create": rules.hash_secret},
    create=rules.create,
    delete=rules.delete,
    doc="An application credential is good for one project, with some of its owner's roles there.",
)
