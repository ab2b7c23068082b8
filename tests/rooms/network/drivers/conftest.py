"""A pretend host for every test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms.network.drivers.packets import PretendHost


@pytest.fixture
def pretend_host(tmp_path: Path) -> Iterator[PretendHost]:
    """A host of the test's own; whatever happens, it is left, and nothing of it stays."""
    host = PretendHost(tmp_path)
    try:
        yield host
    finally:
        host.leave()
