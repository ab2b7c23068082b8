"""Access rules: the requests that application credentials are good for. Made with the credential that first names them.
Source: Identity API v3, "Application Credentials", "Access Rules"."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.declare.resource import Id, ReadOnly, Resource, everyone
from stackyard.kernel.errors import Forbidden
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity.policies import SYSTEM_ADMIN, SYSTEM_READER, allow, either, members
from stackyard.rooms.identity.resources.application_credential import store
from stackyard.rooms.identity.resources.token import delegation

_SELF = "user_id:%(target.user.id)s"


def target(work: Work, rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """What check strings may name: the user whose rules they are."""
    return members({"target.user.id": rule.get("user_id") or work.params.get("user_id")})


def shown(rule: Record) -> dict[str, Any]:
    """A rule within an application credential or a token."""
    return {name: rule[name] for name in ("id", "service", "path", "method")}


def delete(work: Work, rule: Record, query: Record) -> None:
    """Delete a rule. Raises Forbidden while an application credential has it: it would then permit something else."""
    if store.uses_rule(work.tx, rule.user_id, rule.id):
        raise Forbidden(
            f"May not delete access rule {rule.id}: it is in use.", remedy="Delete the application credentials first."
        )
    kernel_rows.remove(work, ACCESS_RULE, rule)


ACCESS_RULE = Resource(
    name="access_rule",
    path="/v3/users/{user_id}/access_rules",
    table_name="identity_access_rule",
    parents={"user_id": "user_id"},
    within=delegation.refuse_all_but_application_credentials,
    verbs=("list", "show", "delete"),
    fields=[
        Id(hex=True),
        ReadOnly("user_id", Text(max=64), read=False, doc="The owner."),
        ReadOnly("service", Text(max=64), doc="The type of the service in the catalog."),
        ReadOnly("method", Text(max=16), doc="The method."),
        ReadOnly("path", Text(max=225), doc="The pattern of paths: *, ** and {name} stand for others."),
    ],
    visible=everyone,
    unique=[("user_id", "service", "method", "path")],
    target=target,
    policy={
        "list": allow("list_access_rules", either(SYSTEM_READER, _SELF)),
        "show": allow("get_access_rule", either(SYSTEM_READER, _SELF)),
        "delete": allow("delete_access_rule", either(SYSTEM_ADMIN, _SELF)),
    },
    delete=delete,
    doc="An access rule is a request that an application credential is good for.",
)
