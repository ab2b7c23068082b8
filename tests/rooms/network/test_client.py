"""The network room by the real `openstack` client: what an engineer types, each effect confirmed by a second look."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stackyard.testing.cloud import RunningCloud

pytestmark = pytest.mark.integration

CLIENT = Path(__file__).parents[3] / ".venv-clients" / "bin" / "openstack"


class Shell:
    """The client as the demo user, with the credentials file the cloud wrote."""

    def __init__(self, running: RunningCloud) -> None:
        self._environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(running.settings.state_dir / "clouds.yaml")}

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(CLIENT), "--os-cloud", "stackyard", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment, timeout=60)

    def __call__(self, *words: str) -> Any:
        """What the command answers, as data."""
        made = self._run(*words, "-f", "json")
        assert made.returncode == 0, made.stderr
        return json.loads(made.stdout)

    def quiet(self, *words: str) -> None:
        """A command that says nothing when it works."""
        made = self._run(*words)
        assert made.returncode == 0, made.stderr

    def fails(self, *words: str) -> str:
        """What a refused command says."""
        made = self._run(*words)
        assert made.returncode != 0, made.stdout
        return made.stdout + made.stderr


@pytest.fixture(scope="module")
def openstack(running: RunningCloud) -> Shell:
    """See Shell."""
    if not CLIENT.exists():
        pytest.fail(f"{CLIENT} is missing: bin/setup installs the clients")
    return Shell(running)


def test_a_routed_network_with_a_floating_ip_is_built_and_taken_down(openstack: Shell) -> None:
    network = openstack("network", "create", "cli-net")
    openstack("subnet", "create", "--network", "cli-net", "--subnet-range", "10.5.0.0/24", "cli-sub")
    openstack("router", "create", "--external-gateway", "public", "cli-router")
    openstack.quiet("router", "add", "subnet", "cli-router", "cli-sub")
    router = openstack("router", "show", "cli-router")
    assert [each["ip_address"] for each in router["interfaces_info"]] == ["10.5.0.1"]
    port = openstack("port", "create", "--network", "cli-net", "--fixed-ip", "ip-address=10.5.0.50", "cli-port")
    assert port["network_id"] == network["id"]
    floating = openstack("floating", "ip", "create", "public", "--port", "cli-port")
    address = floating["floating_ip_address"]
    assert openstack("floating", "ip", "show", address)["fixed_ip_address"] == "10.5.0.50"
    assert address in openstack.fails("router", "remove", "subnet", "cli-router", "cli-sub")
    openstack.quiet("floating", "ip", "delete", address)
    openstack.quiet("port", "delete", "cli-port")
    openstack.quiet("router", "remove", "subnet", "cli-router", "cli-sub")
    openstack.quiet("router", "delete", "cli-router")
    openstack.quiet("network", "delete", "cli-net")
    assert "No Network found" in openstack.fails("network", "show", "cli-net")
