"""The native network driver keeps the contract."""

import pytest

from stackyard.testing.network_driver import NetworkDriverSuite
from tests.rooms.network.drivers.packets import PretendHost

pytestmark = pytest.mark.integration


@pytest.fixture
def host(pretend_host: PretendHost) -> PretendHost:
    return pretend_host


class TestNativeDriver(NetworkDriverSuite):
    """The conformance suite."""
