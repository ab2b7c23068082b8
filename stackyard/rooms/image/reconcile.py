"""Repair of image data: what the database says and what the store holds become one again.

It mends what a crash leaves: images whose sender is gone go back to `queued`, and bytes that belong to no image are
removed. An active image whose bytes are missing is reported; only people can bring them back. Whatever somebody is
writing is left alone: the claim tells, also between processes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from stackyard.kernel.caller import service_caller
from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services, Work
from stackyard.rooms.image.resources.image import data, store
from stackyard.rooms.image.vault import vault

_STAGED = ".staged"


@dataclass(frozen=True)
class _Difference:
    """One thing to mend, by `mend` if it can be (which says whether it still had to be)."""

    kind: str
    image_id: str
    text: str
    mend: Callable[[], bool] | None


def _work(services: Services, tx: Transaction) -> Work:
    return services.work(tx, service_caller("image"), "req-reconcile")


def _row(services: Services, image_id: str) -> Record | None:
    with services.database.read() as tx:
        return store.row(_work(services, tx), image_id)


def _differences(services: Services) -> Iterator[_Difference]:
    held = vault(services).store
    present = {each.key for each in held.inventory()}
    with services.database.read() as tx:
        work = _work(services, tx)
        unfinished = store.with_status(work, "saving", "uploading")
        whole = store.with_status(work, *data.HAS_DATA)
    for image in unfinished:
        # A staged image waits for its import for as long as its owner likes.
        if image.status == "saving" or image.size is None:
            yield _Difference(
                "stuck", image.id, f"is {image.status}, but nobody is sending its data", _requeue(services, image)
            )
    for image in whole:
        if image.id not in present:
            yield _Difference(
                "missing", image.id, "its data is missing in the store; upload it anew or restore the file", None
            )
    for key in sorted(present):
        image_id = key.removesuffix(_STAGED)
        if not _wanted(_row(services, image_id), key):
            yield _Difference(
                "orphan", image_id, f"the store holds '{key}', which no image needs", _discard(services, key)
            )
    for key in held.unfinished():
        image_id = key.removesuffix(_STAGED)
        row = _row(services, image_id)
        if row is None or row.status != "importing":
            yield _Difference("remains", image_id, f"the store holds part of '{key}'", _drop(services, key))


def _wanted(image: Record | None, key: str) -> bool:
    if image is None:
        return False
    if key.endswith(_STAGED):
        return image.status in ("uploading", "importing")
    return image.status in ("importing", *data.HAS_DATA)


def _requeue(services: Services, image: Record) -> Callable[[], bool]:
    def mend() -> bool:
        with services.database.write() as tx:
            return data.back_to_queued(_work(services, tx), image, "the upload broke off; upload the data again")

    return mend


def _discard(services: Services, key: str) -> Callable[[], bool]:
    def mend() -> bool:
        if _wanted(_row(services, key.removesuffix(_STAGED)), key):
            return False
        vault(services).store.delete(key)
        return True

    return mend


def _drop(services: Services, key: str) -> Callable[[], bool]:
    def mend() -> bool:
        vault(services).store.discard(key)
        return True

    return mend


def run(services: Services) -> Report:
    """Mend every difference that can be, and report the others."""
    report = Report()
    for each in _differences(services):
        report.examined += 1
        if each.mend is None:
            report.failed.append(f"image {each.image_id}: {each.text}")
            continue
        claim = vault(services).claims.take(each.image_id)
        if claim is None:
            continue
        with claim:
            if each.mend():
                report.repaired.append(f"image {each.image_id}: {each.text}")
    return report


def check(services: Services) -> list[Mismatch]:
    """What `run` would mend or report, leaving alone what somebody is writing now."""
    found = []
    for each in _differences(services):
        claim = vault(services).claims.take(each.image_id)
        if claim is not None:
            claim.release()
            found.append(
                Mismatch(kind=f"image.{each.kind}", object_id=each.image_id, text=f"image {each.image_id}: {each.text}")
            )
    return found


IMAGE_DATA = Reconciler(
    name="image",
    run=run,
    check=check,
    every=timedelta(minutes=5),
    doc="Image data: stuck uploads, orphaned and missing bytes.",
)
