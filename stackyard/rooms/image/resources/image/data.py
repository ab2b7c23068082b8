"""Image data: upload, staging, download. A life cycle of its own, bound to the request that carries the bytes.

An upload holds the image's claim from before the image says `saving` until after it says `active`. Whatever ends it
early puts the image back to `queued` and leaves nothing in the store; after a crash the reconciler does the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from stackyard.kernel.caller import service_caller
from stackyard.kernel.errors import ApiError, BadRequest, Conflict, Forbidden, PayloadTooLarge, Unavailable
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services, Work
from stackyard.rooms.image.claims import Claim
from stackyard.rooms.image.driver import NoData, StoreFailed, StoreFull
from stackyard.rooms.image.intake import Facts, Intake, too_large
from stackyard.rooms.image.resources.image import copies, resource, rules, store
from stackyard.rooms.image.vault import ROOM, staged, vault

HAS_DATA = ("active", "deactivated")


class Gone(ApiError):
    """410: the image was deleted while its data arrived."""

    status = 410
    title = "Gone"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """An accepted upload: what is arriving, for which image, under which claim. `goal`: active for data that is used at
    once, uploading for data that waits for its import."""

    work: Work
    image: Record
    claim: Claim
    goal: Literal["active", "uploading"]
    expected: int | None

    @property
    def key(self) -> str:
        """Where the bytes go in the store."""
        image_id: str = self.image.id
        return image_id if self.goal == "active" else staged(image_id)


def accept(work: Work, image_id: str, goal: Literal["active", "uploading"], expected: int | None) -> Arrival:
    """Admit an upload of `expected` bytes (None: not announced) and mark the image. Raises NotFound, Forbidden,
    Conflict in the wrong state or while another upload runs, BadRequest without formats, PayloadTooLarge."""
    record = rules.find(work, image_id)
    rules.check(work, "upload_image" if goal == "active" else "modify_image", record)
    if record.status != "queued":
        wanted = "saving" if goal == "active" else "uploading"
        raise Conflict(
            f"Image status transition from {record.status} to {wanted} is not allowed for image {image_id}.",
            remedy="Data can be uploaded once, to a queued image.",
        )
    if goal == "active":
        require_formats(record)
    held = vault(work.services)
    if expected is not None and expected > held.largest:
        raise too_large(image_id, held.largest)
    claim = held.claims.take(image_id, patience=0.5)
    if claim is None:
        raise Conflict(f"Another upload to image {image_id} is under way.", remedy="Wait for it to end.")
    record = rows.change(work, resource.IMAGE, record, {"status": "saving" if goal == "active" else "uploading"})
    return Arrival(work=work, image=record, claim=claim, goal=goal, expected=expected)


def require_formats(record: Record) -> None:
    """Raise BadRequest unless the image says what its data is."""
    lacking = [name for name in ("disk_format", "container_format") if not record[name]]
    if lacking:
        raise BadRequest(
            f"Properties {', '.join(lacking)} must be set prior to saving data of image {record.id}.", field=lacking[0]
        )


def receive(arrival: Arrival, chunks: Iterator[bytes]) -> None:
    """Take the data in and make the image active (or staged). On any failure the image is `queued` again, nothing is
    kept, and the error says why."""
    work, image = arrival.work, arrival.image
    with arrival.claim:
        try:
            facts = keep(work.services, arrival.key, image, chunks, arrival.expected)
            with work.database.write() as tx:
                _arrived(replace(work, tx=tx), arrival, facts)
        except BaseException as error:
            _give_up(arrival, error)
            raise


def keep(services: Services, key: str, image: Record, chunks: Iterator[bytes], expected: int | None = None) -> Facts:
    """Write a stream to the store, whole or not at all. Raises PayloadTooLarge when it is too large or the medium is
    full, Unavailable when the medium fails, UnsupportedMediaType for unsafe content, BadRequest when it is cut
    short."""
    held = vault(services)
    intake = Intake(image.id, image.disk_format, largest=held.largest, expected=expected)
    try:
        held.store.put(key, intake.read(chunks))
    except StoreFull:
        raise PayloadTooLarge(
            f"Image storage media is full: there is no room for the data of image {image.id}; nothing was kept.",
            remedy="Delete images that are no longer needed, or ask the operator for more room.",
            kind="StorageFull",
        ) from None
    except StoreFailed as error:
        raise Unavailable(
            f"Image storage media failed while the data of image {image.id} was written: {error}.",
            remedy="Ask the operator.",
        ) from error
    return intake.facts()


def _arrived(work: Work, arrival: Arrival, facts: Facts) -> None:
    current = store.row(work, arrival.image.id)
    if current is None or current.status != arrival.image.status:
        raise Gone(f"Image {arrival.image.id} was deleted while its data arrived; the data was removed.")
    if not arrival.claim.stands():
        raise Unavailable(
            f"The database went away while the data of image {current.id} arrived; nothing was kept.",
            remedy="Upload it again.",
        )
    store.add_copy(work, arrival.key, vault(work.services).store.id, work.services.host)
    if arrival.goal == "active":
        activate(work, current, facts)
    else:
        rows.change(work, resource.IMAGE, current, {"size": facts.size})


def activate(work: Work, record: Record, facts: Facts) -> Record:
    """Make the image active: its data is in a store."""
    changed = rows.change(
        work, resource.IMAGE, record, {"status": "active", "status_reason": None, **msgspec.structs.asdict(facts)}
    )
    work.event(record.id, "data", f"{facts.size} bytes of data were stored", checksum=facts.checksum)
    return changed


def _give_up(arrival: Arrival, error: BaseException) -> None:
    vault(arrival.work.services).store.delete(arrival.key)
    with arrival.work.database.write() as tx:
        back_to_queued(replace(arrival.work, tx=tx), arrival.image, f"the upload failed: {error}")


def back_to_queued(work: Work, record: Record, reason: str) -> bool:
    """Undo `saving` or `uploading`, if the image is there and still says so; whether it did."""
    current = store.row(work, record.id)
    if current is None or current.status != record.status:
        return False
    rows.change(work, resource.IMAGE, current, {"status": "queued", "size": None})
    work.event(record.id, "data", reason)
    return True


@dataclass(frozen=True)
class Portion:
    """Part of an image's data: `chunks` yields `length` bytes from `offset` of `size`."""

    chunks: Iterator[bytes]
    offset: int
    length: int
    size: int


