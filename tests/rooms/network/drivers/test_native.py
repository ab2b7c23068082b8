"""The native network driver keeps the contract, also on the far side of TLS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.rooms.network.driver import NetworkDriver
from stackyard.testing.network_driver import NetworkDriverSuite
from tests.node.behind import Nodes
from tests.node.conftest import PAIRS
from tests.rooms.network.drivers.packets import PretendHost

pytestmark = pytest.mark.integration


class TestNativeDriver(NetworkDriverSuite):
    @pytest.fixture
    def host(self, pretend_host: PretendHost) -> PretendHost:
        return pretend_host


class _Node(PretendHost):
    """A pretend host whose drivers are on nodes. Their threads begin in its namespace, as all that it starts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.nodes = Nodes(PAIRS["tls"])

    def driver(self, cloud: str = "one") -> NetworkDriver:
        driver: NetworkDriver = self.nodes.behind_the_link("network", super().driver(cloud))
        return driver

    def leave(self) -> None:
        try:
            super().leave()
        finally:
            self.nodes.close()


class TestNativeDriverOnANode(NetworkDriverSuite):
    @pytest.fixture
    def host(self, tmp_path: Path) -> Iterator[PretendHost]:
        host = _Node(tmp_path)
        try:
            yield host
        finally:
            host.leave()
