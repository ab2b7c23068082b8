"""Trusts. Source: Identity API v3, "OS-TRUST"."""

from dataclasses import replace

from stackyard.kernel.declare.kinds import Boolean, Integer, ListOf, Object, Text, Timestamp
from stackyard.kernel.declare.resource import Action, Allow, Field, Id, ReadOnly, Resource, Shown, everyone
from stackyard.kernel.holdings import everything
from stackyard.rooms.identity.fields import MOST
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, CLOUD_SCOPES, allow, either
from stackyard.rooms.identity.resources.trust import rules

_USER = Text(min=1, max=255)
_ROLE = Object({"id": Text(min=1, max=64), "name": Text(min=1, max=255)})
_TRUSTOR = "user_id:%(target.trust.trustor_user_id)s"
_TRUSTEE = "user_id:%(target.trust.trustee_user_id)s"
_EITHER = either(ADMIN_OR_SYSTEM_READER, _TRUSTOR, _TRUSTEE)


def _closed(action: str, check: str) -> Allow:
    """A rule that was empty in Keystone's sample file while its code looked who asks."""
    return replace(allow(action, check, CLOUD_SCOPES), never_open=True)


TRUST = Resource(
    name="trust",
    path="/v3/OS-TRUST/trusts",
    table_name="identity_trust",
    fields=[
        Id(hex=True),
        Field(name="trustor_user_id", kind=_USER, required=True, index=True, filter=False, doc="Who trusts."),
        Field(name="trustee_user_id", kind=_USER, required=True, index=True, filter=False, doc="Who is trusted."),
        Field(name="impersonation", kind=Boolean(), required=True, doc="Whether tokens carry the trustor's name."),
        Field(
            name="project_id",
            kind=Text(max=64),
            null=True,
            default=None,
            index=True,
            doc="The project on which the trustee may act.",
        ),
        Field(
            name="roles",
            kind=ListOf(_ROLE, max=MOST),
            default=list,
            filter=False,
            sort=False,
            read=False,
            doc="The roles that the trustee gets, by id or name.",
        ),
        Field(name="expires_at", kind=Timestamp(), null=True, default=None, filter=False, doc="When it ends (UTC)."),
        Field(
            name="remaining_uses",
            kind=Integer(min=1, max=2**31 - 1),
            null=True,
            default=None,
            doc="How many tokens can still be got; null for any number.",
        ),
        Field(
            name="allow_redelegation",
            kind=Boolean(),
            null=True,
            default=None,
            stored=False,
            read=False,
            doc="Whether the trustee may hand it on.",
        ),
        Field(
            name="redelegation_count",
            kind=Integer(min=0, max=2**31 - 1),
            null=True,
            default=None,
            doc="How many times it can still be handed on.",
        ),
        ReadOnly("redelegated_trust_id", Text(max=64), null=True, index=True, doc="The trust it was handed on from."),
        Shown("deleted_at", Text(), lambda work, trust: None, doc="Null: a trust that is deleted is gone."),
    ],
    visible=everyone,
    goes_with_owner=everything,
    unknown_first=("show", "delete"),
    verbs=("list", "show", "create", "delete"),
    within=rules.within,
    target=rules.target,
    list_query=[
        Field(name="trustor_user_id", kind=_USER, default=None, doc="Those this user gives."),
        Field(name="trustee_user_id", kind=_USER, default=None, doc="Those this user is given."),
    ],
    narrow=rules.narrow,
    view=rules.view,
    policy={
        "show": _closed("get_trust", _EITHER),
        "create": allow("create_trust", _TRUSTOR, ("project",)),
        "delete": _closed("delete_trust", either(ADMIN, _TRUSTOR)),
    },
    create=rules.create,
    delete=rules.delete,
    actions=[
        Action(
            method="GET",
            suffix="roles",
            rule=rules.list_roles,
            status=200,
            allow=_closed("list_roles_for_trust", _EITHER),
        ),
        Action(
            method="GET",
            suffix="roles/{role_id}",
            rule=rules.show_role,
            status=200,
            allow=_closed("get_role_for_trust", _EITHER),
        ),
    ],
    doc="By a trust the trustee gets tokens with some of the trustor's roles on a project.",
)

#: Asked for by lists: which of them depends on the query.
RULES: list[Allow] = [
    _closed("list_trusts", ADMIN_OR_SYSTEM_READER),
    allow("list_trusts_for_trustor", either(ADMIN_OR_SYSTEM_READER, _TRUSTOR), CLOUD_SCOPES),
    allow("list_trusts_for_trustee", either(ADMIN_OR_SYSTEM_READER, _TRUSTEE), CLOUD_SCOPES),
]
