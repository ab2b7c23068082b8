"""Ports, declared. Source: Network API v2.0, "Ports" and its extensions."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.kinds import (
    Anything,
    Boolean,
    Cidr,
    Either,
    Integer,
    IpAddress,
    ListOf,
    MacAddress,
    MapOf,
    Nullable,
    Object,
    OneOf,
    Text,
    Uuid,
)
from stackyard.kernel.declare.resource import Field, Id, Internal, ReadOnly, Resource
from stackyard.kernel.quota import Quota
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.network import store as shared_store
from stackyard.rooms.network.fields import TAG_FILTERS, kept, owner, state_switch, titles, trail
from stackyard.rooms.network.policies import ADMIN_OR_SERVICE, NETWORK_OWNER, OWNER_WRITES, sees_all, verbs
from stackyard.rooms.network.resources import network as networks
from stackyard.rooms.network.resources.network import ownership
from stackyard.rooms.network.resources.port import rules, store

FIXED_IP = Object({"subnet_id": Uuid(), "ip_address": IpAddress()})
ADDRESS_PAIR = Object(
    {"ip_address": Either(IpAddress(), Cidr(), said="an IP address or a CIDR"), "mac_address": Nullable(MacAddress())},
    required=("ip_address",),
)
DHCP_OPTION = Object(
    {
        "opt_name": Text(min=1, max=64),
        "opt_value": Nullable(Text(max=255, number=True)),
        "ip_version": Nullable(Integer(min=4, max=6)),
    },
    required=("opt_name",),
)
FOR_OPERATORS = ("binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile")


def own_or_on_own_network(caller: Caller, source: sa.Table) -> sa.ColumnElement[bool] | None:
    """Visible: the project's own ports, and every port on its own networks."""
    if sees_all(caller):
        return None
    network = networks.NETWORK.table
    own = sa.select(network.c.id).where(network.c.project_id == caller.project_id)
    return sa.or_(source.c.project_id == caller.project_id, source.c.network_id.in_(own))


def _load(work: Work, records: Sequence[Record]) -> None:
    ids = [each.id for each in records]
    addresses, groups = store.addresses_of(work, ids), store.groups_of(work, ids)
    for each in records:
        held = addresses.get(each.id, [])
        each["fixed_ips"] = [{"subnet_id": one.subnet_id, "ip_address": one.ip_address} for one in held]
        each["security_groups"] = groups.get(each.id, [])


def _narrow(work: Work, statement: Any, query: Record) -> Any:
    if entries := query.get("fixed_ips"):
        statement = store.narrowed_by_address(statement, entries)
    if groups := query.get("security_groups"):
        statement = store.narrowed_by_group(statement, groups)
    return shared_store.tagged(statement, PORT.table, query)


def _view(work: Work, record: Record, shown: dict[str, Any]) -> dict[str, Any]:
    hidden = () if sees_all(work.caller) else FOR_OPERATORS
    return {name: value for name, value in shown.items() if name not in hidden}


PORT = Resource(
    name="port",
    path="/v2.0/ports",
    fields=[
        Id(),
        titles(),
        owner(),
        state_switch(),
        Field(
            name="network_id", kind=Uuid(), required=True, update=False, index=True, doc="The network it is a place on."
        ),
        Field(name="mac_address", kind=MacAddress(), admin=NETWORK_OWNER, doc="Default: a random one of the cloud's."),
        Field(
            name="fixed_ips",
            kind=ListOf(FIXED_IP),
            null=True,
            stored=False,
            filter=False,
            sort=False,
            show=kept("fixed_ips"),
            doc="Its addresses. Default: one of each family the network has.",
        ),
        Field(name="device_id", kind=Text(max=255), default="", index=True, doc="What uses it."),
        Field(name="device_owner", kind=Text(max=255), default="", doc="What kind of thing uses it, as compute:nova."),
        ReadOnly("status", Text(max=16), default="DOWN", doc="ACTIVE once it carries traffic on its host."),
        Field(
            name="security_groups",
            kind=ListOf(Uuid()),
            null=True,
            stored=False,
            filter=False,
            sort=False,
            show=kept("security_groups"),
            doc="What may reach it. Default: the project's group named default.",
        ),
        Field(
            name="allowed_address_pairs",
            kind=ListOf(ADDRESS_PAIR),
            null=True,
            default=list,
            filter=False,
            sort=False,
            admin=NETWORK_OWNER,
            doc="Further sources it may use.",
        ),
        Field(
            name="port_security_enabled",
            kind=Boolean(),
            admin=NETWORK_OWNER,
            doc="Whether spoofing is stopped and groups apply.",
        ),
        Field(name="extra_dhcp_opts", kind=ListOf(DHCP_OPTION), null=True, default=list, filter=False, sort=False),
        Field(
            name="binding:host_id",
            kind=Text(max=255),
            null=True,
            default="",
            admin=ADMIN_OR_SERVICE,
            doc="The host it is on.",
        ),
        Field(
            name="binding:vnic_type",
            kind=OneOf("normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic"),
            default="normal",
        ),
        ReadOnly("binding:vif_type", Text(max=64), default="unbound"),
        ReadOnly("binding:vif_details", MapOf(Anything()), default=dict, filter=False, sort=False),
        Field(
            name="binding:profile",
            kind=MapOf(Anything()),
            null=True,
            default=dict,
            filter=False,
            sort=False,
            admin=ADMIN_OR_SERVICE,
        ),
        Internal("router_id", Text(max=64), index=True, doc="The router this is an interface or the gateway of."),
        Internal(
            "attached_to", Text(max=64), index=True, doc="The device it is part of; device_id is only what it says."
        ),
        Internal("made_for_device", Boolean(), default=False, doc="Made on behalf of its device, and deleted with it."),
        Internal("wired_order", Integer(), doc="Its place among its device's ports."),
        Internal("wiring", MapOf(Anything()), doc="Where it is plugged: netns, interface, default_route."),
        trail(tags_on_create=True),
    ],
    unique=[("network_id", "mac_address")],
    visible=own_or_on_own_network,
    quotas=[Quota("network", "port", 500)],
    policy={
        **verbs(
            "port", read=f"{OWNER_WRITES} or role:reader or role:service", write=f"{OWNER_WRITES} or {NETWORK_OWNER}"
        ),
        "create": rules.CREATE_PORT,
        "update": rules.UPDATE_PORT,
    },
    target=ownership.target,
    create=rules.create,
    update=rules.update,
    delete=rules.delete,
    list_query=[
        *TAG_FILTERS,
        Field(name="fixed_ips", kind=ListOf(Text(max=None)), doc="ip_address=…, subnet_id=… or ip_address_substr=…"),
        Field(name="security_groups", kind=ListOf(Text(max=None)), doc="Only ports that wear one of these groups."),
    ],
    narrow=_narrow,
    load=_load,
    view=_view,
    doc="A place on a network, with a MAC, addresses and what may reach it.",
)
