"""Images from outside: registries that have, have not, refuse, stall, or are not there; a disk that is full."""

import hashlib
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stackyard.hosts import container_image
from stackyard.hosts.dockerd import PrivateEngine
from stackyard.rooms.container import driver as contract
from stackyard.rooms.container.driver import ContainerSpec, PullPolicy, Status
from stackyard.rooms.container.drivers.docker.driver import DockerDriver
from stackyard.testing.container_driver import new_id

pytestmark = pytest.mark.integration

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_LAYER = container_image.busybox_tree()
_CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sleep", "1000"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(_LAYER).hexdigest()}"]},
    }
).encode()


def _descriptor(content: bytes, kind: str) -> dict[str, object]:
    return {"mediaType": kind, "size": len(content), "digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}


_IMAGE = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _descriptor(_CONFIG, "application/vnd.docker.container.image.v1+json"),
        "layers": [_descriptor(_LAYER, "application/vnd.docker.image.rootfs.diff.tar")],
    }
).encode()


class _Registry(BaseHTTPRequestHandler):
    """Has `here`, keeps `secret` from everybody, never finishes `slow`, and knows nothing else."""

    stalled = threading.Event()
    released = threading.Event()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        if parts == ["v2"]:
            self._answer(200, b"{}", "application/json")
        elif parts[1] == "secret":
            self._error(403, "DENIED", "requested access to the resource is denied")
        elif parts[1:3] == ["slow", "manifests"]:
            self.stalled.set()
            self.released.wait(30)
        elif parts[1:3] == ["here", "manifests"]:
            self._answer(200, _IMAGE, _MANIFEST)
        elif parts[1:3] == ["here", "blobs"]:
            known = {f"sha256:{hashlib.sha256(blob).hexdigest()}": blob for blob in (_CONFIG, _LAYER)}
            self._answer(200, known[parts[3]], "application/octet-stream")
        else:
            self._error(404, "MANIFEST_UNKNOWN", "manifest unknown")

    def _error(self, status: int, code: str, message: str) -> None:
        self._answer(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if kind == _MANIFEST:
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def registry() -> Iterator[str]:
    _Registry.stalled.clear()
    _Registry.released.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    _Registry.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def driver(engine: PrivateEngine) -> Iterator[DockerDriver]:
    driver = DockerDriver(engine.url, cloud="one")
    yield driver
    driver.remove_all()
    driver.close()


def test_an_image_is_pulled_once_and_runs(driver: DockerDriver, registry: str) -> None:
    name = f"{registry}/here"
    pulled = driver.pull_image(name)
    assert pulled.names == [f"{name}:latest"]
    assert driver.pull_image(name, PullPolicy.ALWAYS) == pulled
    id = new_id()
    driver.create(ContainerSpec(id=id, sandbox_id="", image=name))
    assert driver.start(id).status == Status.RUNNING
    driver.remove(id, force=True)
    driver.remove_image(name)


def test_what_the_registry_lacks_is_not_found_in_its_words(driver: DockerDriver, registry: str) -> None:
    with pytest.raises(contract.ImageNotFound, match="manifest unknown"):
        driver.pull_image(f"{registry}/nothing:1")


def test_what_the_registry_refuses_fails_in_its_words(driver: DockerDriver, registry: str) -> None:
    with pytest.raises(contract.RegistryFailed, match="denied"):
        driver.pull_image(f"{registry}/secret")


def test_a_registry_that_is_not_there_fails_with_the_reason(driver: DockerDriver) -> None:
    with pytest.raises(contract.RegistryFailed, match="connection refused") as raised:
        driver.pull_image("127.0.0.1:9/here")
    assert raised.value.subject == "127.0.0.1:9/here"


@pytest.mark.parametrize("name", ["Upper/Case", "spa ce", "a/b:c:d", "-x", "x" * 300])
def test_a_name_that_cannot_be_one_is_refused(driver: DockerDriver, name: str) -> None:
    with pytest.raises((contract.ImageRefused, contract.ImageNotFound)):
        driver.pull_image(name)


def test_a_pull_that_stalls_is_given_up_when_asked(driver: DockerDriver, registry: str) -> None:
    cancel = threading.Event()

    def cancels() -> None:
        _Registry.stalled.wait(20)
        cancel.set()

    threading.Thread(target=cancels).start()
    with pytest.raises(contract.PullCancelled):
        driver.pull_image(f"{registry}/slow", cancel=cancel)
    assert _Registry.stalled.is_set()


def test_a_full_disk_is_told_and_nothing_is_kept(engine: PrivateEngine, driver: DockerDriver, tmp_path: Path) -> None:
    archive = b"".join(container_image.saved("full:1", _LAYER, {}))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)], check=True)
    try:
        with pytest.raises(contract.NoSpace, match="No space left on device"):
            DockerDriver(engine.url, cloud="one", spool=tmp_path).load_image("full:1", [archive])
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    with pytest.raises(contract.ImageNotFound):
        driver.image("full:1")
