"""A cloud for the network room's tests: one for all that only use the API, projects of their own for each test."""

from collections.abc import Iterator
from itertools import count

import pytest

from stackyard.testing.cloud import RunningCloud, cloud
from tests.rooms.network.neutron import Neutron

_NUMBER = count(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A cloud on fake drivers."""
    with cloud(tmp_path_factory.mktemp("cloud")) as found:
        yield found


@pytest.fixture
def tenant(running: RunningCloud) -> Neutron:
    """A member of a project of its own."""
    return Neutron(running.persona(f"tenant-{next(_NUMBER)}"))


@pytest.fixture
def other(running: RunningCloud) -> Neutron:
    """A member of another project."""
    return Neutron(running.persona(f"other-{next(_NUMBER)}"))


@pytest.fixture(scope="module")
def admin(running: RunningCloud) -> Neutron:
    """The administrator."""
    return Neutron(running.admin)
