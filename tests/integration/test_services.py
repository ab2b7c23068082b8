"""A real cloud that serves fewer services for a while: what it has on the host goes on, and goes with it in the end."""

import pytest

from stackyard.testing.host_snapshot import differences, snapshot
from stackyard.testing.real_cloud import RealCloud, real_cloud
from tests.integration.tenant import Tenant

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def come_back_with(cloud: RealCloud, services: str) -> None:
    cloud.kill_server()
    done = cloud.command("up", "--services", services)
    assert done.returncode == 0, done.stderr


def test_containers_run_on_while_they_are_not_served_and_a_purge_takes_them_along() -> None:
    before = snapshot()
    with real_cloud() as cloud:
        cloud.up()
        tenant = Tenant.of(cloud, "alone")
        container = tenant.container()
        come_back_with(cloud, "identity")
        status = cloud.status()
        assert (status["services"], status["engine"], status["nodes"]) == (["identity"], None, [])
        assert cloud.check() == []
        come_back_with(cloud, "all")
        assert tenant.show(container)["status"] == "Running"
        cloud.agrees()
        come_back_with(cloud, "identity")
        cloud.down(purge=True)
        ours = cloud.settings.cloud_id
        assert not [line for line in differences(before, snapshot()) if ours in line]
