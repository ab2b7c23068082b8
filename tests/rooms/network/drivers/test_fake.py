"""The fake network driver keeps the contract, and can be scripted."""

import pytest

from stackyard.rooms.network.driver import HostFailure, NetworkDriver, NetworkSpec
from stackyard.rooms.network.drivers.fake import FakeDriver, World
from stackyard.testing.network_driver import NetworkDriverSuite, a_port, new_id


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


def test_a_scripted_failure_comes_in_place_of_the_effect() -> None:
    world, network = World(), NetworkSpec(id=new_id())
    driver = FakeDriver("one", world)
    world.fail_next("ensure_network", HostFailure("no room"))
    with pytest.raises(HostFailure, match="no room"):
        driver.ensure_network(network)
    assert driver.inventory().networks == []
    driver.ensure_network(network)
    assert [found.id for found in driver.inventory().networks] == [network.id]


def test_a_scripted_failure_may_come_after_the_effect() -> None:
    world, network = World(), NetworkSpec(id=new_id())
    driver = FakeDriver("one", world)
    driver.ensure_network(network)
    world.fail_next("plug", HostFailure("the answer was lost"), after_effect=True)
    with pytest.raises(HostFailure):
        driver.plug(a_port(network.id), "/fake/container")
    assert [port.plugged for port in FakeDriver("one", world).inventory().ports] == [True]
