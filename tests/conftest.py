"""What every test shares: how Hypothesis behaves, and which database is under it (`--database`)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from stackyard.kernel.database import Database
from tests.databases import chosen

# The machine is shared and slow at times: the count of examples is the bound, not the time of one.
settings.register_profile("here", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--database postgresql`."""
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite", help="what the tests run on")


@pytest.fixture(scope="session", autouse=True)
def _database(request: pytest.FixtureRequest) -> Iterator[None]:
    with chosen(request.config):
        yield


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The URL of `cloud.db` in the test's folder, for children to open."""
    database = Database(f"sqlite:///{tmp_path}/cloud.db")
    database.close()
    return database.url
