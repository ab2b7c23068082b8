"""A cloud of its own for the suites, and what they expect to find in it: images, a web server to import from."""

import http.server
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from conformance.docker_host import docker_host
from stackyard.hosts.unix_http import UnixConnection
from stackyard.kernel.settings import SecurityCompliance
from stackyard.rooms.network.resources.extension import EXTENSIONS
from stackyard.testing.personas import Persona
from stackyard.testing.real_cloud import RealCloud, real_cloud

#: Those that the configuration of Tempest names, and DevStack sets.
RULES = SecurityCompliance(lockout_failure_attempts=2, lockout_duration=5, unique_last_password_count=2)
#: What the container suite starts: a shell with curl, as CirrOS has it, and a web server with nginx's first page.
SHELL_IMAGE, WEB_IMAGE = "conformance/shell", "conformance/web"
CURL = '#!/bin/sh\nexec wget -q -O - "http://${1#http://}/"\n'
WELCOME = "<!DOCTYPE html>\n<title>Welcome to nginx!</title>\n"


@dataclass(frozen=True)
class World:
    """A cloud that is up and seeded. `marks`: what the configuration of Tempest has to say about it."""

    cloud: RealCloud
    marks: Mapping[str, str]


@contextmanager
def world(folder: Path, *, containers: bool) -> Iterator[World]:
    """Up and seeded; purged at the end, whatever happened. `containers`: with the images the container suite starts."""
    with ExitStack() as more:
        static = more.enter_context(_web_server(folder / "static"))
        cloud = more.enter_context(real_cloud(import_from=[static], security_compliance=RULES))
        cloud.up()
        if containers:
            _build_container_images(cloud)
            more.enter_context(docker_host(_engine(cloud), SHELL_IMAGE))
        yield World(cloud, {**_marks(cloud), "STATIC": static})


def _engine(cloud: RealCloud) -> Path:
    return cloud.settings.run_dir / "engine/docker.sock"


def _marks(cloud: RealCloud) -> dict[str, str]:
    auth = yaml.safe_load((cloud.settings.state_dir / "clouds.yaml").read_text())["clouds"]["stackyard-admin"]["auth"]
    admin = cloud.admin
    public = admin.get("/networking/v2.0/networks?name=public")["networks"][0]["id"]
    return {
        "BASE": cloud.url,
        "REGION": cloud.settings.region,
        "ADMIN": auth["username"],
        "ADMIN_PASSWORD": auth["password"],
        "ADMIN_PROJECT": auth["project_name"],
        "PUBLIC_NETWORK": public,
        "IMAGE": _image(admin, "first"),
        "OTHER_IMAGE": _image(admin, "second"),
        "EXTENSIONS": ",".join(sorted(EXTENSIONS)),
        "CONTAINER_IMAGE": SHELL_IMAGE,
        "WEB_IMAGE": WEB_IMAGE,
        "ENGINE": f"unix://{_engine(cloud)}",
    }


def _image(admin: Persona, name: str) -> str:
    wanted = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image = admin.post("/image/v2/images", wanted)
    sent = admin.http.put(
        f"/image/v2/images/{image['id']}/file",
        content=os.urandom(1 << 20),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert sent.status_code == 204, sent.text
    return str(image["id"])


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the suites' own log has it."""


@contextmanager
def _web_server(folder: Path) -> Iterator[str]:
    """Its URL: two disks to import images from."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "disk.img").write_bytes(os.urandom(1 << 20))
    (folder / "disk.qcow2").write_bytes(_empty_qcow2(1 << 20))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _empty_qcow2(size: int) -> bytes:
    """A disk of `size` bytes in QEMU's format, version 2, with nothing in it: its header, and one empty table."""
    cluster_bits = 16
    numbers = ((2, 4), (0, 8), (0, 4), (cluster_bits, 4), (size, 8), (0, 4), (1, 4))
    tables = ((1 << cluster_bits, 8), (2 << cluster_bits, 8), (1, 4), (0, 4), (0, 8))
    header = b"QFI\xfb" + b"".join(value.to_bytes(width, "big") for value, width in numbers + tables)
    return header.ljust(3 << cluster_bits, b"\0")


def _build_container_images(cloud: RealCloud) -> None:
    """Two images in the cloud's engine, on top of the one that every cloud builds for itself."""
    _build(cloud, SHELL_IMAGE, "FROM cirros\nCOPY curl /bin/curl\nSTOPSIGNAL KILL\n", curl=CURL)
    page = 'FROM cirros\nCOPY index.html /www/index.html\nSTOPSIGNAL KILL\nCMD ["httpd", "-f", "-h", "/www"]\n'
    _build(cloud, WEB_IMAGE, page, **{"index.html": WELCOME})


def _build(cloud: RealCloud, name: str, dockerfile: str, **files: str) -> None:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for path, text in {"Dockerfile": dockerfile, **files}.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    engine = UnixConnection(_engine(cloud), 60)
    engine.request("POST", f"/build?t={name}:latest", context.getvalue(), {"Content-Type": "application/x-tar"})
    answer = engine.getresponse()
    said = [json.loads(line) for line in answer.read().splitlines() if line.strip()]
    errors = [each["error"] for each in said if "error" in each]
    assert answer.status == 200, f"{name}: {answer.status} {said}"
    assert not errors, f"{name}: {errors}"
