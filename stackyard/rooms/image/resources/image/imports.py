"""Import: data that was staged, or that the cloud fetches itself, becomes the image's data. A durable operation."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from stackyard.kernel.errors import ApiError, BadRequest, Conflict
from stackyard.kernel.steps import Refused, Steps, Transient
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services, Work
from stackyard.rooms.image import download
from stackyard.rooms.image.driver import NoData
from stackyard.rooms.image.intake import Facts
from stackyard.rooms.image.resources.image import copies, data, resource, rules, store
from stackyard.rooms.image.vault import staged, vault

METHODS = ("glance-direct", "web-download")


def begin(work: Work, record: Record, body: Any, query: Any) -> None:
    """Accept an import. Raises BadRequest for an unknown method or address, Conflict in the wrong state."""
    method = _method(body)
    _check_stores(body, vault(work.services).store.name)
    _check_state(record, method["name"])
    inputs = {"method": method["name"]}
    if method["name"] == "web-download":
        inputs["uri"] = download.checked(method.get("uri"))
    work.begin(resource.IMAGE, record, "import", inputs)


def _method(body: Any) -> Mapping[str, Any]:
    method = body.get("method") if isinstance(body, Mapping) else None
    if not isinstance(method, Mapping):
        raise BadRequest("Import request requires a 'method' field.", field="method")
    if "name" not in method:
        raise BadRequest("Import request requires a 'name' field.", field="method.name")
    if method["name"] not in METHODS:
        raise BadRequest(
            f"Unknown import method name '{str(method['name'])[:80]}'.",
            field="method.name",
            remedy=f"Known are {', '.join(METHODS)}.",
        )
    return method


def _check_stores(body: Mapping[str, Any], known: str) -> None:
    for name in ("all_stores", "all_stores_must_succeed"):
        if not isinstance(body.get(name, True), bool):
            raise BadRequest(f"'{name}' must be boolean value only", field=name)
    stores = body.get("stores") or []
    if not isinstance(stores, list) or (body.get("all_stores") and stores):
        raise BadRequest("'stores' must be a list, and is not given together with 'all_stores'.", field="stores")
    for name in stores:
        if name != known:
            raise Conflict(
                f"The selected store '{str(name)[:80]}' is not available.", field="stores", remedy=f"Give {known}."
            )


def _check_state(record: Record, method: str) -> None:
    if record.status == "active":
        raise Conflict("Image with status active cannot be target for import")
    wanted = "uploading" if method == "glance-direct" else "queued"
    if record.status != wanted:
        remedy = "Stage its data first." if method == "glance-direct" else "Import into a new image."
        raise Conflict(
            f"Image {record.id} is {record.status}; the import method '{method}' needs it in '{wanted}' state.",
            remedy=remedy,
        )
    if method == "glance-direct" and record.size is None:
        raise Conflict(f"The data of image {record.id} is still being staged.", remedy="Wait for the upload to end.")
    for name in ("container_format", "disk_format"):
        if not record[name]:
            raise Conflict(f"'{name}' needs to be set before import", field=name)


def run(steps: Steps, record: Record) -> None:
    """The steps: take the data into the store, then say so. Given up, nothing is kept and the image is queued again."""
    services = steps.services
    steps.undo("forget the size", steps.writing(_without_size, record.id))
    steps.undo("forget the data", rules.forget_data, services, record.id)
    facts = steps.call("take in the data", _take_in, services, record, steps.inputs)
    steps.write("is active", _completed, record.id, facts)
    steps.call("forget the staged data", _unstage, services, record.id)


def _take_in(services: Services, record: Record, inputs: Mapping[str, str]) -> dict[str, Any]:
    """The facts of the data, and which store has it now: the next step may be another server's."""
    try:
        facts = data.keep(services, record.id, record, _source(services, record, inputs))
    except NoData:
        raise Refused(f"The staged data of image {record.id} is gone; stage it again.") from None
    except download.Unreachable as error:
        raise Transient(str(error)) from error
    except ApiError as error:
        raise Refused(error.message) from error
    return msgspec.structs.asdict(facts) | {"store": vault(services).store.id, "host": services.host}


def _source(services: Services, record: Record, inputs: Mapping[str, str]) -> Iterator[bytes]:
    if inputs["method"] == "web-download":
        return download.fetch(inputs["uri"], trusted=getattr(services.settings, "import_from", ()))
    return _staged(services, staged(record.id))


def _staged(services: Services, key: str) -> Iterator[bytes]:
    """What was staged, from the server that it was sent to. Raises Transient while that is away."""
    holders = copies.others(services, key)
    if not holders or vault(services).store.size(key) is not None:
        return vault(services).store.open(key)
    return _from(services, holders[0], key)


def _from(services: Services, holder: Record, key: str) -> Iterator[bytes]:
    try:
        yield from copies.opened(services, holder, key)
    except Transient as away:
        raise Transient(f"The staged data is on server {holder.host}, which {away}") from away


def _completed(work: Work, image_id: str, facts: dict[str, Any]) -> None:
    current = store.row(work, image_id)
    if current is None:
        raise Refused(f"Image {image_id} was deleted while its data was imported.")
    if "store" in facts:  # An operation that began before there were copies says nothing of it.
        store.add_copy(work, image_id, facts["store"], facts["host"])
    store.forget_copies(work, staged(image_id))
    data.activate(work, current, msgspec.convert(facts, Facts))


def _without_size(work: Work, image_id: str) -> None:
    current = store.row(work, image_id)
    if current is not None:
        rows.change(work, resource.IMAGE, current, {"size": None})


def _unstage(services: Services, image_id: str) -> None:
    vault(services).store.delete(staged(image_id))
