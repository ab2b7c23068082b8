"""What was applied on a host last, so that what has not changed is not applied again."""

import threading
from collections.abc import Iterable, Iterator

from stackyard.rooms.network.driver import Inventory


def groups_mark(fingerprints: Iterable[str]) -> str:
    """The mark of a network's groups, in order of id."""
    return "=" + "".join(fingerprints)


class Applied:
    """Marks by (kind, id): "network", "groups" (by network), "port" (plugged in), "router".

    An empty mark is something damaged, or only half there. What is noted while a host is being looked at counts more
    than what was seen.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._marks: dict[tuple[str, str], str] = {}
        self._noted: dict[tuple[str, str], int] = {}
        self._tick = 0
        self._network_of: dict[str, str] = {}
        self._netns_of: dict[str, str] = {}

    def now(self) -> int:
        """A point in the order of notes: take it before looking at the host."""
        with self._guard:
            return self._tick

    def learn(self, inventory: Inventory, since: int) -> None:
        """Take over what the host has by its own account, but for what was noted since then."""
        seen = dict(_marks(inventory))
        with self._guard:
            for each in [each for each in self._marks if self._noted.get(each, 0) <= since and each not in seen]:
                del self._marks[each]
            for each, mark in seen.items():
                if self._noted.get(each, 0) <= since:
                    self._marks[each] = mark
            for port in inventory.ports:
                self._network_of[port.id] = port.network_id
            there = {object_id for kind, object_id in self._marks if kind == "port"}
            self._network_of = {port: network for port, network in self._network_of.items() if port in there}
            self._netns_of = {port: netns for port, netns in self._netns_of.items() if port in there}

    def mark(self, kind: str, object_id: str) -> str | None:
        """What was noted of the object last; None when nothing of it is there."""
        with self._guard:
            return self._marks.get((kind, object_id))

    def knows(self, kind: str, object_id: str) -> bool:
        """Whether something of the object is on the host."""
        return self.mark(kind, object_id) is not None

    def note(self, kind: str, object_id: str, mark: str) -> None:
        """Remember what was applied."""
        with self._guard:
            self._marks[kind, object_id] = mark
            self._stamp(kind, object_id)

    def note_port(self, port_id: str, mark: str, network_id: str, netns: str) -> None:
        """Remember where a port was plugged in."""
        with self._guard:
            self._marks["port", port_id] = mark
            self._network_of[port_id] = network_id
            self._netns_of[port_id] = netns
            self._stamp("port", port_id)

    def forget(self, kind: str, object_id: str) -> None:
        """Nothing of the object is on the host."""
        with self._guard:
            self._marks.pop((kind, object_id), None)
            if kind == "port":
                self._network_of.pop(object_id, None)
                self._netns_of.pop(object_id, None)
            self._stamp(kind, object_id)

    def _stamp(self, kind: str, object_id: str) -> None:
        self._tick += 1
        self._noted[kind, object_id] = self._tick

    def doubt(self, kind: str, object_id: str) -> None:
        """Something went wrong with the object: what is on the host may not be what was noted."""
        with self._guard:
            for each in [(kind, object_id), *([("groups", object_id)] if kind == "network" else [])]:
                if each in self._marks:
                    self._marks[each] = ""
                    self._stamp(*each)

    def ports_on(self, network_id: str) -> set[str]:
        """The ports of a network that are on the host."""
        with self._guard:
            return {port_id for port_id, found in self._network_of.items() if found == network_id}

    def ports_in(self, netns: str) -> list[tuple[str, str]]:
        """The ports (network, port) that were plugged into a namespace."""
        with self._guard:
            return [(self._network_of[port_id], port_id) for port_id, found in self._netns_of.items() if found == netns]


def _marks(inventory: Inventory) -> Iterator[tuple[tuple[str, str], str]]:
    for network in inventory.networks:
        groups = groups_mark(network.groups[each] for each in sorted(network.groups))
        yield ("network", network.id), "" if network.faults else network.fingerprint
        yield ("groups", network.id), "" if network.faults else groups
    for port in inventory.ports:
        yield ("port", port.id), port.fingerprint if port.plugged and not port.faults else ""
    for router in inventory.routers:
        yield ("router", router.id), "" if router.faults else router.fingerprint
