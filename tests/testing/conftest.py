"""A cloud per file, and its script."""

from collections.abc import Iterator

import pytest

from stackyard.rooms.container.driver import Image
from stackyard.testing.cloud import RunningCloud, Worlds, cloud
from stackyard.testing.transitions import Transitions


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A cloud whose hosts find the image `web`."""
    worlds = Worlds()
    worlds.container.registry["web"] = Image(id="sha256:web", names=["web:latest"], size=3)
    with cloud(tmp_path_factory.mktemp("cloud"), worlds=worlds) as made:
        yield made


@pytest.fixture
def script(running: RunningCloud) -> Iterator[Transitions]:
    """The script, blank again afterwards."""
    yield running.transitions
    running.transitions.clear()
    running.settle()
    running.follow()
