"""What happens to the host behind the cloud's back: `check` says so, repair mends it, and then they agree."""

import subprocess

import pytest

from stackyard.hosts import netns
from stackyard.testing.real_cloud import RealCloud, eventually
from tests.integration.tenant import Tenant, web
from tests.integration.test_tenants import soon_fetched

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def damaged(cloud: RealCloud, about: str) -> None:
    """`check` names it, unless a repair that runs by itself was faster: then the timeline or the repairs do."""
    found = cloud.check()
    assert any(about in each for each in found) or about in str(cloud.status()["reconcilers"]), found


def test_a_container_killed_behind_our_back_is_followed(cloud: RealCloud, tenant: Tenant) -> None:
    plain, again = tenant.container(), tenant.container(restart_policy={"Name": "always"})
    for each in (plain, again):
        cloud.engine("POST", f"/containers/stackyard-{cloud.settings.cloud_id}-{each}/kill")
    tenant.wait_for(plain, "Stopped")
    eventually(lambda: "ended" in str(cloud.why(again)["lines"]) or None, 15, "nobody noticed")
    tenant.wait_for(again, "Running")
    assert tenant.execute(again, f"ping -c 1 -W 2 {tenant.address(again)}")[0] == 0
    cloud.agrees()


def test_a_container_removed_behind_our_back_is_said_to_be_gone(cloud: RealCloud, tenant: Tenant) -> None:
    container = tenant.container()
    cloud.engine("DELETE", f"/containers/stackyard-{cloud.settings.cloud_id}-{container}?force=1")
    assert "gone" in tenant.wait_for(container, "Error")["status_reason"]
    cloud.agrees()
    tenant.act(container, "start")
    tenant.wait_for(container, "Running")
    cloud.agrees()


def test_a_deleted_bridge_comes_back_with_all_its_ports(cloud: RealCloud, tenant: Tenant) -> None:
    one, two = tenant.container(), tenant.container()
    address = tenant.address(two)
    assert tenant.execute(one, f"ping -c 1 -W 2 {address}")[0] == 0
    place = netns.path(f"stackyard-{cloud.settings.cloud_id}-network-{tenant.network_id}")
    netns.inside(place, lambda: subprocess.run(["ip", "link", "delete", "bridge"], check=True))
    damaged(cloud, tenant.network_id)
    cloud.repair()
    assert cloud.check() == []
    assert tenant.execute(one, f"ping -c 2 -W 2 {address}")[0] == 0


def test_a_deleted_namespace_comes_back_and_containers_are_wired_again(cloud: RealCloud, tenant: Tenant) -> None:
    router = tenant.router()
    server = tenant.container(web("wired"), security_groups=[tenant.group("web", 80)])
    address = tenant.floating_ip(server)
    assert soon_fetched(address) == "wired"
    for name in (f"network-{tenant.network_id}", f"router-{router}"):
        netns.remove(f"stackyard-{cloud.settings.cloud_id}-{name}")
    damaged(cloud, tenant.network_id)
    cloud.repair()
    assert cloud.check() == []
    assert soon_fetched(address) == "wired"


def test_leftovers_made_by_hand_are_removed_and_what_is_anothers_stays(cloud: RealCloud, tenant: Tenant) -> None:
    mine = f"stackyard-{cloud.settings.cloud_id}-network-by-hand"
    others = f"stackyard-o{cloud.settings.cloud_id}-network-by-hand"
    for name in (mine, others):
        netns.create(name)
    try:
        damaged(cloud, mine)
        cloud.repair()
        assert cloud.check() == []
        assert not netns.exists(mine)
        assert netns.exists(others)
    finally:
        for name in (mine, others):
            netns.remove(name)


def test_a_container_of_the_clouds_that_no_row_knows_is_removed(cloud: RealCloud, tenant: Tenant) -> None:
    container = tenant.container()
    [labels] = [each["Labels"] for each in cloud.in_engine(container) if "sandbox" not in str(each["Names"])]
    stranger = "0" * 8 + container[8:]
    words = [f"--label={name}={value.replace(container, stranger)}" for name, value in labels.items()]
    name = f"stackyard-{cloud.settings.cloud_id}-{stranger}"
    url = f"unix://{cloud.settings.run_dir}/engine/docker.sock"
    [image] = [each["ImageID"] for each in cloud.in_engine(container) if "sandbox" not in str(each["Names"])]
    run = ["docker", "-H", url, "run", "-d", "--network", "none", "--name", name, *words, image, "sleep", "1000"]
    subprocess.run(run, check=True, capture_output=True)
    assert cloud.in_engine(stranger)
    cloud.repair()
    assert cloud.in_engine(stranger) == []
    assert cloud.check() == []
    assert tenant.show(container)["status"] == "Running"
