"""Security groups and their rules, declared. Source: Network API v2.0, "Security groups"."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.declare.kinds import Anything, ListOf, OneOf, Text
from stackyard.kernel.declare.resource import Description, Field, Id, Internal, Resource, Revision, Shown, Timestamps
from stackyard.kernel.holdings import everything
from stackyard.kernel.quota import Quota
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import store as shared_store
from stackyard.rooms.network.fields import TAG_FILTERS, kept, owner, titles, trail
from stackyard.rooms.network.policies import verbs
from stackyard.rooms.network.resources.security_group import defaults, kinds, rules, store


def _load(work: Work, records: Sequence[Record]) -> None:
    found = store.rules_of(work, [each.id for each in records])
    for each in records:
        each["security_group_rules"] = [kinds.shown(rule) for rule in found.get(each.id, [])]


def _narrow(work: Work, statement: Any, query: Record) -> Any:
    return shared_store.tagged(statement, SECURITY_GROUP.table, query)


def _made_by_the_cloud(source: sa.Table) -> "sa.ColumnElement[bool]":
    """A project's default group."""
    return source.c.is_project_default.is_not(None)


SECURITY_GROUP = Resource(
    name="security_group",
    path="/v2.0/security-groups",
    fields=[
        Id(),
        titles(),
        owner(),
        Internal("is_project_default", Text(max=255), doc="The project whose default group this is: one each."),
        Shown("security_group_rules", ListOf(Anything()), kept("security_group_rules")),
        trail(),
    ],
    unique=[("is_project_default",)],
    visible=shared_store.own_rows,
    goes_with_owner=_made_by_the_cloud,
    quotas=[Quota("network", "security_group", 10)],
    policy=verbs("security_group"),
    before={"list": defaults.before_list},
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    list_query=TAG_FILTERS,
    narrow=_narrow,
    load=_load,
    doc="Permissions that ports wear. What no rule allows is dropped.",
)

SECURITY_GROUP_RULE = Resource(
    name="security_group_rule",
    path="/v2.0/security-group-rules",
    fields=[
        Id(),
        owner(),
        Field(name="security_group_id", kind=Text(max=64), required=True, index=True, doc="The group it belongs to."),
        Field(
            name="direction",
            kind=OneOf("ingress", "egress"),
            required=True,
            doc="ingress: to the port; egress: from it.",
        ),
        Field(name="ethertype", kind=kinds.Ethertype(), default="IPv4", doc="IPv4 or IPv6."),
        Field(name="protocol", kind=kinds.Protocol(), null=True, default=None, doc="A name or number; null for any."),
        Field(
            name="port_range_min", kind=kinds.PortNumber(), null=True, default=None, doc="First port, or the ICMP type."
        ),
        Field(
            name="port_range_max", kind=kinds.PortNumber(), null=True, default=None, doc="Last port, or the ICMP code."
        ),
        Field(
            name="remote_group_id",
            kind=Text(max=64),
            null=True,
            default=None,
            index=True,
            doc="Only from or to members of this group.",
        ),
        Field(
            name="remote_ip_prefix",
            kind=kinds.Prefix(),
            null=True,
            default=None,
            doc="Only from or to these addresses.",
        ),
        Description(max=255),
        Revision(),
        Timestamps(),
    ],
    verbs=("list", "show", "create", "delete"),
    visible=shared_store.own_rows,
    goes_with_owner=everything,
    quotas=[Quota("network", "security_group_rule", 100)],
    policy=verbs("security_group_rule"),
    before={"list": defaults.before_list},
    create=rules.create_rule,
    delete=rules.delete_rule,
    doc="One permission of a security group.",
)
