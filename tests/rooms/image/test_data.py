"""Image data through the wire: whole or not at all, in both directions."""

import hashlib
import http.client
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.rooms.image.driver import StoreFull
from stackyard.rooms.image.drivers import files
from stackyard.rooms.image.vault import vault
from tests.rooms.image.glance import ADMIN, ALICE, BOB, OCTETS, READER, Glance, wait_until


def test_uploaded_bytes_come_back_with_their_digests(glance: Glance) -> None:
    data = os.urandom(3_000_000)
    image = glance.active(data)
    assert image["status"] == "active"
    assert (image["size"], image["virtual_size"]) == (len(data), len(data))
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(data).hexdigest())
    answer = glance("GET", image["file"])
    assert answer.content == data
    assert answer.headers["content-type"] == OCTETS
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["content-md5"] == image["checksum"]
    assert glance.files() == [image["id"]]


def test_an_image_without_data_answers_with_nothing(glance: Glance) -> None:
    answer = glance("GET", glance.image()["file"])
    assert (answer.status_code, answer.content) == (204, b"")


def test_empty_data_is_data(glance: Glance) -> None:
    image = glance.active(b"")
    assert (image["status"], image["size"]) == ("active", 0)
    assert glance("GET", image["file"]).content == b""


@pytest.mark.parametrize(
    ("asked", "status", "part", "said"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=3-1", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
    ],
)
def test_a_range_of_the_data_can_be_read(
    glance: Glance, asked: str, status: int, part: bytes, said: str | None
) -> None:
    image = glance.active(b"0123456789")
    answer = glance("GET", image["file"], headers={"Range": asked})
    assert (answer.status_code, answer.content, answer.headers.get("content-range")) == (status, part, said)
    assert answer.headers["content-length"] == str(len(part))


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_outside_the_data_is_416_and_tells_the_size(glance: Glance, asked: str) -> None:
    image = glance.active(b"0123456789")
    answer = glance("GET", image["file"], headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */10"


def test_a_download_goes_on_only_with_the_data_that_it_began_with(glance: Glance) -> None:
    image = glance.active(b"0123456789")
    tag = glance("GET", image["file"]).headers["etag"]
    for asked_if, status, part in ((tag, 206, b"789"), ('"another"', 200, b"0123456789")):
        answer = glance("GET", image["file"], headers={"Range": "bytes=7-", "If-Range": asked_if})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (status, part, tag)
    known = glance("GET", image["file"], headers={"If-None-Match": tag})
    assert (known.status_code, known.content) == (304, b"")
    assert glance("GET", image["file"], headers={"If-None-Match": '"another"'}).content == b"0123456789"


def test_data_is_uploaded_once_and_only_to_an_image_with_formats(glance: Glance) -> None:
    image = glance.active(b"first")
    assert glance.upload(image["id"], b"second").status_code == 409
    assert glance("GET", image["file"]).content == b"first"
    bare = glance.image(disk_format=None)
    answer = glance.upload(bare["id"], b"x")
    assert answer.status_code == 400
    assert "disk_format" in answer.json()["message"]
    wrong = glance("PUT", bare["file"], content=b"x", headers={"Content-Type": "text/plain"})
    assert wrong.status_code == 415
    headers = {"Content-Type": OCTETS, "X-Image-Meta-Store": "elsewhere"}
    assert glance("PUT", glance.image()["file"], content=b"x", headers=headers).status_code == 400
    assert glance.show(bare["id"])["status"] == "queued"


def test_strangers_neither_upload_nor_download(glance: Glance) -> None:
    image = glance.active(b"mine")
    empty = glance.image()
    assert glance("GET", image["file"], BOB).status_code == 404
    assert glance.upload(empty["id"], b"x", BOB).status_code == 404
    assert glance("GET", image["file"], None).status_code == 401
    assert glance("GET", image["file"], READER).status_code == 403
    assert glance("GET", image["file"], ADMIN).content == b"mine"


def test_a_deactivated_image_is_read_by_administrators_only(glance: Glance) -> None:
    image = glance.active(b"secret")
    path = f"/v2/images/{image['id']}/actions"
    assert glance("POST", f"{path}/deactivate", READER).status_code == 403
    assert glance("POST", f"{path}/deactivate").status_code == 204
    assert glance("POST", f"{path}/deactivate").status_code == 204
    assert glance.show(image["id"])["status"] == "deactivated"
    assert glance("GET", image["file"]).status_code == 403
    assert glance("GET", image["file"], ADMIN).content == b"secret"
    assert glance("POST", f"{path}/reactivate").status_code == 204
    assert glance("GET", image["file"]).content == b"secret"
    queued = glance.image()
    assert glance("POST", f"/v2/images/{queued['id']}/actions/deactivate").status_code == 403


def _half_an_upload(glance: Glance, image_id: str, announced: int | None, sent: bytes) -> socket.socket:
    port = int(glance.url.rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.putrequest("PUT", f"/image/v2/images/{image_id}/file")
    connection.putheader("X-Auth-Token", ALICE)
    connection.putheader("Content-Type", OCTETS)
    if announced is None:
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders(b"%x\r\n%s\r\n" % (len(sent), sent))
    else:
        connection.putheader("Content-Length", str(announced))
        connection.endheaders(sent)
    assert connection.sock is not None
    return connection.sock


@pytest.mark.parametrize("announced", [1_000_000, None])
def test_a_connection_that_breaks_off_leaves_a_queued_image_and_no_bytes(glance: Glance, announced: int | None) -> None:
    image = glance.image()
    sender = _half_an_upload(glance, image["id"], announced, b"x" * 200_000)
    wait_until(lambda: glance.show(image["id"])["status"] == "saving")
    assert glance.upload(image["id"], b"meanwhile").status_code == 409
    sender.close()
    wait_until(lambda: glance.show(image["id"])["status"] == "queued")
    wait_until(lambda: glance.files() == [])
    assert glance.upload(image["id"], b"again").status_code == 204
    assert glance("GET", image["file"]).content == b"again"


def test_an_image_deleted_while_its_data_arrives_leaves_nothing(glance: Glance) -> None:
    image = glance.image()
    more = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"first"
        assert more.wait(30)
        yield b"second"

    answers = []
    sender = threading.Thread(target=lambda: answers.append(glance.upload(image["id"], slowly())))
    sender.start()
    wait_until(lambda: glance.show(image["id"])["status"] == "saving")
    assert glance("DELETE", f"/v2/images/{image['id']}").status_code == 204
    more.set()
    sender.join(15)
    assert answers[0].status_code == 410
    assert glance.files() == []


def test_a_full_disk_is_told_and_leaves_a_queued_image(glance: Glance, monkeypatch: pytest.MonkeyPatch) -> None:
    image = glance.image()

    def full(file: object, chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files, "_write_all", full)
        answer = glance.upload(image["id"], b"x" * 100)
    assert answer.status_code == 413
    assert "storage media is full" in answer.json()["message"]
    assert glance.show(image["id"])["status"] == "queued"
    assert glance.files() == []
    assert glance.upload(image["id"], b"now there is room").status_code == 204


def test_a_real_full_disk_is_reported_as_full(tmp_path: Path) -> None:
    store = files.FileStore(tmp_path)
    (tmp_path / ".partial" / "key").symlink_to("/dev/full")
    with pytest.raises(StoreFull):
        store.put("key", iter([b"x"]))
    assert store.inventory() == []
    assert store.unfinished() == []


@pytest.mark.parametrize("announced", [True, False])
def test_data_beyond_the_limit_is_refused(tmp_path: Path, announced: bool) -> None:
    glance = Glance(tmp_path, {"largest_image": 1000})
    glance.start()
    try:
        image = glance.image()
        answer = glance.upload(image["id"], b"x" * 1001 if announced else iter([b"x" * 600, b"x" * 600]))
        assert answer.status_code == 413
        assert "1000 bytes" in answer.json()["message"]
        assert glance.show(image["id"])["status"] == "queued"
        assert glance.files() == []
        assert glance.upload(image["id"], b"x" * 1000).status_code == 204
    finally:
        glance.stop()


def test_lost_bytes_are_told_not_hidden(glance: Glance) -> None:
    image = glance.active(b"data")
    vault(glance.services).store.delete(image["id"])
    answer = glance("GET", image["file"])
    assert answer.status_code == 503
    assert image["id"] in answer.json()["message"]


@pytest.mark.thorough
def test_a_large_image_passes_through_little_memory(glance: Glance) -> None:
    size, chunk = 200 << 20, b"\x5a" * (1 << 20)
    image = glance.image()
    before = _restarted_peak()
    assert glance.upload(image["id"], (chunk for _ in range(size // len(chunk)))).status_code == 204
    assert glance.show(image["id"])["size"] == size
    digest, read = hashlib.md5(), 0
    with glance.client.stream("GET", image["file"], headers={"X-Auth-Token": ALICE}) as answer:
        for piece in answer.iter_bytes():
            digest.update(piece)
            read += len(piece)
    assert (read, digest.hexdigest()) == (size, glance.show(image["id"])["checksum"])
    assert _peak_memory() - before < 80 << 20


def _restarted_peak() -> int:
    # 5 sets the peak back to what is in use now.
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_memory()


def _peak_memory() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
