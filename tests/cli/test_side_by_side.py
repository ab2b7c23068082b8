"""Two clouds on one host, by the operator's commands: neither knows of the other."""

import pytest

from stackyard.testing.host_snapshot import differences, snapshot
from stackyard.testing.real_cloud import real_cloud
from tests.integration.tenant import Tenant

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def test_a_second_cloud_comes_and_goes_and_the_first_does_not_notice() -> None:
    with real_cloud() as first:
        first.up()
        tenant = Tenant.of(first, "alone")
        container = tenant.container()
        first.agrees()
        before = snapshot()
        with real_cloud() as second:
            second.up()
            assert second.status()["cloud_id"] != first.status()["cloud_id"]
            assert second.check() == []
            second.down(purge=True)
        ours = first.settings.cloud_id
        assert not [line for line in differences(before, snapshot()) if ours in line]
        assert tenant.show(container)["status"] == "Running"
        first.agrees()


def test_a_range_that_another_cloud_has_is_told_and_the_other_keeps_it() -> None:
    with real_cloud() as first:
        first.up()
        with real_cloud(external_cidr=first.settings.external_cidr) as second:
            second.up()
            reports = [each["report"] for each in second.status()["reconcilers"] if each["report"]]
            failed = [text for report in reports for text in report["failed"]]
            assert any(f"an external network of the cloud '{first.settings.cloud_id}'" in text for text in failed)
        first.agrees()
