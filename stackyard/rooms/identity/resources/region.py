"""Regions of the cloud, as a tree."""

import uuid
from typing import Any

from stackyard.kernel.declare.kinds import Text, invalid
from stackyard.kernel.declare.resource import Field, Resource, Route, everyone
from stackyard.kernel.errors import Conflict, Forbidden
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.request.shapes import Body
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import fields, render, rows
from stackyard.rooms.identity.policies import ADMIN, ANYONE, allow
from stackyard.rooms.identity.resources import endpoint
from stackyard.rooms.identity.resources.policy import store as policies


def create(work: Work, wanted: Record) -> Record:
    """Make a region under the id given, or a fresh one."""
    wanted = _described(wanted)
    region_id = wanted.get("id") or uuid.UUID(work.new_id()).hex
    if work.tx.get(REGION.table, id=region_id) is not None:
        raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {region_id}.", field="id")
    if wanted.get("parent_region_id"):
        rows.existing(work, REGION, wanted["parent_region_id"])
    return kernel_rows.insert(work, REGION, {**wanted, "id": region_id})


def update(work: Work, region: Record, changes: Record) -> Record:
    """Change a region; it may not come to stand below itself."""
    parent = changes.get("parent_region_id")
    while parent:
        if parent == region.id:
            raise invalid("parent_region_id", f"region {region.id} would stand below itself.")
        parent = rows.existing(work, REGION, parent).parent_region_id
    return kernel_rows.change(work, REGION, region, _described(changes))


def _described(given: Record) -> Record:
    """A description of null is none: Keystone keeps the empty text."""
    return Record({**given, "description": given["description"] or ""}) if "description" in given else given


def delete(work: Work, region: Record, query: Record) -> None:
    """Delete a region with those below it, unless an endpoint is in one of them."""
    if work.tx.find(endpoint.ENDPOINT.table, region_id=region.id):
        raise Forbidden(
            f"Unable to delete region {region.id} because it or its child regions have associated endpoints."
        )
    for child in work.tx.find(REGION.table, parent_region_id=region.id):
        delete(work, child, query)
    policies.forget(work.tx, region_id=region.id)
    kernel_rows.remove(work, REGION, region)


REGION = Resource(
    name="region",
    path="/v3/regions",
    table_name="identity_region",
    fields=[
        Field(
            name="id",
            kind=Text(max=255),
            update=False,
            default=None,
            null=True,
            doc="The id; fresh unless given.",
        ),
        fields.Description(),
        Field(
            name="parent_region_id",
            kind=Text(min=1, max=255),
            default=None,
            null=True,
            index=True,
            doc="The region above it.",
        ),
        fields.Extra(),
    ],
    visible=everyone,
    unknown_filters="refuse",
    policy={
        "list": allow("list_regions", ANYONE),
        "show": allow("get_region", ANYONE),
        "create": allow("create_region", ADMIN),
        "update": allow("update_region", ADMIN),
        "delete": allow("delete_region", ADMIN),
    },
    create=create,
    update=update,
    delete=delete,
    doc="A region is a part of the deployment with endpoints of its own.",
)


def create_named(work: Work, request: Request) -> dict[str, Any]:
    """Make a region under the id in the path."""
    body = request.body.get("region", {}) if isinstance(request.body, dict) else {}
    if not isinstance(body, dict):
        raise invalid("region", "must be an object.")
    if body.get("id", request.params["region_id"]) != request.params["region_id"]:
        raise invalid("region.id", "is not the one in the path.")
    given = {**body, "id": request.params["region_id"]}
    wanted = Body(REGION.all_fields.values(), "create").read(given, render.DIALECT, None)
    return {"region": render.item(work, REGION, create(work, wanted))}


ROUTES = [
    Route(
        method="PUT",
        path="/v3/regions/{region_id}",
        handler=create_named,
        status=201,
        allow=allow("create_region", ADMIN),
    )
]
