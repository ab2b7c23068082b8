"""The fake driver keeps the contract, and plays crashes and faults."""

import pytest

from stackyard.rooms.container.driver import SandboxNotReady, SandboxSpec, Status
from stackyard.rooms.container.drivers.fake.driver import FakeDriver
from stackyard.rooms.container.drivers.fake.world import Program, World
from stackyard.testing import container_driver as suite
from stackyard.testing.container_driver import ContainerDriverConformance, Kit


def taught_world() -> World:
    """A world where the suite's image and commands exist."""
    world = World()
    world.programs = {
        tuple(suite.SAYS): Program(stdout=b"first\nsecond\n", stderr=b"wrong\n"),
        tuple(suite.ENDS_WITH_3): Program(exit_code=3),
        tuple(suite.NOT_THERE): Program(missing=True),
        tuple(suite.ECHOES): Program(stdout=b"hello\n", exit_code=0),
        tuple(suite.ENDS_WITH_7): Program(exit_code=7),
        tuple(suite.GOES_ON): Program(),
    }
    FakeDriver(world).build_busybox_image(suite.IMAGE)
    return world


class TestFakeDriver(ContainerDriverConformance):
    @pytest.fixture
    def kit(self) -> Kit:
        world = taught_world()
        return Kit(driver=FakeDriver(world), reopen=lambda: FakeDriver(world))


def test_after_a_restart_of_the_host_a_container_waits_for_its_new_sandbox() -> None:
    world = taught_world()
    driver = FakeDriver(world)
    id = suite.running(driver)
    old = driver.ensure_sandbox(SandboxSpec(id=id))
    world.restarts_host()
    assert driver.inspect(id).status == Status.STOPPED
    with pytest.raises(SandboxNotReady):
        driver.start(id)
    assert driver.ensure_sandbox(SandboxSpec(id=id)).generation != old.generation
    assert driver.start(id).status == Status.RUNNING
