"""One image service for all tests here, empty before each."""

from collections.abc import Iterator

import pytest

from tests.rooms.image.glance import Glance


@pytest.fixture(scope="session")
def running_glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    """The service, started once."""
    service = Glance(tmp_path_factory.mktemp("glance"))
    service.start()
    yield service
    service.stop()


@pytest.fixture
def glance(running_glance: Glance) -> Glance:
    """A running image service without any image."""
    running_glance.empty()
    return running_glance
