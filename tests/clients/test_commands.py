"""What the handbooks tell people to type, chapter by chapter, by the real client; each effect is confirmed by asking
the API past the client.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from stackyard.testing.real_cloud import eventually
from tests.clients.conftest import Client

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

IDLE = "trap exit TERM; sleep 10000 & wait"


def test_identity_chapter(client: Client) -> None:
    assert "Default" in client.openstack("domain list", admin=True)
    client.openstack("user create --domain default --password a-long-password my-new-user", admin=True)
    [user] = client.admin.get("/identity/v3/users?name=my-new-user")["users"]
    client.openstack("role add --domain default --user my-new-user admin", admin=True)
    held = client.admin.get(f"/identity/v3/role_assignments?user.id={user['id']}&include_names=true")
    assert [(each["role"]["name"], each["scope"]["domain"]["id"]) for each in held["role_assignments"]] == [
        ("admin", "default")
    ]
    assert user["id"] in client.openstack("user show my-new-user", admin=True)
    client.openstack("user delete my-new-user", admin=True)
    assert client.admin("GET", f"/identity/v3/users/{user['id']}").status_code == 404
    assert "my-new-user" in client.openstack("user show my-new-user", admin=True, ok=False)


def test_image_chapter(client: Client, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(b"not much of a disk")
    made = json.loads(
        client.openstack(f"image create --disk-format raw --container-format bare --file {data} small -f json")
    )
    assert client.api("GET", f"/image/v2/images/{made['id']}/file").content == data.read_bytes()
    assert "small" in client.openstack("image list")
    client.openstack("image set --property os_distro=none --min-disk 1 small")
    shown = client.api.get(f"/image/v2/images/{made['id']}")
    assert (shown["os_distro"], shown["min_disk"]) == ("none", 1)
    client.openstack(f"image save --file {tmp_path / 'copy'} small")
    assert (tmp_path / "copy").read_bytes() == data.read_bytes()
    client.openstack("image delete small")
    assert client.api("GET", f"/image/v2/images/{made['id']}").status_code == 404


def test_network_chapter(client: Client) -> None:
    client.openstack("network create lab")
    client.openstack("subnet create --network lab --subnet-range 10.20.0.0/24 lab-subnet")
    client.openstack("router create lab-router --external-gateway public")
    client.openstack("router add subnet lab-router lab-subnet")
    [network] = client.api.get("/networking/v2.0/networks?name=lab")["networks"]
    [port] = client.api.get(f"/networking/v2.0/ports?network_id={network['id']}")["ports"]
    assert port["fixed_ips"][0]["ip_address"] == "10.20.0.1"
    client.openstack("port create --network lab --fixed-ip ip-address=10.20.0.9 mine")
    [mine] = client.api.get("/networking/v2.0/ports?name=mine")["ports"]
    assert mine["fixed_ips"][0]["ip_address"] == "10.20.0.9"
    assert "in use" in client.openstack("network delete lab", ok=False)
    for line in (
        "port delete mine",
        "router remove subnet lab-router lab-subnet",
        "router delete lab-router",
        "network delete lab",
    ):
        client.openstack(line)
    assert client.api("GET", f"/networking/v2.0/networks/{network['id']}").status_code == 404


@pytest.fixture(autouse=True)
def no_containers_stay(client: Client) -> Iterator[None]:
    yield
    for each in client.api.get("/container/v1/containers")["containers"]:
        client.admin("DELETE", f"/container/v1/containers/{each['uuid']}?force=true&all_projects=true")
    eventually(lambda: not client.api.get("/container/v1/containers")["containers"] or None, 30, "they do not go")


def _container(client: Client, name: str) -> dict[str, Any]:
    return dict(client.api.get(f"/container/v1/containers/{name}"))


def _becomes(client: Client, name: str, status: str) -> None:
    def said() -> str:
        return f"not {status}: {_container(client, name)}"

    eventually(lambda: _container(client, name)["status"] == status or None, 30, said)


def test_container_chapter(client: Client) -> None:
    client.openstack("appcontainer service list", admin=True)
    gateway = client.api.get("/networking/v2.0/subnets?name=demo-subnet")["subnets"][0]["gateway_ip"]
    client.openstack(f"appcontainer create --name pinger cirros ping -c 2 {gateway}")
    _becomes(client, "pinger", "Created")
    client.openstack("appcontainer start pinger")
    _becomes(client, "pinger", "Stopped")
    assert "2 packets received" in client.openstack("appcontainer logs pinger")
    client.openstack("appcontainer run --name idle cirros sh -c", IDLE)
    _becomes(client, "idle", "Running")
    listed = client.openstack("appcontainer list")
    assert "pinger" in listed
    assert "idle" in listed
    for line, status in (
        ("pause", "Paused"), ("unpause", "Running"), ("restart", "Running"), ("stop", "Stopped"), ("start", "Running"),
    ):  # fmt: skip
        client.openstack(f"appcontainer {line} idle")
        client.cloud.settle()
        assert _container(client, "idle")["status"] == status
    # The client's own `top` cannot print what it got: it was written for Python 2.
    assert "sleep 10000" in str(client.api.get("/container/v1/containers/idle/top")["Processes"])
    assert "MEM" in client.openstack("appcontainer stats idle").upper()
    client.openstack("appcontainer set --name renamed --memory 300 idle")
    client.cloud.settle()
    changed = _container(client, "renamed")
    assert str(changed["memory"]).startswith("300")
    limit = client.openstack("appcontainer exec renamed cat /sys/fs/cgroup/memory/memory.limit_in_bytes")
    assert limit == str(300 * 2**20)
    client.openstack("appcontainer kill renamed")
    _becomes(client, "renamed", "Stopped")
    client.openstack("appcontainer delete pinger renamed")
    eventually(lambda: not client.api.get("/container/v1/containers")["containers"] or None, 30, "they do not go")
    assert "not found" in client.openstack("appcontainer show renamed", ok=False).lower()
    assert client.cloud.check() == []


def test_containers_join_and_leave_networks_and_groups(client: Client) -> None:
    client.openstack("network create second")
    client.openstack("subnet create --network second --subnet-range 10.30.0.0/24 second-subnet")
    client.openstack("security group create lets-in")
    client.openstack("appcontainer run --name moves --net network=demo-net cirros sh -c", IDLE)
    _becomes(client, "moves", "Running")
    client.openstack("appcontainer network attach --network second moves")
    client.cloud.settle()
    assert "10.30.0." in client.openstack("appcontainer exec moves ip -4 address show eth1")
    # Zun has had no such call since 1.15: groups are a port's own, set by the network service.
    client.openstack("--os-container-api-version 1.14 appcontainer add security group moves lets-in")
    [group] = client.api.get("/networking/v2.0/security-groups?name=lets-in")["security_groups"]
    ports = client.api.get(f"/networking/v2.0/ports?device_id={_container(client, 'moves')['uuid']}")["ports"]
    assert len(ports) == 2
    assert all(group["id"] in each["security_groups"] for each in ports)
    client.openstack("appcontainer network detach --network second moves")
    client.cloud.settle()
    left = client.api.get(f"/networking/v2.0/ports?device_id={_container(client, 'moves')['uuid']}")["ports"]
    assert len(left) == 1
    client.openstack("appcontainer delete --stop moves")
    eventually(lambda: not client.api.get("/container/v1/containers")["containers"] or None, 30, "it does not go")
    client.openstack("network delete second")
    client.openstack("security group delete lets-in")
    assert client.cloud.check() == []


def test_placement_chapter(client: Client) -> None:
    newest = ["--os-placement-api-version", "1.39"]

    def openstack(line: str, ok: bool = True) -> str:
        return client.openstack(line, *newest, admin=True, ok=ok)

    def placed(path: str) -> Any:
        answer = client.admin("GET", f"/placement{path}", ok=200, OpenStack_API_Version="placement 1.39")
        return answer.json()

    [host] = json.loads(openstack("resource provider list -f json"))
    shown = json.loads(openstack(f"resource provider inventory list {host['uuid']} -f json"))
    assert {each["resource_class"] for each in shown} >= {"VCPU", "MEMORY_MB", "DISK_GB", "CUSTOM_CONTAINER"}
    assert host["uuid"] in openstack("allocation candidate list --resource VCPU=1 --resource MEMORY_MB=64")
    assert "HW_CPU_X86_AVX2" in openstack("trait list")
    openstack("trait create CUSTOM_FAST_DISK")
    openstack("resource class create CUSTOM_FPGA")
    assert "CUSTOM_FPGA" in openstack("resource class list")
    made = json.loads(openstack(f"resource provider create fpga-0 --parent-provider {host['uuid']} -f json"))
    sizes = "--resource CUSTOM_FPGA=2 --resource CUSTOM_FPGA:max_unit=1"
    openstack(f"resource provider inventory set {made['uuid']} {sizes}")
    openstack(f"resource provider trait set {made['uuid']} --trait CUSTOM_FAST_DISK")
    assert placed(f"/resource_providers/{made['uuid']}/inventories")["inventories"]["CUSTOM_FPGA"]["max_unit"] == 1
    assert placed(f"/resource_providers/{made['uuid']}/traits")["traits"] == ["CUSTOM_FAST_DISK"]
    both = "allocation candidate list --resource VCPU=1 --resource CUSTOM_FPGA=1 --required CUSTOM_FAST_DISK"
    assert made["uuid"] in openstack(both)
    consumer = str(uuid4())
    claim = f"--allocation rp={made['uuid']},CUSTOM_FPGA=1 --project-id {client.admin.project_id} --user-id someone"
    openstack(f"resource provider allocation set {consumer} {claim} --consumer-type INSTANCE")
    assert placed(f"/allocations/{consumer}")["allocations"][made["uuid"]]["resources"] == {"CUSTOM_FPGA": 1}
    assert "CUSTOM_FPGA" in openstack(f"resource provider usage show {made['uuid']}")
    assert "has allocations" in openstack(f"resource provider delete {made['uuid']}", ok=False)
    openstack(f"resource provider allocation delete {consumer}")
    openstack(f"resource provider delete {made['uuid']}")
    openstack("resource class delete CUSTOM_FPGA")
    openstack("trait delete CUSTOM_FAST_DISK")
