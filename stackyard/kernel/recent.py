"""What was asked for lately, kept in memory: at most so much; what nobody has asked for longest is forgotten first."""

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Values by their keys. `most`: how many at most, an even number; the half asked for last always stays.

    There are two halves. When the newer one is full the older is forgotten, and what is asked for in the older moves to
    the newer: nearly the order of last use, without keeping one at every look.
    """

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._newer: dict[K, V] = {}
        self._older: dict[K, V] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def get(self, key: K) -> V | None:
        """The value of a key, if it is still here. From any thread."""
        found = self._newer.get(key)
        if found is None and (found := self._older.get(key)) is not None:
            self.put(key, found)
        return found

    def put(self, key: K, value: V) -> None:
        """Keep a value, in the place of an earlier one of this key. From any thread."""
        with self._lock:
            self._older.pop(key, None)
            self._newer[key] = value
            if len(self._newer) >= self._half:
                self._older, self._newer = self._newer, {}
