"""The driver suites over the link: a driver behind it cannot be told from the driver itself."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from stackyard.node.messages import HostFacts
from stackyard.node.runtime import Node
from stackyard.node.server import ConnectedNodes
from stackyard.node.transport import Transport
from stackyard.rooms.container.driver import ContainerDriver
from stackyard.rooms.container.drivers.fake.driver import FakeDriver as FakeContainers
from stackyard.rooms.network.driver import NetworkDriver
from stackyard.testing.container_driver import ContainerDriverConformance, Kit
from stackyard.testing.network_driver import NetworkDriverSuite
from tests.node.conftest import PAIRS
from tests.rooms.container.drivers.test_fake import taught_world
from tests.rooms.network.drivers.test_fake import FakeHost

CONTRACTS: Mapping[str, type] = {"container": ContainerDriver, "network": NetworkDriver}


class Nodes:
    """A new node for every driver."""

    def __init__(self, pair: Callable[[], tuple[Transport, Transport]]) -> None:
        self._pair = pair
        self.server = ConnectedNodes(CONTRACTS)
        self.nodes: list[Node] = []

    def behind_the_link(self, room: str, driver: object) -> Any:
        host = f"host{len(self.nodes)}"
        node = Node(host, {room: driver}, CONTRACTS, lambda: HostFacts(hostname=host))
        self.nodes.append(node)
        here, there = self._pair()
        self.server.attach(here)
        node.connect(there)
        assert self.server.wait_for(host, 30)
        return self.server.driver(host, room)

    def close(self) -> None:
        for node in self.nodes:
            node.close()
        self.server.close()


@pytest.fixture(params=["memory", "tls"])
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    made = Nodes(PAIRS[request.param])
    yield made
    made.close()


class TestContainerDriverOverTheLink(ContainerDriverConformance):
    @pytest.fixture
    def kit(self, nodes: Nodes) -> Kit:
        world = taught_world()

        def open_driver() -> ContainerDriver:
            driver: ContainerDriver = nodes.behind_the_link("container", FakeContainers(world))
            return driver

        return Kit(driver=open_driver(), reopen=open_driver)


class _HostOverTheLink(FakeHost):
    def __init__(self, nodes: Nodes) -> None:
        super().__init__()
        self._nodes = nodes

    def driver(self, cloud: str = "one") -> NetworkDriver:
        driver: NetworkDriver = self._nodes.behind_the_link("network", super().driver(cloud))
        return driver


class TestNetworkDriverOverTheLink(NetworkDriverSuite):
    @pytest.fixture
    def host(self, nodes: Nodes) -> FakeHost:
        return _HostOverTheLink(nodes)
