"""Fixtures for pytest: a whole cloud for a test, or for a module's tests. Installed with Stackyard, nothing to import.

A test or module says by a mark how its cloud is to be: `@pytest.mark.stackyard(threads=2, region="Two")`, with the
arguments of `stackyard.testing.cloud.cloud`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from stackyard.testing.cloud import RunningCloud

Folders: TypeAlias = pytest.TempPathFactory
Request: TypeAlias = pytest.FixtureRequest


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "stackyard(**how): how the fixtures stackyard_cloud make their clouds")


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What a test has scripted of a cloud that it shares holds for that test only."""
    shared = getattr(item, "funcargs", {}).get("stackyard_shared_cloud")
    if shared is not None:
        shared.transitions.clear()


@pytest.fixture
def stackyard_cloud(tmp_path_factory: Folders, request: Request) -> "Iterator[RunningCloud]":
    """A cloud of the test's own, new and empty."""
    yield from _running(tmp_path_factory, request)


@pytest.fixture(scope="module")
def stackyard_shared_cloud(tmp_path_factory: Folders, request: Request) -> "Iterator[RunningCloud]":
    """One cloud for all tests of the module. What a test scripts is taken back after it."""
    yield from _running(tmp_path_factory, request)


def _running(folders: Folders, request: Request) -> "Iterator[RunningCloud]":
    # Imported here: a test run that uses no cloud must not pay for one.
    from stackyard.testing.cloud import cloud

    mark = request.node.get_closest_marker("stackyard")
    with cloud(folders.mktemp("stackyard"), **(mark.kwargs if mark else {})) as running:
        yield running
