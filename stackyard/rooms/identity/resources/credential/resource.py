"""Credentials. Source: Identity API v3, "Credentials"."""

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.kinds import Integer, Text
from stackyard.kernel.declare.resource import Field, Id, Internal, Resource
from stackyard.kernel.holdings import everything
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, EVERY_SCOPE, allow, either
from stackyard.rooms.identity.resources.credential import rules
from stackyard.rooms.identity.resources.token import delegation

_OWNER = "user_id:%(target.credential.user_id)s"
READ = either(ADMIN_OR_SYSTEM_READER, _OWNER)
WRITE = either(ADMIN, _OWNER)


def own(caller: Caller, table: sa.Table) -> "sa.ColumnElement[bool] | None":
    """A token that acts by somebody's leave knows of none."""
    return sa.false() if delegation.origin_of(caller) else None


CREDENTIAL = Resource(
    name="credential",
    path="/v3/credentials",
    table_name="identity_credential",
    fields=[
        Id(hex=True),
        Field(name="user_id", kind=Text(min=1, max=64), required=True, index=True, doc="The owner."),
        Field(
            name="project_id",
            kind=Text(max=64),
            default=None,
            null=True,
            index=True,
            doc="The project it is for; required for ec2.",
        ),
        Field(name="type", kind=Text(min=1, max=255), required=True, doc="ec2, cert, totp, or what a service likes."),
        Field(
            name="blob",
            kind=Text(max=None),
            required=True,
            filter=False,
            sort=False,
            show=rules.opened,
            doc="The secret itself, as its type has it; encrypted where it is kept.",
        ),
        Internal("key_id", Text(max=32), null=False, index=True, doc="The key that sealed the blob."),
        Internal("used_step", Integer(), doc="The latest time step whose passcode was taken (totp)."),
        fields.Extra(),
    ],
    visible=own,
    within=rules.refuse_delegated,
    empty_update="take",
    goes_with_owner=everything,
    load=rules.load,
    target=rules.target,
    narrow=rules.narrow,
    policy={
        "list": allow("list_credentials", READ, EVERY_SCOPE),
        "show": allow("get_credential", READ, EVERY_SCOPE),
        "create": allow("create_credential", WRITE, EVERY_SCOPE),
        "update": allow("update_credential", WRITE, EVERY_SCOPE),
        "delete": allow("delete_credential", WRITE, EVERY_SCOPE),
    },
    create=rules.create,
    update=rules.update,
    doc="A credential is a secret of a user, of any type: an EC2 key pair, a certificate, the seed of passcodes.",
)
