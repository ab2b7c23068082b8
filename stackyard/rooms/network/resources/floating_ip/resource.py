"""Floating IPs, declared. Source: Network API v2.0, "Floating IPs"."""

from collections.abc import Sequence
from typing import Any

from stackyard.kernel.declare.kinds import Anything, IpAddress, MapOf, Nullable, Text, Uuid
from stackyard.kernel.declare.resource import Description, Field, Id, Internal, ReadOnly, Resource, Shown
from stackyard.kernel.quota import Quota
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import store as shared_store
from stackyard.rooms.network.fields import TAG_FILTERS, kept, owner, trail
from stackyard.rooms.network.policies import ADMIN, verbs
from stackyard.rooms.network.resources.floating_ip import rules, store


def _load(work: Work, records: Sequence[Record]) -> None:
    found = store.port_details(work, [each.port_id for each in records if each.port_id])
    for each in records:
        each["port_details"] = found.get(each.port_id)


def _narrow(work: Work, statement: Any, query: Record) -> Any:
    return shared_store.tagged(statement, FLOATING_IP.table, query)


FLOATING_IP = Resource(
    name="floatingip",
    path="/v2.0/floatingips",
    fields=[
        Id(),
        Description(max=255),
        owner(),
        Field(
            name="floating_network_id",
            kind=Uuid(),
            required=True,
            update=False,
            index=True,
            doc="The external network it is from.",
        ),
        Field(
            name="floating_ip_address",
            kind=IpAddress(4),
            null=True,
            update=False,
            admin=ADMIN,
            default=None,
            doc="Default: the next free.",
        ),
        Field(
            name="subnet_id",
            kind=Nullable(Uuid()),
            null=True,
            update=False,
            read=False,
            stored=False,
            filter=False,
            sort=False,
        ),
        Field(name="port_id", kind=Uuid(), null=True, default=None, index=True, doc="The port it stands for."),
        Field(
            name="fixed_ip_address",
            kind=IpAddress(4),
            null=True,
            doc="Which of the port's addresses; default: its first IPv4.",
        ),
        ReadOnly("router_id", Text(max=64), null=True, default=None, index=True, doc="The router that translates."),
        ReadOnly(
            "status", Text(max=16), default="DOWN", doc="ACTIVE once a router translates it; DOWN without a port."
        ),
        Internal("floating_port_id", Text(max=64), doc="Its own port on the external network."),
        Shown("port_details", MapOf(Anything()), kept("port_details")),
        trail(),
    ],
    visible=shared_store.own_rows,
    quotas=[Quota("network", "floatingip", 50)],
    policy=verbs("floatingip"),
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    list_query=TAG_FILTERS,
    narrow=_narrow,
    load=_load,
    doc="An address of an external network that stands for a port's address, both ways.",
)
