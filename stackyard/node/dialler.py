"""Keeps a node connected to every server of its cloud, whatever happens in between."""

import logging
import random
import threading
from collections.abc import Callable, Iterable

from stackyard.kernel.steps import Transient
from stackyard.node.runtime import Node
from stackyard.node.transport import Transport

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
#: A connection that held so long was a good one: the next is tried at once when it breaks.
_HELD = 5.0


class Dialler:
    """A thread per server: connect, serve, and connect again, with pauses that grow to ten seconds.

    connect: opens an authenticated connection to an address; raises OSError. changed: told after every coming and going
    what each server's connection is like, in words. every: seconds between questions for the list of servers, asked of
    the server connected last. remember: given that list, for the next start. skip: addresses that need no dialling.
    """

    def __init__(
        self,
        node: Node,
        connect: Callable[[str], Transport],
        servers: Iterable[str],
        changed: Callable[[dict[str, str]], None],
        *,
        every: float = 20.0,
        remember: Callable[[list[str]], None] | None = None,
        skip: Iterable[str] = (),
    ) -> None:
        self._node = node
        self._connect = connect
        self._changed = changed
        self._every = every
        self._remember = remember
        self._skip = frozenset(skip)
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._closed = threading.Event()
        self._connected = threading.Event()
        #: Who pauses is woken by `hurry`, and by whatever ends what it pauses for.
        self._woken = threading.Condition()
        self._hurries = 0
        self._ends: dict[str, threading.Event] = {}
        self._states: dict[str, str] = {}
        self._first = list(servers)

    def start(self) -> None:
        """Begin to dial."""
        self.servers_are(self._first)
        threading.Thread(target=self._ask, name="which servers", daemon=True).start()

    def close(self) -> None:
        """Dial no more. The node closes what is connected."""
        self._closed.set()
        self._connected.set()
        with self._lock:
            for end in self._ends.values():
                end.set()
        self._wake()

    def hurry(self) -> None:
        """A server has come: ask which there are, and dial those that could not be reached, without a further pause."""
        with self._woken:
            self._hurries += 1
        self._wake()

    def _wake(self) -> None:
        with self._woken:
            self._woken.notify_all()

    def _pause(self, seconds: float, ended: threading.Event) -> bool:
        """Wait so long, or until that has ended or there is a hurry; whether it has ended."""
        with self._woken:
            before = self._hurries
            self._woken.wait_for(lambda: ended.is_set() or self._hurries != before, seconds)
        return ended.is_set()

    def ask_now(self) -> None:
        """The node has another connection to a server already: ask that one which servers there are."""
        self._connected.set()

    def servers_are(self, addresses: Iterable[str]) -> None:
        """Dial these and no others. Connections to others are left to end by themselves."""
        wanted = set(addresses) - self._skip
        with self._lock:
            if self._closed.is_set():
                return
            for gone in set(self._ends) - wanted:
                self._ends.pop(gone).set()
                self._states.pop(gone, None)
            new = wanted - set(self._ends)
            for address in new:
                self._ends[address] = threading.Event()
                name = f"dial {address}"
                threading.Thread(target=self._keep, args=(address, self._ends[address]), name=name, daemon=True).start()
        self._wake()

    def states(self) -> dict[str, str]:
        """What the connection to each server is like, in words: "connected", or why not."""
        with self._lock:
            return dict(self._states)

    def _keep(self, address: str, ended: threading.Event) -> None:
        pause = _FIRST_PAUSE
        while not ended.is_set():
            try:
                link = self._node.connect(self._connect(address))
            except OSError as error:
                self._say(address, f"cannot be reached: {error}")
            except Exception as error:
                log.exception("the connection to %s failed", address)
                self._say(address, f"failed: {error}")
            else:
                self._say(address, "connected")
                self._connected.set()
                if link.wait_for_end(_HELD):
                    # Refused by the server after the handshake, most likely: its reason is the link's.
                    self._say(address, f"has broken off at once: {link.why_ended()}")
                else:
                    pause = _FIRST_PAUSE
                    link.wait_for_end(None)
                    self._say(address, f"has broken off: {link.why_ended()}")
            # Not all nodes at once when a server comes back.
            self._pause(pause * (0.5 + random.random() / 2), ended)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _say(self, address: str, state: str) -> None:
        with self._lock:
            if self._states.get(address) == state or address not in self._ends:
                return
            self._states[address] = state
        log.info("server %s: %s", address, state)
        with self._telling:
            self._changed(self.states())

    def _ask(self) -> None:
        while not self._closed.is_set():
            self._connected.wait()
            if self._closed.wait(0.2):
                return
            try:
                told = self._node.server("servers").addresses()
            except Transient:
                self._connected.clear()
                continue
            except Exception:
                log.exception("the list of servers cannot be had")
                told = []
            if told:
                self.servers_are(told)
                if self._remember is not None:
                    self._remember(told)
            self._pause(self._every, self._closed)
