"""What callers do with images, apart from their data: plain arguments, no HTTP."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.kinds import Text
from stackyard.kernel.errors import BadRequest, Conflict, Forbidden, NotFound, PayloadTooLarge
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services, Work
from stackyard.rooms.image.resources.image import attributes, patch, resource, store
from stackyard.rooms.image.resources.image.attributes import Wanted
from stackyard.rooms.image.vault import staged, vault

_TAG = Text(max=255)


def find(work: Work, image_id: str) -> Record:
    """The image, if the caller may know of it. Raises NotFound."""
    try:
        return rows.find(work, resource.IMAGE, image_id)
    except NotFound:
        raise NotFound(f"No image found with ID {image_id[:255]}", remedy="List the images you can see.") from None


def check(work: Work, rule: str, record: Mapping[str, Any], *, said: str = "") -> None:
    """Raise Forbidden unless policy lets the caller do `rule` to the image."""
    if not work.allows(rule, target_of(work, record)):
        what = said or f"do this to image {record.get('id')}"
        raise Forbidden(f"You are not permitted to {what} (policy rule '{rule}').")


def target_of(work: Work, record: Mapping[str, Any]) -> dict[str, Any]:
    """The image as policy's check strings see it."""
    return {**record, **resource.target(work, record)}


def create(work: Work, wanted: Wanted) -> Record:
    """Register an image without data. Raises Forbidden, Conflict when the id is taken."""
    values = wanted.values
    values.setdefault("owner", work.caller.project_id)
    values.setdefault("id", str(uuid.UUID(work.new_id())))
    check(work, "add_image", values, said=f"create images owned by '{values['owner']}'")
    check_visibility(work, values)
    check_formats(values)
    if store.row(work, values["id"]):
        raise Conflict(
            f"Image ID {values['id']} already exists!", field="id", remedy="Leave the id out, or give another."
        )
    record = rows.insert(work, resource.IMAGE, values)
    store.set_properties(work, record.id, wanted.properties)
    store.set_tags(work, record.id, wanted.tags or [])
    return loaded(work, record)


def update(work: Work, image_id: str, changes: Sequence[patch.Change]) -> Record:
    """Change an image's attributes, properties and tags. Raises NotFound, Forbidden, BadRequest, Conflict."""
    record = loaded(work, find(work, image_id))
    check(work, "modify_image", record)
    wanted = patch.apply(list(changes), record.properties)
    _check_changes(work, record, wanted.values)
    if wanted.properties != record.properties:
        store.set_properties(work, record.id, wanted.properties)
    if wanted.tags is not None:
        store.set_tags(work, record.id, wanted.tags)
    return loaded(work, rows.change(work, resource.IMAGE, record, wanted.values) if changes else record)


def _check_changes(work: Work, record: Record, values: Mapping[str, Any]) -> None:
    changed = {name: value for name, value in values.items() if value != record[name]}
    if "owner" in changed and not work.caller.is_admin:
        raise Forbidden("Owner can't be updated by non admin.", field="owner")
    for name in ("container_format", "disk_format"):
        if name in changed and record.status != "queued":
            raise Forbidden(
                f"Attribute {name} can be only replaced for a queued image; image {record.id} is {record.status}.",
                field=name,
            )
    check_visibility(work, {**record, **changed}, changed.get("visibility", ""))
    check_formats({**record, **changed})


def check_visibility(work: Work, record: Mapping[str, Any], wanted: str | None = None) -> None:
    """Raise Forbidden when the caller may not give the image this visibility (its own, unless `wanted` says
    another)."""
    asked = record.get("visibility") if wanted is None else wanted
    if asked == "public":
        check(work, "publicize_image", record, said="make an image public")
    if asked == "community":
        check(work, "communitize_image", record, said="make this a community image")


def check_formats(values: Mapping[str, Any]) -> None:
    """Raise BadRequest for a disk format and a container format that exclude each other: Amazon's parts go as they
    are."""
    disk, container = values.get("disk_format"), values.get("container_format")
    parts = ("aki", "ari", "ami")
    if disk and container and (disk in parts or container in parts) and disk != container:
        raise BadRequest(
            f"Invalid mix of disk and container formats: '{disk}' in '{container}'.",
            field="container_format",
            remedy="When either is aki, ari or ami, both must be the same.",
        )


def delete(work: Work, record: Record, query: Record) -> None:
    """Delete an image, its members and, once that is durable, its data. Raises Forbidden when it is protected."""
    if record.protected:
        raise Forbidden(
            f"Image {record.id} is protected and cannot be deleted.",
            remedy="Take its protection away first (protected=false).",
        )
    store.remove(work, record)
    services, image_id = work.services, record.id
    work.on_commit(lambda: forget_data(services, image_id))


def purge(work: Work, record: Record) -> None:
    """Delete an image, protected or not: its project goes."""
    delete(work, Record({**record, "protected": False}), Record())


def forget_data(services: Services, image_id: str) -> None:
    """Remove an image's data from the store; the reconciler removes what a crash leaves."""
    held = vault(services).store
    held.delete(image_id)
    held.delete(staged(image_id))


def deactivate(work: Work, record: Record, body: Any, query: Any) -> None:
    """Keep the image's data from everybody but administrators. Raises Forbidden unless there is data."""
    _switch(work, record, "deactivated")


def reactivate(work: Work, record: Record, body: Any, query: Any) -> None:
    """Let the image's data be used again. Raises Forbidden unless there is data."""
    _switch(work, record, "active")


def _switch(work: Work, record: Record, status: str) -> None:
    if record.status not in ("active", "deactivated"):
        raise Forbidden(
            f"Image status transition from {record.status} to {status} is not allowed for image {record.id}."
        )
    if record.status != status:
        rows.change(work, resource.IMAGE, record, {"status": status})


def add_tag(work: Work, record: Record, body: Any, query: Any) -> None:
    """Put the tag in the path on an image; no error when it has it. Raises PayloadTooLarge for too many."""
    tag = str(_TAG.parse(work.params["tag"], "tag", True))
    tags = loaded(work, record).tags
    if tag in tags:
        return
    if len(tags) >= attributes.MOST_TAGS:
        raise PayloadTooLarge(f"Image {record.id} has {len(tags)} tags, the most an image may have.")
    store.set_tags(work, record.id, [*tags, tag])
    rows.change(work, resource.IMAGE, record, {})


def remove_tag(work: Work, record: Record, body: Any, query: Any) -> None:
    """Take the tag in the path off an image. Raises NotFound when it has none such."""
    tag = work.params["tag"]
    if not store.remove_tag(work, record.id, tag):
        raise NotFound(f"Image {record.id} has no tag '{tag[:255]}'.")
    rows.change(work, resource.IMAGE, record, {})


def loaded(work: Work, record: Record) -> Record:
    """The record with its tags and properties."""
    store.load(work, [record])
    return record


def may_see_data(caller: Caller, record: Record) -> bool:
    """Whether the image's state lets this caller read its data."""
    return record.status != "deactivated" or caller.is_admin
