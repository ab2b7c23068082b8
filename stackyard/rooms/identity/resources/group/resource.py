"""Groups of users: a role given to a group is held by everyone in it."""

from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.declare.resource import Action, Id, Internal, Resource, everyone
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    allow,
    domain_manager,
    domain_reader,
    either,
)
from stackyard.rooms.identity.resources.group import rules

_READ = either(ADMIN_OR_SYSTEM_READER, domain_reader("target.group.domain_id"))
_WRITE = either(ADMIN, domain_manager("target.group.domain_id"))


def _both(role: str) -> str:
    return f"(role:{role} and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)"


_CHECK = allow("check_user_in_group", either(ADMIN_OR_SYSTEM_READER, _both("reader")))

GROUP = Resource(
    name="group",
    path="/v3/groups",
    table_name="identity_group",
    fields=[
        Id(hex=True),
        fields.NamedBy(255, index=True),
        fields.Reference("domain_id", "The domain that owns the group; the token's unless given."),
        fields.Description(),
        Internal("local_id", Text(max=255), doc="What the domain's directory calls the group, where one keeps it."),
        fields.Extra(),
    ],
    visible=everyone,
    unique=[("domain_id", "name")],
    target=rules.target,
    narrow=rules.narrow,
    before={"list": rules.before_list},
    policy={
        "list": allow("list_groups", _READ),
        "show": allow("get_group", _READ),
        "create": allow("create_group", _WRITE),
        "update": allow("update_group", _WRITE),
        "delete": allow("delete_group", _WRITE),
    },
    unknown_first=("delete",),
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    actions=[
        Action(method="GET", suffix="users", rule=rules.users, allow=allow("list_users_in_group", _READ), status=200),
        Action(method="GET", suffix="users/{user_id}", rule=rules.check, allow=_CHECK, status=204),
        Action(
            method="PUT",
            suffix="users/{user_id}",
            rule=rules.join,
            status=204,
            allow=allow("add_user_to_group", either(ADMIN, _both("manager"))),
        ),
        Action(
            method="DELETE",
            suffix="users/{user_id}",
            rule=rules.leave,
            status=204,
            allow=allow("remove_user_from_group", either(ADMIN, _both("manager"))),
        ),
    ],
    doc="A group belongs to a domain; its members hold every role given to it.",
)
