"""A fresh identity cloud per test: a copy of one that was migrated and seeded once."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stackyard.kernel.work import SystemClock
from stackyard.rooms.identity.rotation import keys_of, ready
from tests.databases import copied_state, state_url
from tests.rooms.identity.cloud import Admin, Cloud


class MovableClock(SystemClock):
    """The real time, moved as a test wishes."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory, own_database: Callable[[str], str]) -> Path:
    folder = tmp_path_factory.mktemp("seeded")
    own_database(state_url(folder))
    cloud = Cloud(folder)
    cloud.seed()
    cloud.close()
    return folder


@pytest.fixture(scope="session")
def certified(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same, with the keys that SAML needs: to make them takes longer than a test."""
    folder = tmp_path_factory.mktemp("certified") / "state"
    with copied_state(seeded, folder):
        cloud = Cloud(folder)
        for ring in keys_of(cloud.services).certified:
            ready(cloud.services, ring)
        cloud.close()
        yield folder


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def beginning(seeded: Path) -> Path:
    """What the clouds of a file are copies of."""
    return seeded


@pytest.fixture
def cloud(beginning: Path, tmp_path: Path, clock: MovableClock) -> Iterator[Cloud]:
    folder = tmp_path / "state"
    with copied_state(beginning, folder):
        cloud = Cloud(folder, clock)
        yield cloud
        cloud.close()


@pytest.fixture(scope="module")
def shared(beginning: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One cloud for all tests of a file; its clock, `shared.clock`, can be moved."""
    folder = tmp_path_factory.mktemp("shared") / "state"
    with copied_state(beginning, folder):
        cloud = Cloud(folder, MovableClock())
        yield cloud
        cloud.close()


@pytest.fixture(scope="module")
def admins(shared: Cloud) -> Admin:
    """What the administrator can arrange in the shared cloud."""
    return Admin(shared, shared.token("admin"))


@pytest.fixture
def admin(cloud: Cloud) -> str:
    """A token of the administrator, in the project admin."""
    return cloud.token("admin")


@pytest.fixture
def demo(cloud: Cloud) -> str:
    """A token of an ordinary member."""
    return cloud.token("demo")


@pytest.fixture
def do(cloud: Cloud, admin: str) -> Admin:
    """What the administrator can arrange."""
    return Admin(cloud, admin)
