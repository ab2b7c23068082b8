"""The Docker driver where no Docker answers: every call says so, none hangs."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stackyard.rooms.container.driver import ContainerSpec, EngineUnavailable, SandboxSpec
from stackyard.rooms.container.drivers.docker.driver import DockerDriver

CALLS: dict[str, Callable[[DockerDriver], object]] = {
    "describe": lambda driver: driver.describe(),
    "inventory": lambda driver: driver.inventory(),
    "events": lambda driver: driver.events(),
    "remove_all": lambda driver: driver.remove_all(),
    "ensure_sandbox": lambda driver: driver.ensure_sandbox(SandboxSpec(id="x")),
    "remove_sandbox": lambda driver: driver.remove_sandbox("x"),
    "create": lambda driver: driver.create(ContainerSpec(id="x", sandbox_id="", image="x")),
    "start": lambda driver: driver.start("x"),
    "stop": lambda driver: driver.stop("x"),
    "remove": lambda driver: driver.remove("x"),
    "logs": lambda driver: driver.logs("x"),
    "execute": lambda driver: driver.execute("x", ["true"]),
    "pull_image": lambda driver: driver.pull_image("x", cancel=threading.Event()),
    "remove_image": lambda driver: driver.remove_image("x"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_an_engine_that_is_not_there_is_unavailable(call: Callable[[DockerDriver], object], tmp_path: Path) -> None:
    driver = DockerDriver(f"unix://{tmp_path}/docker.sock", cloud="one")
    with pytest.raises(EngineUnavailable, match=r"no Docker answers at unix://.*No such file"):
        call(driver)


def test_a_cloud_id_that_could_be_mistaken_is_refused() -> None:
    with pytest.raises(ValueError, match="cloud id"):
        DockerDriver("unix:///x", cloud="Not An Id")
