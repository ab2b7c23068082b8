"""The fake network driver keeps the contract, and can be scripted."""

import pytest

from stackyard.rooms.network.driver import NetworkDriver
from stackyard.rooms.network.drivers.fake import FakeDriver, World
from stackyard.testing.network_driver import NetworkDriverSuite, new_id


class FakeHost:
    """A world as the suite sees it."""

    def __init__(self) -> None:
        self.world = World()

    def driver(self, cloud: str = "one") -> NetworkDriver:
        return FakeDriver(cloud, self.world)

    def namespace(self) -> str:
        return f"/fake/{new_id()}"

    def end_namespace(self, netns: str) -> None:
        self.world.end_namespace(netns)

    def add_foreign_interface(self, netns: str, name: str) -> None:
        self.world.foreign_interfaces.add((netns, name))

    def damage_network(self, network_id: str, cloud: str = "one") -> None:
        self.world.damage(cloud, network_id, "bridge is missing")


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


class TestFakeDriver(NetworkDriverSuite):
    """The conformance suite."""
