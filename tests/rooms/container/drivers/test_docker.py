"""The Docker driver keeps the contract, on a real engine, also on the far side of TLS."""

from collections.abc import Iterator

import pytest

from stackyard.hosts.dockerd import PrivateEngine
from stackyard.rooms.container.driver import ContainerDriver
from stackyard.rooms.container.drivers.docker.driver import DockerDriver
from stackyard.testing import container_driver as suite
from stackyard.testing.container_driver import ContainerDriverConformance, Kit
from tests.node.behind import Nodes
from tests.node.conftest import PAIRS

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def driver_of_one(engine: PrivateEngine) -> Iterator[DockerDriver]:
    driver = DockerDriver(engine.url, cloud="one")
    driver.build_busybox_image(suite.IMAGE)
    yield driver
    driver.remove_all()
    driver.close()


class TestDockerDriver(ContainerDriverConformance):
    @pytest.fixture
    def kit(self, engine: PrivateEngine, driver_of_one: DockerDriver) -> Kit:
        return Kit(
            driver=driver_of_one,
            reopen=lambda: DockerDriver(engine.url, cloud="one"),
            another_cloud=lambda: DockerDriver(engine.url, cloud="another"),
        )


class TestDockerDriverOnANode(ContainerDriverConformance):
    @pytest.fixture
    def kit(self, engine: PrivateEngine, driver_of_one: DockerDriver) -> Iterator[Kit]:
        nodes = Nodes(PAIRS["tls"])

        def on_a_node(cloud: str) -> ContainerDriver:
            driver: ContainerDriver = nodes.behind_the_link("container", DockerDriver(engine.url, cloud=cloud))
            return driver

        yield Kit(
            driver=on_a_node("one"),
            reopen=lambda: on_a_node("one"),
            another_cloud=lambda: on_a_node("another"),
        )
        nodes.close()
