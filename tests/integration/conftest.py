"""One real cloud for the tests of this folder, and tenants in it. Each test cleans up its own tenants' things."""

from collections.abc import Callable, Iterator

import pytest

from stackyard.testing.real_cloud import RealCloud, real_cloud
from tests.integration.tenant import Tenant


@pytest.fixture(scope="session")
def the_cloud(own_database: Callable[[str], str]) -> Iterator[RealCloud]:
    file = "sqlite:///the cloud's own file"
    url = own_database(file)
    with real_cloud(**({} if url == file else {"database": url})) as cloud:
        cloud.up()
        yield cloud


@pytest.fixture
def cloud(the_cloud: RealCloud) -> RealCloud:
    """The cloud, up: whatever the test before did to it."""
    the_cloud.up()
    return the_cloud


@pytest.fixture
def tenant(cloud: RealCloud) -> Iterator[Tenant]:
    """A project with a network, empty at the start, emptied at the end."""
    found = Tenant.of(cloud, "alpha")
    yield found
    found.leave()


@pytest.fixture
def other(cloud: RealCloud) -> Iterator[Tenant]:
    """Another project, with another network on the same range."""
    found = Tenant.of(cloud, "beta")
    yield found
    found.leave()
