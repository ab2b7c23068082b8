"""What other rooms may ask of images: find one as the caller sees it, read its bytes, add one at first start."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stackyard.kernel.caller import service_caller
from stackyard.kernel.errors import Conflict, NotFound
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services, Work
from stackyard.rooms.image.driver import SharedStore
from stackyard.rooms.image.resources.image import data, rules, store
from stackyard.rooms.image.resources.image.attributes import Wanted
from stackyard.rooms.image.vault import vault


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image as other rooms see it. `size` in bytes and `checksum` (MD5, hex) are None until there is data."""

    id: str
    name: str | None
    owner: str | None
    status: str
    disk_format: str | None
    container_format: str | None
    size: int | None
    checksum: str | None
    min_disk: int
    min_ram: int
    properties: Mapping[str, str]


def find(work: Work, name_or_id: str) -> Image | None:
    """The image of this id or name that the caller may see, None when there is none. By name, one that can be used
    comes before those that cannot. Raises Conflict, listing the ids, when several have the name."""
    try:
        return _image(rules.loaded(work, rules.find(work, name_or_id)))
    except NotFound:
        named = store.named(work, name_or_id)
    usable = [each for each in named if each.status == "active"] or named
    if len(usable) > 1:
        ids = ", ".join(each.id for each in usable[:20])
        raise Conflict(
            f"{len(usable)} images have the name '{name_or_id}': {ids}.", remedy="Use the id of the one you mean."
        )
    return _image(rules.loaded(work, usable[0])) if usable else None


def existing(work: Work, image_ids: Iterable[str]) -> set[str]:
    """Those of these images that there are, whoever may see them."""
    return {each for each in image_ids if store.row(work, each) is not None}


def shared_store(services: Services) -> SharedStore:
    """This server's store, as the other servers of the cloud may use it."""
    return vault(services).store


def open(services: Services, image_id: str, offset: int = 0) -> Iterator[bytes]:
    """The bytes of an active image from `offset`, in chunks, without a transaction held; whoever asks has found the
    image before. Raises NotFound when the image is gone or has no data, Unavailable when no store can give it now."""
    with services.database.read() as tx:
        record = store.row(_own_work(services, tx), image_id)
    if record is None or record.status not in data.HAS_DATA:
        raise NotFound(f"Image {image_id} has no data.")
    return data.reader(services, record, offset)().chunks


def seed_image(
    services: Services,
    chunks: Callable[[], Iterator[bytes]],
    *,
    name: str,
    owner: str,
    disk_format: str,
    container_format: str,
    visibility: str = "public",
    properties: Mapping[str, str] | None = None,
) -> Image:
    """Register an image of the cloud's own with its data, unless the owner has an active one of that name. Call it
    without an open transaction; `chunks` is asked only when the data is needed. A start that was killed in between is
    made good."""
    with services.database.write() as tx:
        work = _own_work(services, tx, owner)
        owned = [each for each in store.named(work, name) if each.owner == owner]
        if usable := [each for each in owned if each.status in data.HAS_DATA]:
            return _image(rules.loaded(work, usable[0]))
        for each in owned:
            _end_dead_upload(work, each)
        waiting = [each for each in owned if each.status == "queued"]
        values: dict[str, Any] = {
            "name": name,
            "owner": owner,
            "visibility": visibility,
            "disk_format": disk_format,
            "container_format": container_format,
        }
        record = waiting[0] if waiting else rules.create(work, Wanted(values=values, properties=dict(properties or {})))
        arrival = data.accept(work, record.id, "active", None)
    data.receive(arrival, _lazily(chunks))
    with services.database.read() as tx:
        work = _own_work(services, tx, owner)
        return _image(rules.loaded(work, rules.find(work, record.id)))


def _lazily(chunks: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    # A maker that fails must fail inside the upload, which then takes its marks back.
    yield from chunks()


def _end_dead_upload(work: Work, record: Record) -> None:
    claim = vault(work.services).claims.take(record.id) if record.status == "saving" else None
    if claim is not None:
        with claim:
            data.back_to_queued(work, record, "the upload broke off")
        record["status"] = "queued"


def _own_work(services: Services, tx: Transaction, project_id: str | None = None) -> Work:
    return services.work(tx, service_caller("image", project_id=project_id), "req-image")


def _image(record: Record) -> Image:
    return Image(
        id=record.id,
        name=record.name,
        owner=record.owner,
        status=record.status,
        disk_format=record.disk_format,
        container_format=record.container_format,
        size=record.size,
        checksum=record.checksum,
        min_disk=record.min_disk,
        min_ram=record.min_ram,
        properties=dict(record.properties),
    )
