"""The contract of image stores: where the bytes of images live.

A store keeps whole objects under a key. An object is there completely or not at all: `put` makes it appear in one
instant, after its last byte is safe. A store knows nothing of images, callers or formats.

Each server of a cloud has a store, and shares it: the others read what only it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class StoreFull(Exception):
    """The medium has no room for the object; nothing of it was kept."""


class StoreFailed(Exception):
    """The medium refused to read or write; the text says why."""


class NoData(Exception):
    """There is no object under this key."""


@dataclass(frozen=True)
class Stored:
    """One object of a store: its key and its size in bytes."""

    key: str
    size: int


class SharedStore(Protocol):
    """What a server's store is for the other servers of the cloud."""

    #: What tells this store from every other one. Servers whose stores are one place have one id.
    id: str

    def open(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `offset` (at most `length` of them) in chunks. An object deleted meanwhile is still read to
        its end. Raises NoData at once, not at the first chunk."""


class Store(SharedStore, Protocol):
    """A place for image bytes. Every method may be called again after a crash and is safe to repeat."""

    #: What the API calls this store.
    name: str
    description: str

    def put(self, key: str, chunks: Iterator[bytes]) -> int:
        """Keep what `chunks` yields under `key`, replacing what was there; returns its size in bytes. When `chunks`
        raises, nothing is kept and the error passes through. Raises StoreFull, StoreFailed. One writer a key."""

    def size(self, key: str) -> int | None:
        """The size of the object in bytes, None when there is none."""

    def delete(self, key: str) -> None:
        """Remove the object; no error when there is none."""

    def inventory(self) -> list[Stored]:
        """Every complete object."""

    def unfinished(self) -> list[str]:
        """The keys of `put` calls that are under way or were broken off by a crash."""

    def discard(self, key: str) -> None:
        """Remove what a broken-off `put` left behind. Only for a key that nobody is putting now."""
