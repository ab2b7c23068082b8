"""Endpoints: where a service is reached, for whom, in which region."""

from typing import Any

from stackyard.kernel.declare.kinds import OneOf, Text, invalid
from stackyard.kernel.declare.resource import Field, Id, Resource, everyone
from stackyard.kernel.storage import rows as kernel_rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work
from stackyard.rooms.identity import fields
from stackyard.rooms.identity.policies import ADMIN, ADMIN_OR_SYSTEM_READER, allow
from stackyard.rooms.identity.resources import region, service
from stackyard.rooms.identity.resources.endpoint_filter import store as filters
from stackyard.rooms.identity.resources.policy import store as policies


def create(work: Work, wanted: Record) -> Record:
    """Make an endpoint of a service, in a region or in none."""
    _check_service(work, wanted)
    _check_words(wanted)
    _take_older_word(work, wanted)
    _check_region(work, wanted)
    return kernel_rows.insert(work, ENDPOINT, wanted)


def update(work: Work, endpoint: Record, changes: Record) -> Record:
    """Change an endpoint."""
    if "service_id" in changes:
        _check_service(work, changes)
    _check_words(changes)
    _take_older_word(work, changes)
    _check_region(work, changes)
    return kernel_rows.change(work, ENDPOINT, endpoint, changes)


def delete(work: Work, endpoint: Record, query: Record) -> None:
    """Delete an endpoint; no project and no policy is associated with it any longer."""
    filters.forget_endpoint(work.tx, endpoint.id)
    policies.forget(work.tx, endpoint_id=endpoint.id)
    kernel_rows.remove(work, ENDPOINT, endpoint)


def _check_words(given: Record) -> None:
    """A name and a description are kept among what the API does not know, but are text."""
    extra = given.get("extra") or {}
    for name, none in (("name", False), ("description", True)):
        if name in extra and not (isinstance(extra[name], str) or (none and extra[name] is None)):
            raise invalid(name, "must be text.")


def _take_older_word(work: Work, given: Record) -> None:
    """The member `region` is the older word for `region_id`: a region of that name is made if there is none."""
    extra = given.get("extra") or {}
    if "region" not in extra:
        return
    name = extra.pop("region")
    if name is None or given.get("region_id"):
        return
    if not isinstance(name, str) or not 0 < len(name) <= 255:
        raise invalid("region", "must be the id of a region.")
    if work.tx.get(region.REGION.table, id=name) is None:
        kernel_rows.insert(work, region.REGION, {"id": name})
    given["region_id"] = name


def _check_service(work: Work, wanted: Record) -> None:
    if work.tx.get(service.SERVICE.table, id=wanted["service_id"]) is None:
        raise invalid("service_id", f"there is no service {wanted['service_id']}.")


def _check_region(work: Work, given: Record) -> None:
    region_id = given.get("region_id")
    if region_id is not None and work.tx.get(region.REGION.table, id=region_id) is None:
        raise invalid("region_id", f"there is no region {region_id}.")


def view(work: Work, endpoint: Record, shown: dict[str, Any]) -> dict[str, Any]:
    """Show the region by its older name too."""
    return {**shown, "region": shown["region_id"]}


ENDPOINT = Resource(
    name="endpoint",
    path="/v3/endpoints",
    table_name="identity_endpoint",
    fields=[
        Id(hex=True),
        fields.Reference("service_id", "The service reached there.", null=False, required=True),
        Field(
            name="region_id", kind=Text(min=1, max=255), default=None, null=True, index=True, doc="The region it is in."
        ),
        Field(name="interface", kind=OneOf("public", "internal", "admin"), required=True, doc="For whom it is."),
        Field(
            name="url",
            kind=Text(min=1, max=1024, pattern=r"[a-zA-Z0-9+.-]+:.+"),
            required=True,
            doc="The address; %(project_id)s in it stands for the token's project.",
        ),
        fields.Enabled(),
        fields.Extra(),
    ],
    visible=everyone,
    view=view,
    policy={
        "list": allow("list_endpoints", ADMIN_OR_SYSTEM_READER),
        "show": allow("get_endpoint", ADMIN_OR_SYSTEM_READER),
        "create": allow("create_endpoint", ADMIN),
        "update": allow("update_endpoint", ADMIN),
        "delete": allow("delete_endpoint", ADMIN),
    },
    create=create,
    update=update,
    delete=delete,
    doc="An endpoint is the address of a service for the public, for other services or for its administrators.",
)
