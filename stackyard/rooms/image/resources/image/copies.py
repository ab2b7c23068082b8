"""The copies of an image's data: which servers' stores have it, and how one gets it that has not.

A row says that a store has the data, whole. It is written when the data is in the store, in the transaction that makes
use of that, so a crash in between leaves bytes without a row, which the reconciler looks at; never a row without bytes.
"""

import hashlib
import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from typing import cast

from stackyard.kernel.caller import service_caller
from stackyard.kernel.errors import NotFound, Unavailable
from stackyard.kernel.steps import Refused, Transient
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Services
from stackyard.rooms.image.driver import NoData, SharedStore, StoreFailed, StoreFull
from stackyard.rooms.image.fetches import Fetch
from stackyard.rooms.image.resources.image import store
from stackyard.rooms.image.vault import ROOM, vault

log = logging.getLogger("stackyard.image.copies")

#: Seconds that a request waits for a copy: less than proxies and clients wait for an answer.
PATIENCE = 30.0


class _Damaged(Exception):
    """What a store has is not the image's data."""


def bring(services: Services, record: Record) -> None:
    """Have this server's store get the data of an image, from one that has it; returns when it is here, whole and
    proved by its hash. Raises Unavailable, saying why and what to do, NotFound when the image went meanwhile."""
    make = partial(_copy, services, record)
    vault(services).fetches.wait(record.id, record.size, make, PATIENCE)


def _copy(services: Services, record: Record, fetch: Fetch) -> None:
    held = vault(services)
    # Not the image's own claim: several servers may be copying it at a time.
    claim = held.claims.take(copying(record.id, held.store.id), patience=5)
    if claim is None:
        raise Unavailable(f"The data of image {record.id} is being looked at by a repair.", remedy="Ask again shortly.")
    with claim:
        _from_any(services, record, fetch)
        if not _record_copy(services, record):
            held.store.delete(record.id)
            raise NotFound(f"Image {record.id} was deleted while its data was copied.")


def copying(image_id: str, store_id: str) -> str:
    """The name of the claim of who copies an image's data into a store."""
    return f"{image_id}.{store_id}"


def _from_any(services: Services, record: Record, fetch: Fetch) -> None:
    """Put the data into this server's store, from the first other one that gives all of it."""
    failures = []
    for holder in others(services, record.id):
        try:
            chunks = opened(services, holder, record.id)
            vault(services).store.put(record.id, _proved(record, chunks, fetch))
            return
        except (StoreFull, StoreFailed) as error:
            raise Unavailable(
                f"This server cannot keep a copy of the data of image {record.id}: {error}.", remedy="Ask the operator."
            ) from error
        except (Transient, NoData, _Damaged) as error:
            log.warning("image %s cannot be copied from server %s: %s", record.id, holder.host, error)
            failures.append(f"server {holder.host} {_trouble(error)}")
    raise Unavailable(
        f"The data of image {record.id} cannot be had now: {'; '.join(failures) or 'no server has it'}.",
        remedy="Try again when that server is back, or ask the operator.",
        headers={"Retry-After": "10"},
    )


def _trouble(error: Exception) -> str:
    return "has it no longer" if isinstance(error, NoData) else str(error)


def _proved(record: Record, chunks: Iterator[bytes], fetch: Fetch) -> Iterator[bytes]:
    """The chunks; raises _Damaged at their end unless they are the image's data."""
    digest = hashlib.new(record.os_hash_algo)
    fetch.got = 0
    for chunk in chunks:
        digest.update(chunk)
        fetch.got += len(chunk)
        yield chunk
    if digest.hexdigest() != record.os_hash_value:
        raise _Damaged("sent something else: its hash is not that of the data that was uploaded")


def _record_copy(services: Services, record: Record) -> bool:
    """Say that it is here, unless the image is gone or other data has become its own."""
    held = vault(services)
    with services.database.write() as tx:
        work = services.work(tx, service_caller(ROOM))
        current = store.row(work, record.id)
        if current is None or current.os_hash_value != record.os_hash_value:
            return False
        store.add_copy(work, record.id, held.store.id, services.host)
        return True


def adopt(services: Services, record: Record) -> bool:
    """Record what this server's store has under an image's id without that being known: what a crash, a restore or an
    older version left. It is proved when other stores have the data, and removed when it is something else; when none
    has, its size is all that is asked. Whether anything was done."""
    held = vault(services).store
    if others(services, record.id):
        try:
            for _ in _proved(record, held.open(record.id), Fetch()):
                pass
        except _Damaged:
            held.delete(record.id)
            return True
    elif held.size(record.id) != record.size:
        return False
    return _record_copy(services, record)


def announce(services: Services) -> None:
    """Say under which name this server's store is reached from now on: its machine may have got another."""
    with services.database.write() as tx:
        store.store_is_at(services.work(tx, service_caller(ROOM)), vault(services).store.id, services.host)


def others(services: Services, key: str) -> list[Record]:
    """The copies under a key (`store`, `host`) that are in other servers' stores."""
    with services.database.read() as tx:
        found = store.copies(services.work(tx, service_caller(ROOM)), [key])
    return [each for each in found if each.store != vault(services).store.id]


def opened(services: Services, holder: Record, key: str) -> Iterator[bytes]:
    """What another server's store has under a key, as it comes. Raises NoData, and Transient, at once or in between,
    when that server does not give it; the text is to follow the server's name. Nobody else is asked, whatever store
    they say they have: machines that are only nodes of the cloud are not trusted with what images are."""
    if holder.host not in services.nodes.names():
        raise Transient("is not connected to this one")
    shared = cast(SharedStore, services.nodes.driver(holder.host, ROOM))
    try:
        known = shared.id
    except (Refused, Transient) as gone:
        raise Transient(f"cannot be asked: {gone}") from gone
    if known != holder.store:
        raise Transient("has another store by now")
    return _sent(shared, key)


def _sent(shared: SharedStore, key: str) -> Iterator[bytes]:
    try:
        with closing(cast(Generator[bytes], shared.open(key))) as chunks:
            yield from chunks
    except Transient as broken:
        raise Transient(f"broke off: {broken}") from broken
    except StoreFailed as failed:
        raise Transient(f"cannot read it: {failed}") from failed
