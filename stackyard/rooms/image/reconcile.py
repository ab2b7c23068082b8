"""Repair of image data: what the database says and what this server's store holds become one again.

It mends what a crash leaves: images whose sender is gone go back to `queued`, bytes that belong to no image are
removed, and whole data that nobody has recorded is proved and recorded. An active image whose only copy is missing is
reported; only people can bring it back. Whatever somebody is writing is left alone: the claim tells, also between
servers. Each server looks at its own store.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from stackyard.kernel.caller import service_caller
from stackyard.kernel.repair.reconcile import Mismatch, Reconciler, Report
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services, Work
from stackyard.rooms.image.resources.image import copies, data, store
from stackyard.rooms.image.vault import ROOM, staged, vault

_STAGED = ".staged"


@dataclass(frozen=True)
class _Difference:
    """One thing to mend, by `mend` if it can be (which says whether it still had to be)."""

    kind: str
    image_id: str
    text: str
    mend: Callable[[], bool] | None


@dataclass(frozen=True)
class _Known:
    """What the database says, at one moment: images by id, and the stores that have each key."""

    images: dict[str, Record]
    copies: dict[str, set[str]]
    store: str

    def wants(self, key: str) -> bool:
        """Whether this store is to have what belongs to a key, or somebody is making it."""
        image = self.images.get(key.removesuffix(_STAGED))
        if image is None:
            return False
        if key.endswith(_STAGED):
            return image.status in ("uploading", "importing") and self._has(key)
        return image.status == "importing" or (image.status in data.HAS_DATA and self._has(key))

    def is_unrecorded(self, key: str) -> bool:
        """Whether it may be the data of an image of which the database does not say that this store has it."""
        image = self.images.get(key)
        return image is not None and image.status in data.HAS_DATA and not self._has(key)

    def _has(self, key: str) -> bool:
        return self.store in self.copies.get(key, ())


def _work(services: Services, tx: Transaction) -> Work:
    return services.work(tx, service_caller(ROOM), "req-reconcile")


def _known(services: Services, image_id: str | None = None) -> _Known:
    """What it says of every image, or of one."""
    keys = None if image_id is None else (image_id, staged(image_id))
    with services.database.read() as tx:
        work = _work(services, tx)
        images = {each.id: each for each in store.every(work, image_id)}
        found: dict[str, set[str]] = {}
        for each in store.copies(work, keys):
            found.setdefault(each.key, set()).add(each.store)
    return _Known(images, found, vault(services).store.id)


def _differences(services: Services) -> Iterator[_Difference]:
    held = vault(services).store
    present = sorted(each.key for each in held.inventory())
    unfinished = held.unfinished()
    known = _known(services)
    yield from _of_images(services, known, set(present))
    for key in present:
        image_id = key.removesuffix(_STAGED)
        if known.is_unrecorded(key):
            text = f"the store holds '{key}', which is not recorded"
            yield _Difference("unrecorded", image_id, text, _record(services, known.images[key]))
        elif not known.wants(key):
            text = f"the store holds '{key}', which no image needs"
            yield _Difference("orphan", image_id, text, _discard(services, key))
    for key in unfinished:
        image = known.images.get(key.removesuffix(_STAGED))
        if image is None or image.status != "importing":
            text = f"the store holds part of '{key}'"
            yield _Difference("remains", key.removesuffix(_STAGED), text, _drop(services, key))


def _of_images(services: Services, known: _Known, present: set[str]) -> Iterator[_Difference]:
    for image in known.images.values():
        # A staged image waits for its import for as long as its owner likes.
        if image.status == "saving" or (image.status == "uploading" and image.size is None):
            text = f"is {image.status}, but nobody is sending its data"
            yield _Difference("stuck", image.id, text, _requeue(services, image))
        elif image.status in data.HAS_DATA and image.id not in present:
            holders = known.copies.get(image.id, set())
            if not holders - {known.store}:
                text = "its data is missing in the store; upload it anew or restore the file"
                yield _Difference("missing", image.id, text, None)
            elif known.store in holders:
                text = "this server's copy of its data is missing; others have it"
                yield _Difference("lost", image.id, text, _forget(services, image.id))


def _requeue(services: Services, image: Record) -> Callable[[], bool]:
    def mend() -> bool:
        with services.database.write() as tx:
            return data.back_to_queued(_work(services, tx), image, "the upload broke off; upload the data again")

    return mend


def _record(services: Services, image: Record) -> Callable[[], bool]:
    def mend() -> bool:
        return _known(services, image.id).is_unrecorded(image.id) and copies.adopt(services, image)

    return mend


def _forget(services: Services, image_id: str) -> Callable[[], bool]:
    def mend() -> bool:
        held = vault(services).store
        if held.size(image_id) is not None:
            return False
        with services.database.write() as tx:
            store.forget_copy(_work(services, tx), image_id, held.id)
        return True

    return mend


def _discard(services: Services, key: str) -> Callable[[], bool]:
    def mend() -> bool:
        known = _known(services, key.removesuffix(_STAGED))
        if known.wants(key) or known.is_unrecorded(key):
            return False
        vault(services).store.delete(key)
        return True

    return mend


def _drop(services: Services, key: str) -> Callable[[], bool]:
    def mend() -> bool:
        vault(services).store.discard(key)
        return True

    return mend


@contextmanager
def _claimed(services: Services, image_id: str) -> Iterator[bool]:
    """A block that nobody sends an image's data in, nor copies it here; whether it is such a one."""
    held = vault(services)
    with ExitStack() as claims:
        for name in (image_id, copies.copying(image_id, held.store.id)):
            claim = held.claims.take(name)
            if claim is None:
                yield False
                return
            claims.enter_context(claim)
        yield True


def run(services: Services) -> Report:
    """Mend every difference that can be, and report the others."""
    report = Report()
    for each in _differences(services):
        report.examined += 1
        if each.mend is None:
            report.failed.append(f"image {each.image_id}: {each.text}")
            continue
        with _claimed(services, each.image_id) as alone:
            if alone and each.mend():
                report.repaired.append(f"image {each.image_id}: {each.text}")
    return report


def check(services: Services) -> list[Mismatch]:
    """What `run` would mend or report, leaving alone what somebody is writing now."""
    found = []
    for each in _differences(services):
        with _claimed(services, each.image_id) as alone:
            if not alone:
                continue
        text = f"image {each.image_id}: {each.text}"
        found.append(Mismatch(kind=f"image.{each.kind}", object_id=each.image_id, text=text))
    return found


IMAGE_DATA = Reconciler(
    name=ROOM,
    run=run,
    check=check,
    every=timedelta(minutes=5),
    doc="Image data: stuck uploads, orphaned and missing bytes.",
)
