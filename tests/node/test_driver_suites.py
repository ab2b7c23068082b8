"""The driver suites over the link: a driver behind it cannot be told from the driver itself."""

from collections.abc import Iterator

import pytest

from stackyard.rooms.container.driver import ContainerDriver
from stackyard.rooms.container.drivers.fake.driver import FakeDriver as FakeContainers
from stackyard.rooms.network.driver import NetworkDriver
from stackyard.testing.container_driver import ContainerDriverConformance, Kit
from stackyard.testing.network_driver import NetworkDriverSuite
from tests.node.behind import Nodes
from tests.node.conftest import PAIRS
from tests.rooms.container.drivers.test_fake import taught_world
from tests.rooms.network.drivers.test_fake import FakeHost


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
