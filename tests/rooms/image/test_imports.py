"""Imports: staged data and data from the web become an image's data, or the image is as before."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from stackyard.kernel.errors import BadRequest
from stackyard.rooms.image import download, reconcile
from stackyard.rooms.image.resources.image.resource import IMAGE
from tests.rooms.image.glance import BOB, Glance, wait_until
from tests.rooms.image.test_formats import qcow2


def _import(glance: Glance, image: dict[str, Any], method: Any = "glance-direct", **more: Any) -> Any:
    named = {"name": method} if isinstance(method, str) else method
    return glance("POST", f"/v2/images/{image['id']}/import", json={"method": named, **more})


def test_staged_data_becomes_the_images_data(glance: Glance) -> None:
    image, data = glance.image(), b"staged data" * 100_000
    assert glance.upload(image["id"], data, path="stage").status_code == 204
    waiting = glance.show(image["id"])
    assert (waiting["status"], waiting["size"], waiting["checksum"]) == ("uploading", len(data), None)
    assert glance("GET", image["file"]).status_code == 204
    assert reconcile.run(glance.services).repaired == []
    assert _import(glance, image, stores=["files"]).status_code == 202
    wait_until(lambda: glance.show(image["id"])["status"] == "active")
    assert glance("GET", image["file"]).content == data
    assert glance.show(image["id"])["os_hash_value"] == hashlib.sha512(data).hexdigest()
    wait_until(lambda: glance.files() == [image["id"]])
    assert _import(glance, image).status_code == 409


def test_an_unsafe_image_is_refused_when_it_is_staged(glance: Glance) -> None:
    image = glance.image()
    assert glance.upload(image["id"], qcow2(backing=512), path="stage").status_code == 415
    assert (glance.show(image["id"])["status"], glance.files()) == ("queued", [])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "method"),
        ([], 400, "method"),
        ({"method": "glance-direct"}, 400, "method"),
        ({"method": {}}, 400, "name"),
        ({"method": {"name": "copy-image"}}, 400, "Unknown import method"),
        ({"method": {"name": "glance-direct"}}, 409, "Stage its data first"),
        ({"method": {"name": "glance-direct"}, "stores": ["nowhere"]}, 409, "nowhere"),
        ({"method": {"name": "glance-direct"}, "all_stores": "yes"}, 400, "boolean"),
        ({"method": {"name": "web-download"}}, 400, "does not pass filtering"),
        ({"method": {"name": "web-download", "uri": "ftp://example.org/x"}}, 400, "does not pass filtering"),
        ({"method": {"name": "web-download", "uri": "http://u:p@example.org/x"}}, 400, "does not pass filtering"),
        ({"method": {"name": "web-download", "uri": "file:///etc/passwd"}}, 400, "does not pass filtering"),
        ({"method": {"name": "web-download", "uri": "http://example.org/\u00e9"}}, 400, "does not pass filtering"),
        ({"method": {"name": "web-download", "uri": "http://\u96f2.test/x"}}, 400, "does not pass filtering"),
    ],
)
def test_a_bad_import_is_refused_and_the_image_stays_queued(glance: Glance, body: Any, status: int, said: str) -> None:
    image = glance.image()
    answer = glance("POST", f"/v2/images/{image['id']}/import", json=body)
    assert (answer.status_code, said in answer.json()["message"]) == (status, True), answer.text
    assert glance.show(image["id"])["status"] == "queued"


def test_an_import_needs_the_formats_and_the_right_to_change(glance: Glance) -> None:
    image = glance.image(disk_format=None, visibility="community")
    assert glance.upload(image["id"], b"x", path="stage").status_code == 204
    assert _import(glance, image).status_code == 409
    stranger = glance("POST", f"/v2/images/{image['id']}/import", BOB, json={"method": {"name": "glance-direct"}})
    assert stranger.status_code == 403


def test_a_staged_image_can_be_deleted_and_leaves_nothing(glance: Glance) -> None:
    image = glance.image()
    glance.upload(image["id"], b"x", path="stage")
    assert glance("DELETE", f"/v2/images/{image['id']}").status_code == 204
    assert glance.files() == []


_MORE = threading.Event()


class _Files(BaseHTTPRequestHandler):
    """A web server with one image, and one that breaks off."""

    def do_GET(self) -> None:
        if self.path == "/static/image":
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"0123456789")
        elif self.path == "/static/slow":
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"01234")
            _MORE.wait(30)
            self.wfile.write(b"56789")
        elif self.path == "/static/broken":
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"01234")
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def web() -> Iterator[str]:
    """The URL of a web server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_image_is_fetched_from_a_server_that_the_operator_names(glance: Glance, web: str) -> None:
    glance.services.settings.import_from = [web]
    image = glance.image()
    assert _import(glance, image, {"name": "web-download", "uri": f"{web}/static/image"}).status_code == 202
    wait_until(lambda: glance.show(image["id"])["status"] == "active")
    assert glance("GET", image["file"]).content == b"0123456789"


