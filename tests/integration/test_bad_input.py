"""What goes wrong for real is told in the API's words, and leaves nothing half made."""

import base64
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from stackyard.testing.real_cloud import RealCloud
from tests.integration.tenant import Tenant

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def test_an_image_that_no_registry_gives_leaves_the_container_in_error_with_the_engines_reason(
    cloud: RealCloud, tenant: Tenant
) -> None:
    made = tenant.ask_for(image="registry.invalid/no/such:image", image_driver="docker")
    failed = tenant.wait_for(made["uuid"], "Error", within=60)
    assert "registry.invalid" in failed["status_reason"]
    assert cloud.in_engine(made["uuid"]) == []
    cloud.agrees()
    tenant.api("DELETE", f"/container/v1/containers/{made['uuid']}", ok=204)


def test_an_image_that_glance_does_not_know_is_400_and_leaves_nothing(tenant: Tenant) -> None:
    body = {"image": "nowhere", "image_driver": "glance", "nets": [{"network": tenant.network_id}]}
    answer = tenant.api("POST", "/container/v1/containers", body)
    assert answer.status_code == 400
    assert "nowhere" in answer.text
    assert tenant.collection(f"ports?network_id={tenant.network_id}&device_owner=compute:zun") == []


def test_a_create_goes_on_when_the_engine_is_killed_and_comes_back(cloud: RealCloud, tenant: Tenant) -> None:
    tenant.container()  # the image is there, so that the engine is missed while the container is made
    cloud.kill_engine()
    made = tenant.ask_for()
    time.sleep(1)
    assert tenant.show(made["uuid"])["status"] in ("Creating", "Running"), "it waits for its engine, or that is back"
    assert tenant.api("GET", "/networking/v2.0/networks").status_code == 200, "the rest of the cloud answers"
    cloud.kill_server()
    cloud.up()
    tenant.wait_for(made["uuid"], "Running")
    cloud.agrees()


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """A file system of that size there, with the folders that were there and nothing else."""
    folders = [each for each in place.iterdir() if each.is_dir()]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], check=True)
    for each in folders:
        each.mkdir()
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_ends_an_upload_with_the_reason_and_leaves_no_half_image(cloud: RealCloud, tenant: Tenant) -> None:
    values = {"name": "large", "disk_format": "raw", "container_format": "bare"}
    image = tenant.api.post("/image/v2/images", values)
    path = f"/image/v2/images/{image['id']}/file"
    headers = {"Content-Type": "application/octet-stream"}
    with small_disk(cloud.settings.state_dir / "images", "4m"):
        answer = tenant.api.http.put(path, content=os.urandom(8 * 2**20), headers=headers)
        assert answer.status_code == 413, answer.text
        assert tenant.api.get(f"/image/v2/images/{image['id']}")["status"] == "queued"
        left = [each for each in (cloud.settings.state_dir / "images").rglob("*") if each.is_file()]
        assert sum(each.stat().st_size for each in left) == 0
    assert tenant.api.http.put(path, content=b"fits", headers=headers).status_code == 204
    assert tenant.api.http.get(path).content == b"fits"
    tenant.api("DELETE", f"/image/v2/images/{image['id']}", ok=204)


def test_tampered_and_revoked_tokens_open_no_door(cloud: RealCloud, tenant: Tenant) -> None:
    good = cloud.login("member-of-alpha", "a-long-password", "alpha").token
    raw = bytearray(base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)))
    raw[len(raw) // 2] ^= 1
    tampered = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    doors = ("/container/v1/containers", "/networking/v2.0/networks", "/image/v2/images", "/identity/v3/auth/projects")
    for door in doors:
        assert _knock(cloud, door, good) == 200
        for bad in (tampered, good[:-4], "nonsense", "x" * 5000):
            assert _knock(cloud, door, bad) == 401, door
    tenant.api("DELETE", "/identity/v3/auth/tokens", X_Subject_Token=good, ok=204)
    for door in doors:
        assert _knock(cloud, door, good) == 401, door


def _knock(cloud: RealCloud, door: str, token: str) -> int:
    answer = httpx.get(f"{cloud.url}{door}", headers={"X-Auth-Token": token}, trust_env=False, timeout=30)
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
    return answer.status_code
