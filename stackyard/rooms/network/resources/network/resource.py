"""Networks, declared. Source: Network API v2.0, "Networks" and its extensions."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.kinds import Boolean, Integer, ListOf, OneOf, Text
from stackyard.kernel.declare.resource import Field, Id, ReadOnly, Resource, Shown
from stackyard.kernel.quota import Quota
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import store as shared_store
from stackyard.rooms.network.fields import TAG_FILTERS, kept, owner, state_switch, titles, trail
from stackyard.rooms.network.policies import ADMIN, OWNER_READS, sees_all, verbs
from stackyard.rooms.network.resources.network import rules, store

SHARED_TOO = f"{OWNER_READS} or True:%(shared)s or True:%(router:external)s or role:reader"
PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")


def own_shared_or_external(caller: Caller, source: sa.Table) -> sa.ColumnElement[bool] | None:
    """Visible: the project's own networks, shared ones and external ones."""
    if sees_all(caller):
        return None
    return sa.or_(source.c.project_id == caller.project_id, source.c.shared, source.c["router:external"])


def _load(work: Work, records: Sequence[Record]) -> None:
    subnets = store.subnet_ids(work, [each.id for each in records])
    for each in records:
        each["subnets"] = subnets.get(each.id, [])


def _narrow(work: Work, statement: Any, query: Record) -> Any:
    return shared_store.tagged(statement, NETWORK.table, query)


def _view(work: Work, record: Record, shown: dict[str, Any]) -> dict[str, Any]:
    hidden = () if work.caller.is_admin else PROVIDER
    return {name: value for name, value in shown.items() if name not in hidden}


NETWORK = Resource(
    name="network",
    path="/v2.0/networks",
    fields=[
        Id(),
        titles(),
        owner(),
        state_switch(),
        ReadOnly("status", Text(max=16), default="ACTIVE", doc="ACTIVE: ports can be made on it."),
        Field(name="shared", kind=Boolean(), default=False, admin=ADMIN, doc="Whether every project may use it."),
        Field(
            name="router:external",
            kind=Boolean(),
            default=False,
            admin=ADMIN,
            doc="Whether it leads outside: routers take their gateways and floating IPs from it.",
        ),
        Field(
            name="is_default",
            kind=Boolean(),
            default=False,
            admin=ADMIN,
            doc="The external network chosen when none is named.",
        ),
        Field(name="mtu", kind=Integer(min=68, max=9000), default=1500, doc="The largest packet, in bytes."),
        Field(
            name="port_security_enabled", kind=Boolean(), default=True, doc="What its ports get when they do not say."
        ),
        Field(name="provider:network_type", kind=OneOf("local", "flat"), update=False, default="local", admin=ADMIN),
        Field(name="provider:physical_network", kind=Text(max=64), null=True, update=False, default=None, admin=ADMIN),
        Field(
            name="provider:segmentation_id",
            kind=Integer(min=1, max=2**31 - 1),
            null=True,
            update=False,
            default=None,
            admin=ADMIN,
        ),
        Field(
            name="availability_zone_hints",
            kind=ListOf(Text(max=255)),
            default=list,
            update=False,
            filter=False,
            sort=False,
        ),
        Shown("availability_zones", ListOf(Text()), lambda work, record: ["nova"]),
        Shown("subnets", ListOf(Text()), kept("subnets")),
        Shown("ipv4_address_scope", Text(), lambda work, record: None),
        Shown("ipv6_address_scope", Text(), lambda work, record: None),
        trail(),
    ],
    visible=own_shared_or_external,
    quotas=[Quota("network", "network", 100)],
    policy=verbs("network", read=SHARED_TOO),
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    list_query=TAG_FILTERS,
    narrow=_narrow,
    load=_load,
    view=_view,
    doc="An isolated place for ports: what one of them sends, only the others can hear.",
)