def locate(work: Work, image_id: str) -> Record:
    """The image whose data the caller wants to read. Raises NotFound, Forbidden (deactivated, or by policy)."""
    record = rules.find(work, image_id)
    rules.check(work, "download_image", record)
    if not rules.may_see_data(work.caller, record):
        raise Forbidden(f"The requested image {image_id} has been deactivated. Image data download is forbidden.")
    return record


def reader(services: Services, record: Record, offset: int = 0, length: int | None = None) -> Callable[[], Portion]:
    """A function that opens the data of an image that has some, to be called without a transaction: it may be brought
    from another server first, all of it, so that none of it is given before it is proved. Raises Unavailable when no
    store can give it, NotFound when the image went meanwhile."""

    def opened() -> Portion:
        end = record.size if length is None else min(record.size, offset + length)
        try:
            chunks = _opened(services, record, offset, end - offset)
        except NoData:
            raise Unavailable(
                f"The data of image {record.id} is missing in the store.",
                remedy="Upload the image anew, or restore its file.",
            ) from None
        return Portion(chunks, offset, end - offset, record.size)

    return opened


def _opened(services: Services, record: Record, offset: int, length: int) -> Iterator[bytes]:
    held = vault(services).store
    with services.database.read() as tx:
        known = {each.store for each in store.copies(services.work(tx, service_caller(ROOM)), [record.id])}
    if not known or held.id in known:
        try:
            return held.open(record.id, offset, length)
        except NoData:
            if not known - {held.id}:
                raise
    copies.bring(services, record)
    return held.open(record.id, offset, length)
