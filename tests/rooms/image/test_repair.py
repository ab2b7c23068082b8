"""After a crash nothing is lost, stuck or left over; and a repair never touches what is alive."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from stackyard.kernel.storage.shared_locks import SharedLocks
from stackyard.rooms.image import reconcile
from stackyard.rooms.image.claims import Claims
from stackyard.rooms.image.driver import NoData, Stored
from stackyard.rooms.image.drivers.files import FileStore
from stackyard.rooms.image.resources.image import resource, store
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
    held = vault(glance.services).store
    held.put("0f7a2c1e-0000-4000-8000-000000000000", iter([b"orphan"]))
    held.put(staged("0f7a2c1e-0000-4000-8000-000000000000"), iter([b"orphan"]))
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


def _copies(glance: Glance) -> list[tuple[str, str]]:
    with glance.database.read() as tx:
        return [(each.key, each.store) for each in store.copies(glance.work(tx, "ops"))]


def test_data_of_a_version_that_recorded_no_copies_is_served_and_recorded(glance: Glance) -> None:
    image = glance.active(b"old")
    with glance.database.write() as tx:
        tx.delete(store.COPIES)
    assert glance("GET", f"/v2/images/{image['id']}/file").content == b"old"
    assert [each.kind for each in reconcile.check(glance.services)] == ["image.unrecorded"]
    assert len(reconcile.run(glance.services).repaired) == 1
    assert _copies(glance) == [(image["id"], vault(glance.services).store.id)]
    assert glance.files() == [image["id"]]
    assert reconcile.check(glance.services) == []


@pytest.mark.parametrize(("left", "kept"), [(b"good data", True), (b"other one", False)])
def test_what_a_crash_left_of_another_servers_image_is_proved_and_kept_or_removed(
    glance: Glance, left: bytes, kept: bool
) -> None:
    image = glance.active(b"good data")
    held = vault(glance.services).store
    with glance.database.write() as tx:
        tx.update(store.COPIES, {"store": "another", "host": "elsewhere"}, key=image["id"])
    held.put(image["id"], iter([left]))
    assert len(reconcile.run(glance.services).repaired) == 1
    assert (glance.files() == [image["id"]]) == kept
    assert _copies(glance) == [(image["id"], "another")] + [(image["id"], held.id)] * kept
    assert reconcile.check(glance.services) == []


def test_data_of_a_restored_image_of_another_size_is_reported_and_touched_by_nobody(glance: Glance) -> None:
    image = glance.active(b"whole")
    with glance.database.write() as tx:
        tx.delete(store.COPIES)
    vault(glance.services).store.put(image["id"], iter([b"cut"]))
    assert reconcile.run(glance.services).repaired == []
    assert [each.kind for each in reconcile.check(glance.services)] == ["image.unrecorded"]
    assert glance.files() == [image["id"]]


def test_a_copy_that_was_lost_is_forgotten_while_others_have_the_data(glance: Glance) -> None:
    image = glance.active()
    with glance.database.write() as tx:
        store.add_copy(glance.work(tx, "ops"), image["id"], "another", "elsewhere")
    vault(glance.services).store.delete(image["id"])
    assert [each.kind for each in reconcile.check(glance.services)] == ["image.lost"]
    assert len(reconcile.run(glance.services).repaired) == 1
    assert _copies(glance) == [(image["id"], "another")]
    assert reconcile.check(glance.services) == []


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
        "import time, pathlib, sqlalchemy; from stackyard.kernel.storage.shared_locks import SharedLocks;"
        "from stackyard.rooms.image.claims import Claims; locks = SharedLocks(sqlalchemy.create_engine('sqlite://'));"
        f"claim = Claims(pathlib.Path({str(tmp_path)!r}), locks).take('image');"
        "print(bool(claim), flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        claims = Claims(tmp_path, SharedLocks(sa.create_engine("sqlite://")))
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
