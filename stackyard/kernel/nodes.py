"""How the kernel and the rooms reach nodes: drivers by room name, through the node link, never directly."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

import msgspec


class CallId(msgspec.Struct, frozen=True, kw_only=True):
    """Which step of which operation makes a call, under which claim. A node refuses an older epoch of the same
    operation and lets a duplicate of a call in flight wait for that call's answer."""

    operation: str
    step: str
    epoch: int


#: Set by the journal around a step's call; the link puts it on the message.
CURRENT_CALL: ContextVar[CallId | None] = ContextVar("CURRENT_CALL", default=None)


class Nodes(Protocol):
    """The hosts that registered, and their drivers."""

    def names(self) -> list[str]:
        """The hosts whose node is connected now."""

    def states(self) -> Sequence[Any]:
        """Every host seen, connected or not: `name`, `connected`, `last_seen`, `facts` (what it is and has, sizes in
        bytes)."""

    def subscribe(self, topic: str, handler: Callable[[str, Any], None]) -> None:
        """Call `handler(host, value)` for every event of a topic: "connected", "gone", or a room's name for what its
        driver tells. Handlers run one at a time and must be quick."""

    def driver(self, host: str, room: str) -> Any:
        """A stand-in for the room's driver on a host: the contract's methods, each sent over the node link.

        A call raises the contract's own errors, Transient when the node is out of reach, Cancelled when a delete has
        overtaken the operation that makes it.
        """
