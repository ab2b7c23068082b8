"""What was applied on a host last, so that what has not changed is not applied again."""

import threading
from collections.abc import Iterable

from stackyard.rooms.network.driver import Inventory


def groups_mark(fingerprints: Iterable[str]) -> str:
    """The mark of a network's groups, in order of id."""
    return "=" + "".join(fingerprints)


class Applied:
    """Marks by (kind, id): "network", "groups" (by network), "port", "router". An empty mark never equals a wanted
    one."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._marks: dict[tuple[str, str], str] = {}
        self._network_of: dict[str, str] = {}

    @classmethod
    def of(cls, inventory: Inventory, known: "Applied") -> "Applied":
        """What a host has, by its own account. `known` tells where ports were plugged, which an inventory does not."""
        learnt = cls()
        for network in inventory.networks:
            sound = not network.faults
            learnt.note("network", network.id, network.fingerprint if sound else "")
            learnt.note(
                "groups",
                network.id,
                groups_mark(network.groups[each] for each in sorted(network.groups)) if sound else "",
            )
        for port in inventory.ports:
            mark = known.mark("port", port.id)
            sound = port.plugged and not port.faults and mark.startswith(port.fingerprint)
            learnt.note("port", port.id, mark if sound else "", port.network_id)
        for router in inventory.routers:
            learnt.note("router", router.id, "" if router.faults else router.fingerprint)
        return learnt

    def mark(self, kind: str, object_id: str) -> str:
        """What was noted of the object last, or nothing."""
        with self._guard:
            return self._marks.get((kind, object_id), "")

    def differs(self, kind: str, object_id: str, mark: str) -> bool:
        """Whether the object must be applied to be as wanted."""
        with self._guard:
            return self._marks.get((kind, object_id)) != mark

    def knows(self, kind: str, object_id: str) -> bool:
        """Whether something of the object is on the host."""
        with self._guard:
            return (kind, object_id) in self._marks

    def note(self, kind: str, object_id: str, mark: str, network_id: str | None = None) -> None:
        """Remember what was applied."""
        with self._guard:
            self._marks[kind, object_id] = mark
            if network_id is not None:
                self._network_of[object_id] = network_id

    def forget(self, kind: str, object_id: str) -> None:
        """Nothing of the object is on the host."""
        with self._guard:
            self._marks.pop((kind, object_id), None)
            self._network_of.pop(object_id, None)

    def doubt(self, kind: str, object_id: str) -> None:
        """Something went wrong with the object: what is on the host may not be what was noted."""
        with self._guard:
            doubted = [(kind, object_id)]
            if kind == "network":
                doubted += [
                    ("groups", object_id),
                    *(("port", each) for each, found in self._network_of.items() if found == object_id),
                ]
            for each in doubted:
                if each in self._marks:
                    self._marks[each] = ""

    def ports_on(self, network_id: str) -> set[str]:
        """The ports of a network that are on the host."""
        with self._guard:
            return {port_id for port_id, found in self._network_of.items() if found == network_id}

    def ports_in(self, netns: str) -> list[tuple[str, str]]:
        """The ports (network, port) that were plugged into a namespace."""
        with self._guard:
            return [
                (network_id, port_id)
                for port_id, network_id in self._network_of.items()
                if f" {netns} " in self._marks.get(("port", port_id), "")
            ]
