"""Roles: what one may be somewhere. A role can imply others; a role that belongs to a domain only serves to do so."""

from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.declare.resource import Action, Allow, Field, Id, Resource, Verb, everyone
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow, either
from stackyard.rooms.identity.resources.role import rules

_READ_IMPLIED = ADMIN_OR_SYSTEM_READER
_CHECK = allow("check_implied_role", _READ_IMPLIED)

#: The rules of the roles that belong to a domain.
DOMAIN_ROLES: dict[Verb, Allow] = {
    "list": allow("list_domain_roles", ADMIN_OR_SYSTEM_READER),
    "show": allow("get_domain_role", ADMIN_OR_SYSTEM_READER),
    "create": allow("create_domain_role", ADMIN),
    "update": allow("update_domain_role", ADMIN),
    "delete": allow("delete_domain_role", ADMIN),
}

ROLE = Resource(
    name="role",
    path="/v3/roles",
    table_name="identity_role",
    fields=[
        Id(hex=True),
        fields.NamedBy(255),
        Field(
            name="domain_id",
            kind=Text(min=1, max=64, pattern=fields.ID_PATTERN),
            null=True,
            default=None,
            filter=False,
            index=True,
            doc="The domain of a domain's own role.",
        ),
        Field(name="description", kind=Text(max=None), default=None, null=True, doc="A description for people."),
        fields.Immutable(),
        fields.Extra(),
    ],
    visible=everyone,
    target=rules.target,
    list_query=[
        Field(name="domain_id", kind=Text(max=64), null=True, default=None, doc="List this domain's own roles.")
    ],
    narrow=rules.narrow,
    policy={
        "list": allow("list_roles", either(ADMIN_OR_SYSTEM_READER, "(role:manager and not domain_id:None)")),
        "show": allow("get_role", either(ADMIN_OR_SYSTEM_READER, "(role:manager and rule:domain_managed_target_role)")),
        "create": allow("create_role", ADMIN),
        "update": allow("update_role", ADMIN),
        "delete": allow("delete_role", ADMIN),
    },
    policy_for=lambda role: DOMAIN_ROLES if role.get("domain_id") else {},
    unknown_first=("show", "update", "delete"),
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    actions=[
        Action(
            method="GET",
            suffix="implies",
            rule=rules.list_implied,
            status=200,
            allow=allow("list_implied_roles", _READ_IMPLIED),
        ),
        Action(
            method="GET",
            suffix="implies/{implied_role_id}",
            rule=rules.show_implied,
            status=200,
            allow=allow("get_implied_role", _READ_IMPLIED),
        ),
        Action(method="HEAD", suffix="implies/{implied_role_id}", rule=rules.check_implied, status=204, allow=_CHECK),
        Action(
            method="PUT",
            suffix="implies/{implied_role_id}",
            rule=rules.imply,
            status=201,
            allow=allow("create_implied_role", ADMIN),
        ),
        Action(
            method="DELETE",
            suffix="implies/{implied_role_id}",
            rule=rules.imply_no_longer,
            status=204,
            allow=allow("delete_implied_role", ADMIN),
        ),
    ],
    doc="A role is a name that policy rules ask for; an assignment says who holds it where.",
)
