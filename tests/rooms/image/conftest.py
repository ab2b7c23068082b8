"""A fresh image service for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms.image.glance import Glance


@pytest.fixture
def glance(tmp_path: Path) -> Iterator[Glance]:
    """A running image service."""
    service = Glance(tmp_path)
    service.start()
    yield service
    service.stop()
