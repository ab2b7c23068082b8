"""Subnets, declared. Source: Network API v2.0, "Subnets"."""

from typing import Any

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.kinds import Boolean, Cidr, Integer, IpAddress, ListOf, Object, OneOf, Uuid
from stackyard.kernel.declare.resource import Field, Id, Resource
from stackyard.kernel.quota import Quota
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import store as shared_store
from stackyard.rooms.network.fields import TAG_FILTERS, owner, titles, trail
from stackyard.rooms.network.policies import ANYONE, NETWORK_OWNER, OWNER_WRITES, sees_all, verbs
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources.network import ownership
from stackyard.rooms.network.resources.subnet import rules

POOL = Object({"start": IpAddress(), "end": IpAddress()}, required=("start", "end"))
ROUTE = Object({"destination": Cidr(), "nexthop": IpAddress()}, required=("destination", "nexthop"))
MODE = OneOf("slaac", "dhcpv6-stateful", "dhcpv6-stateless")
FAMILY = Integer(min=4, max=6)


def own_or_on_visible_network(caller: Caller, source: sa.Table) -> sa.ColumnElement[bool] | None:
    """Visible: the project's own subnets and those of shared and external networks."""
    if sees_all(caller):
        return None
    network = networks.NETWORK.table
    open_to_all = sa.select(network.c.id).where(
        sa.or_(network.c.project_id == caller.project_id, network.c.shared, network.c["router:external"])
    )
    return sa.or_(source.c.project_id == caller.project_id, source.c.network_id.in_(open_to_all))


def _narrow(work: Work, statement: Any, query: Record) -> Any:
    return shared_store.tagged(statement, SUBNET.table, query)


SUBNET = Resource(
    name="subnet",
    path="/v2.0/subnets",
    fields=[
        Id(),
        titles(),
        owner(),
        Field(name="network_id", kind=Uuid(), required=True, update=False, index=True, doc="The network it lies on."),
        Field(name="ip_version", kind=FAMILY, required=True, update=False, doc="4 or 6."),
        Field(name="cidr", kind=Cidr(), update=False, doc="The range of its addresses. Default: cut from the pool."),
        Field(name="subnetpool_id", kind=Uuid(), null=True, update=False, default=None, doc="The pool it is cut from."),
        Field(
            name="prefixlen",
            kind=Integer(min=0, max=128),
            null=True,
            update=False,
            read=False,
            stored=False,
            filter=False,
            sort=False,
            doc="How long a prefix to cut from the pool.",
        ),
        Field(
            name="use_default_subnetpool",
            kind=Boolean(),
            update=False,
            read=False,
            stored=False,
            filter=False,
            sort=False,
            doc="Whether to cut it from the default pool.",
        ),
        Field(
            name="gateway_ip",
            kind=IpAddress(),
            null=True,
            doc="The way out for its hosts; null for none. Default: the first address.",
        ),
        Field(
            name="allocation_pools",
            kind=ListOf(POOL),
            null=True,
            filter=False,
            sort=False,
            doc="Where addresses are taken from. Default: all but the gateway.",
        ),
        Field(
            name="dns_nameservers",
            kind=ListOf(IpAddress()),
            null=True,
            default=list,
            filter=False,
            sort=False,
            doc="Resolvers, at most 5.",
        ),
        Field(
            name="host_routes",
            kind=ListOf(ROUTE),
            null=True,
            default=list,
            filter=False,
            sort=False,
            doc="Further routes, at most 20.",
        ),
        Field(name="enable_dhcp", kind=Boolean(), default=True, doc="Whether hosts may be told their addresses."),
        Field(
            name="ipv6_ra_mode",
            kind=MODE,
            null=True,
            default=None,
            update=False,
            doc="How routers announce themselves.",
        ),
        Field(
            name="ipv6_address_mode", kind=MODE, null=True, default=None, update=False, doc="How hosts get addresses."
        ),
        trail(),
    ],
    visible=own_or_on_visible_network,
    quotas=[Quota("network", "subnet", 100)],
    # Reading is decided by what is visible: a subnet of a shared network is everyone's to see.
    policy={
        **verbs("subnet", read=ANYONE, write=f"{OWNER_WRITES} or {NETWORK_OWNER}"),
        "create": rules.CREATE_SUBNET,
    },
    target=ownership.target,
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    list_query=TAG_FILTERS,
    narrow=_narrow,
    doc="A range of addresses on a network, and what its hosts should know: gateway, resolvers, routes.",
)
