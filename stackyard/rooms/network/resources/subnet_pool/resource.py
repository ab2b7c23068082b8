"""Subnet pools, declared. Source: Network API v2.0, "Subnet pools"."""

from typing import Any

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.kinds import Boolean, Cidr, Integer, ListOf, Text
from stackyard.kernel.declare.resource import Description, Field, Id, Name, ReadOnly, Resource, Shown
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import store as shared_store
from stackyard.rooms.network.fields import TAG_FILTERS, owner, trail
from stackyard.rooms.network.policies import ADMIN, OWNER_READS, sees_all, verbs
from stackyard.rooms.network.resources.subnet_pool import rules

LENGTH = Integer(min=0, max=128)


def own_or_shared(caller: Caller, source: sa.Table) -> sa.ColumnElement[bool] | None:
    """Visible: the project's own pools and shared ones."""
    return None if sees_all(caller) else sa.or_(source.c.project_id == caller.project_id, source.c.shared)


def _narrow(work: Work, statement: Any, query: Record) -> Any:
    return shared_store.tagged(statement, SUBNET_POOL.table, query)


SUBNET_POOL = Resource(
    name="subnetpool",
    path="/v2.0/subnetpools",
    fields=[
        Id(),
        Name(max=255, required=True),
        Description(max=255),
        owner(),
        Field(name="prefixes", kind=ListOf(Cidr()), required=True, filter=False, sort=False, doc="The ranges it has."),
        Field(name="default_prefixlen", kind=LENGTH, null=True, doc="A subnet's prefix length when it names none."),
        Field(name="min_prefixlen", kind=LENGTH, null=True, doc="The shortest prefix a subnet may have."),
        Field(name="max_prefixlen", kind=LENGTH, null=True, doc="The longest prefix a subnet may have."),
        Field(
            name="default_quota",
            kind=Integer(min=0, max=2**31 - 1),
            null=True,
            default=None,
            doc="Addresses (IPv6: /64s) per project.",
        ),
        Field(
            name="is_default",
            kind=Boolean(),
            default=False,
            admin=ADMIN,
            doc="Used when a subnet asks for the default.",
        ),
        Field(
            name="shared",
            kind=Boolean(),
            default=False,
            update=False,
            admin=ADMIN,
            doc="Whether every project uses it.",
        ),
        ReadOnly("ip_version", Integer(), doc="4 or 6."),
        Shown("address_scope_id", Text(), lambda work, record: None),
        trail(),
    ],
    visible=own_or_shared,
    policy=verbs("subnetpool", read=f"{OWNER_READS} or True:%(shared)s or role:reader"),
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    list_query=TAG_FILTERS,
    narrow=_narrow,
    doc="Ranges from which subnets are cut, so that they never overlap.",
)
