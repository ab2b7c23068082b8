"""Routers, declared. Source: Network API v2.0, "Routers" and its extensions extraroute and ext-gw-mode."""

from collections.abc import Sequence
from typing import Any

from stackyard.kernel.declare.kinds import Anything, Boolean, Cidr, IpAddress, ListOf, MapOf, Object, Text, Uuid
from stackyard.kernel.declare.resource import Action, Allow, Field, Id, Internal, ReadOnly, Resource, Shown
from stackyard.kernel.quota import Quota
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import store as shared_store
from stackyard.rooms.network.fields import TAG_FILTERS, kept, owner, state_switch, titles, trail
from stackyard.rooms.network.policies import OWNER_WRITES, verbs
from stackyard.rooms.network.resources.router import gateway, interfaces, rules

OUTSIDE_IP = Object({"subnet_id": Uuid(), "ip_address": IpAddress()})
GATEWAY_INFO = Object({"network_id": Uuid(), "enable_snat": Boolean(), "external_fixed_ips": ListOf(OUTSIDE_IP)})
ROUTE = Object({"destination": Cidr(), "nexthop": IpAddress()}, required=("destination", "nexthop"))
INTERFACE = [
    Field(name="subnet_id", kind=Uuid(), null=True, default=None, doc="The subnet whose gateway the router becomes."),
    Field(name="port_id", kind=Uuid(), null=True, default=None, doc="The port that becomes the router's."),
]
ROUTES = [Field(name="router", kind=Object({"routes": ListOf(ROUTE)}, required=("routes",)), required=True)]


def _load(work: Work, records: Sequence[Record]) -> None:
    shown = gateway.shown(work, records)
    for each in records:
        each["external_gateway_info"] = shown.get(each.id)


def _narrow(work: Work, statement: Any, query: Record) -> Any:
    return shared_store.tagged(statement, ROUTER.table, query)


ROUTER = Resource(
    name="router",
    path="/v2.0/routers",
    fields=[
        Id(),
        titles(),
        owner(),
        state_switch(),
        ReadOnly("status", Text(max=16), default="ACTIVE", doc="ACTIVE, or ERROR when no host could make it."),
        Field(
            name="external_gateway_info",
            kind=GATEWAY_INFO,
            null=True,
            default=None,
            stored=False,
            filter=False,
            sort=False,
            show=kept("external_gateway_info"),
            doc="The external network it leads to; null for none.",
        ),
        Field(
            name="routes",
            kind=ListOf(ROUTE),
            null=True,
            create=False,
            default=list,
            filter=False,
            sort=False,
            doc="Further routes.",
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
        Shown("flavor_id", MapOf(Anything()), lambda work, record: None),
        Internal("gateway_port_id", Text(max=64)),
        Internal("enable_snat", Boolean(), default=True),
        Internal("host", Text(max=255), doc="The host it is on."),
        trail(),
    ],
    visible=shared_store.own_rows,
    quotas=[Quota("network", "router", 10)],
    policy=verbs("router"),
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    purge=rules.purge,
    actions=[
        Action(
            method="PUT",
            suffix="add_router_interface",
            rule=interfaces.add,
            body=INTERFACE,
            status=200,
            allow=Allow("add_router_interface", OWNER_WRITES),
        ),
        Action(
            method="PUT",
            suffix="remove_router_interface",
            rule=interfaces.remove,
            body=INTERFACE,
            status=200,
            allow=Allow("remove_router_interface", OWNER_WRITES),
        ),
        Action(
            method="PUT",
            suffix="add_extraroutes",
            rule=rules.add_routes,
            body=ROUTES,
            status=200,
            allow=Allow("add_extraroutes", OWNER_WRITES),
        ),
        Action(
            method="PUT",
            suffix="remove_extraroutes",
            rule=rules.remove_routes,
            body=ROUTES,
            status=200,
            allow=Allow("remove_extraroutes", OWNER_WRITES),
        ),
    ],
    list_query=TAG_FILTERS,
    narrow=_narrow,
    load=_load,
    doc="Forwards between the subnets it is connected to, and to an external network.",
)