def test_an_image_deleted_while_it_is_imported_leaves_nothing(glance: Glance, web: str) -> None:
    glance.services.settings.import_from = [web]
    _MORE.clear()
    image = glance.image()
    assert _import(glance, image, {"name": "web-download", "uri": f"{web}/static/slow"}).status_code == 202
    wait_until(lambda: glance.files() != [])
    assert reconcile.run(glance.services).repaired == []
    arriving = glance.show(image["id"])
    assert (arriving["status"], arriving["os_glance_importing_to_stores"]) == ("importing", "files")
    assert glance("DELETE", f"/v2/images/{image['id']}").status_code == 204
    _MORE.set()
    glance.workers.drain(20)
    assert glance.files() == []
    assert reconcile.check(glance.services) == []


@pytest.mark.parametrize("path", ["/static/nothing", "/other"])
def test_a_failed_fetch_leaves_a_queued_image_and_a_reason(glance: Glance, web: str, path: str) -> None:
    glance.services.settings.import_from = [web]
    image = glance.image()
    assert _import(glance, image, {"name": "web-download", "uri": web + path}).status_code == 202
    wait_until(lambda: glance.show(image["id"])["status"] == "queued")
    wait_until(lambda: glance.files() == [])
    with glance.database.read() as tx:
        row = tx.get(IMAGE.table, id=image["id"])
    assert row is not None
    assert row.status_reason
    assert row.size is None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]", "0.0.0.0", "2130706433", "[fec0::1]",
        "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[64:ff9b::10.0.0.1]", "[64:ff9b::a9fe:a9fe]", "224.0.0.1", "[ff0e::1]",
    ],
)  # fmt: skip
def test_the_cloud_does_not_fetch_from_its_own_network_for_others(host: str) -> None:
    with pytest.raises(BadRequest, match=r"does not pass filtering|cannot be resolved"):
        download.fetch(f"http://{host}/x", trusted=["http://cloud.example"])


def test_a_broken_connection_is_not_the_end_of_a_file(web: str) -> None:
    chunks = download.fetch(f"{web}/static/broken", trusted=[web])
    with pytest.raises(download.Unreachable, match="broke off"):
        list(chunks)


def test_a_server_that_does_not_answer_ends_the_import_at_once(glance: Glance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    glance.services.settings.import_from = [f"http://127.0.0.1:{port}"]
    image = glance.image()
    uri = f"http://127.0.0.1:{port}/static/image"
    assert _import(glance, image, {"name": "web-download", "uri": uri}).status_code == 202
    wait_until(lambda: glance.show(image["id"])["status"] == "queued")
    failed = glance.show(image["id"])
    assert failed["os_glance_failed_import"] == "files"
    assert "does not answer" in failed["os_glance_failed_import_reason"]
    assert glance.patch(image["id"], {"op": "remove", "path": "/os_glance_failed_import"}).status_code == 200
    assert glance.upload(image["id"], b"by hand then").status_code == 204
    assert "os_glance_failed_import" not in glance.show(image["id"])
