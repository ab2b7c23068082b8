"""What every test shares: how Hypothesis behaves, and which database is under it (`--database`)."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.databases import chosen

# The machine is shared and slow at times: the count of examples is the bound, not the time of one.
settings.register_profile("here", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--database postgresql`."""
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite", help="what the tests run on")


@pytest.fixture(scope="session", autouse=True)
def own_database(request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """The URL of a database that stands for an SQLite file from now on, and that children of a test can open."""
    with chosen(request.config) as own:
        yield own


@pytest.fixture
def database_url(tmp_path: Path, own_database: Callable[[str], str]) -> str:
    """The URL of an empty database: `cloud.db` in the test's folder, or what stands for it."""
    return own_database(f"sqlite:///{tmp_path}/cloud.db")
