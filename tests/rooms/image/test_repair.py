"""After a crash nothing is lost, stuck or left over; and a repair never touches what is alive."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stackyard.rooms.image import reconcile
from stackyard.rooms.image.claims import Claims
from stackyard.rooms.image.driver import NoData, Stored
from stackyard.rooms.image.drivers.files import FileStore
from stackyard.rooms.image.resources.image import resource
from stackyard.rooms.image.vault import staged, vault
from tests.rooms.image.glance import ALICE, OCTETS, Glance, wait_until


def _set_status(glance: Glance, image_id: str, status: str) -> None:
    with glance.database.write() as tx:
        tx.update(resource.IMAGE.table, {"status": status}, id=image_id)


def test_a_sound_store_needs_no_repair(glance: Glance) -> None:
    glance.active()
    glance.image()
    assert reconcile.check(glance.services) == []
    assert reconcile.run(glance.services).repaired == []


def test_an_upload_that_died_in_the_middle_is_undone(glance: Glance) -> None:
    image = glance.image()
    _set_status(glance, image["id"], "saving")
    (glance.folder / "images" / ".partial" / image["id"]).write_bytes(b"half")
    assert {each.kind for each in reconcile.check(glance.services)} == {"image.stuck", "image.remains"}
    assert len(reconcile.run(glance.services).repaired) == 2
    assert glance.show(image["id"])["status"] == "queued"
    assert glance.files() == []
    assert reconcile.check(glance.services) == []
    assert reconcile.run(glance.services).repaired == []


def test_an_upload_that_died_before_it_was_recorded_is_undone(glance: Glance) -> None:
    image = glance.image()
    _set_status(glance, image["id"], "saving")
    vault(glance.services).store.put(image["id"], iter([b"whole"]))
    reconcile.run(glance.services)
    reconcile.run(glance.services)
    assert glance.show(image["id"])["status"] == "queued"
    assert glance.files() == []
    assert glance.upload(image["id"], b"again").status_code == 204


def test_bytes_without_an_image_are_removed_and_those_of_images_kept(glance: Glance) -> None:
    kept = glance.active(b"kept")
    store = vault(glance.services).store
    store.put("0f7a2c1e-0000-4000-8000-000000000000", iter([b"orphan"]))
    store.put(staged("0f7a2c1e-0000-4000-8000-000000000000"), iter([b"orphan"]))
    report = reconcile.run(glance.services)
    assert len(report.repaired) == 2
    assert glance.files() == [kept["id"]]


def test_missing_bytes_are_reported_and_the_image_kept(glance: Glance) -> None:
    image = glance.active()
    vault(glance.services).store.delete(image["id"])
    found = reconcile.check(glance.services)
    assert [(each.kind, each.object_id) for each in found] == [("image.missing", image["id"])]
    report = reconcile.run(glance.services)
    assert (report.repaired, len(report.failed)) == ([], 1)
    assert glance.show(image["id"])["status"] == "active"


def test_what_somebody_is_writing_is_left_alone(glance: Glance) -> None:
    image = glance.image()
    _set_status(glance, image["id"], "saving")
    part = glance.folder / "images" / ".partial" / image["id"]
    part.write_bytes(b"half")
    claim = vault(glance.services).claims.take(image["id"])
    assert claim is not None
    with claim:
        assert reconcile.check(glance.services) == []
        assert reconcile.run(glance.services).repaired == []
        assert glance.show(image["id"])["status"] == "saving"
    assert len(reconcile.run(glance.services).repaired) == 2


def test_a_killed_process_gives_its_claim_back(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from stackyard.rooms.image.claims import Claims;"
        f"claim = Claims(pathlib.Path({str(tmp_path)!r})).take('image'); print(bool(claim), flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        claims = Claims(tmp_path)
        assert claims.take("image") is None
        assert claims.take("another") is not None
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    claim = claims.take("image")
    assert claim is not None
    claim.release()
    claim.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_a_server_killed_in_the_middle_of_an_upload_leaves_nothing_behind(tmp_path: Path, database_url: str) -> None:
    command = [sys.executable, "-m", "tests.rooms.image.glance", str(tmp_path), database_url]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    after = Glance(tmp_path)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        headers = {"X-Auth-Token": ALICE}
        body = {"name": "x", "disk_format": "raw", "container_format": "bare"}
        image = httpx.post(f"{url}/image/v2/images", json=body, headers=headers).json()
        whole = httpx.post(f"{url}/image/v2/images", json=body, headers=headers).json()
        octets = {**headers, "Content-Type": OCTETS}
        assert httpx.put(f"{url}/image{whole['file']}", content=b"whole", headers=octets).status_code == 204
        with pytest.raises(httpx.HTTPError):
            httpx.put(
                f"{url}/image{image['file']}", content=_until_killed(server, tmp_path, image["id"]), headers=octets
            )
        server.wait(30)
        after.start()
        assert after.show(image["id"])["status"] == "saving"
        reconcile.run(after.services)
        assert after.show(image["id"])["status"] == "queued"
        assert after.files() == [whole["id"]]
        assert after("GET", whole["file"]).content == b"whole"
        assert reconcile.check(after.services) == []
    finally:
        server.kill()
        server.wait()
        after.stop()


def _until_killed(server: "subprocess.Popen[str]", folder: Path, image_id: str) -> Iterator[bytes]:
    yield b"x" * 500_000
    part = folder / "images" / ".partial" / image_id
    wait_until(part.exists)
    server.kill()
    for _ in range(1000):
        yield b"x" * 500_000


def test_a_store_keeps_whole_objects_or_none(tmp_path: Path) -> None:
    store = FileStore(tmp_path)

    def broken() -> Iterator[bytes]:
        yield b"first"
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        store.put("key", broken())
    assert (store.inventory(), store.unfinished(), store.size("key")) == ([], [], None)
    with pytest.raises(NoData):
        store.open("key")
    assert store.put("key", iter([b"abc", b"", b"def"])) == 6
    assert store.inventory() == [Stored("key", 6)]
    reader = store.open("key", 2, 3)
    store.delete("key")
    store.delete("key")
    assert b"".join(reader) == b"cde"


@pytest.mark.parametrize("key", ["", "../up", "a/b", ".hidden", "a\0b"])
def test_a_store_refuses_keys_that_leave_its_directory(tmp_path: Path, key: str) -> None:
    store = FileStore(tmp_path)
    for call in (store.open, store.size, store.delete, store.discard):
        with pytest.raises(ValueError, match="not a key"):
            call(key)
    with pytest.raises(ValueError, match="not a key"):
        store.put(key, iter([b"x"]))
