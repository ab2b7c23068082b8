"""Services that the catalog names."""

from typing import Any

from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.declare.resource import Field, Id, Resource, everyone
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources import endpoint
from stackyard.rooms.identity.resources.limit import store as limits
from stackyard.rooms.identity.resources.policy import store as policies


def delete(work: Work, service: Record, query: Record) -> None:
    """Delete a service with its endpoints."""
    for each in work.tx.find(endpoint.ENDPOINT.table, service_id=service.id):
        endpoint.delete(work, each, query)
    policies.forget(work.tx, service_id=service.id)
    limits.forget_service(work.tx, service.id)
    kernel_rows.remove(work, SERVICE, service)


def view(work: Work, service: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was never given, as Keystone does."""
    for name in ("name", "description"):
        if shown[name] is None:
            del shown[name]
    return shown


SERVICE = Resource(
    name="service",
    path="/v3/services",
    table_name="identity_service",
    fields=[
        Id(hex=True),
        Field(
            name="type",
            kind=Text(min=1, max=255, pattern=fields.NOT_BLANK),
            required=True,
            doc="What it offers, in one word.",
        ),
        Field(name="name", kind=Text(max=255), default="", null=True, doc="A name for people."),
        Field(name="description", kind=Text(max=None), default=None, null=True, doc="A description for people."),
        fields.Enabled(),
        fields.Extra(),
    ],
    visible=everyone,
    view=view,
    policy={
        "list": allow("list_services", ADMIN_OR_SYSTEM_READER),
        "show": allow("get_service", ADMIN_OR_SYSTEM_READER),
        "create": allow("create_service", ADMIN),
        "update": allow("update_service", ADMIN),
        "delete": allow("delete_service", ADMIN),
    },
    delete=delete,
    doc="A service has a type by which clients find it, and endpoints that say where it is.",
)
