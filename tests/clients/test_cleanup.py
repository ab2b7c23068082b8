"""The released client empties a project, which then goes like any other."""

import os
import subprocess
from pathlib import Path

import pytest

from stackyard.testing.cloud import cloud
from tests.rooms.identity.command_line import CLIENTS

NETWORKING = "/networking/v2.0"


@pytest.mark.thorough
def test_project_cleanup_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    with cloud(tmp_path) as running:
        demo, admin = running.demo, running.admin
        network = demo.post(f"{NETWORKING}/networks", {"network": {"name": "n"}})["network"]["id"]
        subnet = {"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24"}
        subnet_id = demo.post(f"{NETWORKING}/subnets", {"subnet": subnet})["subnet"]["id"]
        router = demo.post(f"{NETWORKING}/routers", {"router": {"name": "r"}})["router"]["id"]
        demo("PUT", f"{NETWORKING}/routers/{router}/add_router_interface", {"subnet_id": subnet_id}, ok=200)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        own = {"OS_CLOUD": "stackyard", "OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml"), "NO_PROXY": "*"}
        words = [str(CLIENTS / "openstack"), "project", "cleanup", "--auth-project", "--auto-approve"]
        done = subprocess.run(words, env={**inherited, **own}, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in done.stderr
        assert done.returncode == 0
        admin("GET", f"{NETWORKING}/networks/{network}", ok=404)
        admin("DELETE", f"/identity/v3/projects/{demo.project_id}", ok=204)
