"""Drivers behind a link: what a server has of a driver, when the driver is on a node."""

from collections.abc import Callable, Mapping
from typing import Any

from stackyard.node.messages import HostFacts
from stackyard.node.runtime import Node
from stackyard.node.server import ConnectedNodes
from stackyard.node.transport import Transport
from stackyard.rooms.container.driver import ContainerDriver
from stackyard.rooms.network.driver import NetworkDriver

CONTRACTS: Mapping[str, type] = {"container": ContainerDriver, "network": NetworkDriver}


class Nodes:
    """A new node for every driver."""

    def __init__(self, pair: Callable[[], tuple[Transport, Transport]]) -> None:
        self._pair = pair
        self.server = ConnectedNodes(CONTRACTS)
        self.nodes: list[Node] = []

    def behind_the_link(self, room: str, driver: object) -> Any:
        """A stand-in for the driver, which is on a node of its own now."""
        host = f"host{len(self.nodes)}"
        node = Node(host, {room: driver}, CONTRACTS, lambda: HostFacts(hostname=host))
        self.nodes.append(node)
        here, there = self._pair()
        self.server.attach(here)
        node.connect(there)
        assert self.server.wait_for(host, 30)
        return self.server.driver(host, room)

    def close(self) -> None:
        """End nodes and links."""
        for node in self.nodes:
            node.close()
        self.server.close()
