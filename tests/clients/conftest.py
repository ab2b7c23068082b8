"""A real cloud for the real clients, and the way to call them."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from stackyard.testing.personas import Persona
from stackyard.testing.real_cloud import RealCloud, real_cloud

CLIENTS = Path(__file__).parents[2] / ".venv-clients" / "bin"
NEWEST = {"OpenStack-API-Version": "container 1.40"}


@dataclass
class Client:
    """A user at a shell, with the cloud's clouds.yaml; `api` asks the second time, without any client."""

    cloud: RealCloud

    def __post_init__(self) -> None:
        self.api: Persona = self.cloud.seeded("stackyard", **NEWEST)
        self.admin: Persona = self.cloud.seeded("stackyard-admin", **NEWEST)

    def run(self, words: Sequence[str], ok: bool = True) -> str:
        """What a command printed. AssertionError when it fails, or with ok=False when it does not."""
        done = subprocess.run(words, env=self._environment(), capture_output=True, text=True, timeout=120)
        said = f"$ {' '.join(words)}\n{done.stdout}{done.stderr}"
        assert (done.returncode == 0) == ok, said
        return done.stdout.strip() if ok else said

    def openstack(self, line: str, *more: str, admin: bool = False, ok: bool = True) -> str:
        """`openstack <line> <more>`."""
        chosen = ["--os-cloud", "stackyard-admin"] if admin else []
        return self.run(["openstack", *chosen, *line.split(), *more], ok)

    def _environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return kept | {
            "OS_CLIENT_CONFIG_FILE": str(self.cloud.settings.state_dir / "clouds.yaml"), "OS_CLOUD": "stackyard",
            "PATH": f"{CLIENTS}:{os.environ['PATH']}", "no_proxy": "*", "CLIFF_MAX_TERM_WIDTH": "120",
        }  # fmt: skip


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    assert (CLIENTS / "openstack").exists(), "bin/setup makes .venv-clients"
    with real_cloud() as cloud:
        cloud.up()
        yield Client(cloud)
