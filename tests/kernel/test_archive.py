"""Backup while servers write, restore to the very same cloud, and every archive that must be refused."""

import hashlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from stackyard.assemble import rooms
from stackyard.cli.main import main
from stackyard.cli.serve import only_server
from stackyard.kernel.errors import BadRequest, Conflict
from stackyard.kernel.settings import Settings, load, save
from stackyard.kernel.storage import archive, migrations, snapshots
from stackyard.kernel.storage.database import Database, table
from stackyard.kernel.storage.scratch import scratch
from stackyard.testing.postgres import postgres

NOTES = table("notes", sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False))
IMAGE = b"image data" * 10_000


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """A cloud at rest."""
    return at_rest(tmp_path / "state", database_url)


def at_rest(state: Path, database_url: str) -> Settings:
    """A cloud with a migrated database with a row, its secret, an image, and what does not belong into an archive."""
    chosen = Settings(state_dir=state, database=database_url, region="Moon")
    save(chosen)
    for name, data in {
        "policy/0": b"one", "policy/1": b"two", "images/one": IMAGE, "clouds.yaml": b"clouds: {}",
        "cloud.secret": b"secret",
        "images/.partial/two": b"half", "logs/server.log": b"line", "engine/data": b"layers", "server.lock": b"",
    }.items():  # fmt: skip
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    database = Database(database_url)
    migrations.upgrade(database, rooms())
    with database.write() as tx:
        NOTES.create(tx.connection)
        tx.insert(NOTES, {"number": 1})
    database.close()
    return chosen


@pytest.fixture
def made(settings: Settings, tmp_path: Path) -> Path:
    """Its archive."""
    path = tmp_path / "cloud.tar"
    archive.backup(settings, path)
    return path


def notes(url: str) -> list[int]:
    database = Database(url)
    try:
        with database.read() as tx:
            return sorted(row.number for row in tx.find(NOTES))
    finally:
        database.close()


def note(url: str, number: int) -> None:
    database = Database(url)
    with database.write() as tx:
        tx.insert(NOTES, {"number": number})
    database.close()


def test_only_its_owner_can_read_an_archive_and_it_holds_what_a_cloud_is(settings: Settings, made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    with tarfile.open(made) as tar:
        assert sorted(tar.getnames()) == [
            "database", "manifest.json", "state/cloud.secret", "state/clouds.yaml", "state/images/one",
            "state/policy/0", "state/policy/1", "state/settings.json",
        ]  # fmt: skip
    assert not list(settings.state_dir.glob(".archive-*"))


def test_an_archive_brings_back_what_was_changed_since(settings: Settings, made: Path) -> None:
    note(settings.database_url, 2)
    (settings.state_dir / "policy" / "1").write_bytes(b"other")
    (settings.state_dir / "images" / "one").unlink()
    archive.restore(made, settings.state_dir)
    assert notes(settings.database_url) == [1]
    assert (settings.state_dir / "policy" / "1").read_bytes() == b"two"
    assert (settings.state_dir / "images" / "one").read_bytes() == IMAGE
    assert load(settings.state_dir) == settings
    assert (settings.state_dir / "logs" / "server.log").read_bytes() == b"line"
    database = Database(settings.database_url)
    assert not migrations.upgrade(database, rooms())
    database.close()


def test_what_a_restore_replaces_is_kept_and_can_be_restored_itself(settings: Settings, made: Path) -> None:
    note(settings.database_url, 2)
    (settings.state_dir / "policy" / "1").write_bytes(b"newer")
    archive.restore(made, settings.state_dir)
    (kept,) = settings.state_dir.glob("before-restore-*.tar")
    archive.restore(kept, settings.state_dir)
    assert notes(settings.database_url) == [1, 2]
    assert (settings.state_dir / "policy" / "1").read_bytes() == b"newer"


def test_a_cloud_comes_back_in_another_folder(
    settings: Settings, made: Path, tmp_path: Path, own_database: Callable[[str], str]
) -> None:
    other = tmp_path / "other"
    archive.restore(made, other, own_database(f"sqlite:///{tmp_path}/other.db"))
    restored = load(other)
    assert restored is not None
    assert (restored.state_dir, restored.region, restored.cloud_id) == (other, "Moon", settings.cloud_id)
    assert notes(restored.database_url) == [1]
    assert stat.S_IMODE((other / "policy" / "1").stat().st_mode) == 0o600


def test_a_backup_of_a_busy_cloud_is_one_moment_of_it(settings: Settings, tmp_path: Path) -> None:
    """Whatever is in it was committed in order: no number without all before it."""
    database, stop = Database(settings.database_url), threading.Event()

    def write() -> None:
        number = 1
        while not stop.is_set():
            number += 1
            with database.write() as tx:
                tx.insert(NOTES, {"number": number})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        archive.backup(settings, tmp_path / "busy.tar")
    finally:
        stop.set()
        thread.join()
        database.close()
    before = notes(settings.database_url)
    archive.restore(tmp_path / "busy.tar", settings.state_dir)
    found = notes(settings.database_url)
    assert found == before[: len(found)]
    assert found[0] == 1


@pytest.mark.parametrize("moment", ["put_back", "_put_in_place"])
def test_after_a_restore_that_was_killed_one_more_makes_it_whole(
    settings: Settings, made: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    note(settings.database_url, 2)
    (settings.state_dir / "policy" / "1").write_bytes(b"newer")
    with monkeypatch.context() as patched:
        patched.setattr(archive if moment == "_put_in_place" else snapshots, moment, die)
        killed(lambda: archive.restore(made, settings.state_dir))
    assert len(list(settings.state_dir.glob(".archive-*"))) == 1
    archive.restore(made, settings.state_dir)
    assert notes(settings.database_url) == [1]
    assert (settings.state_dir / "policy" / "1").read_bytes() == b"two"
    assert not list(settings.state_dir.glob(".archive-*")), "keys and passwords are not left about"


def test_a_backup_that_was_killed_leaves_no_archive_and_what_it_left_goes_with_the_next(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", die)
        killed(lambda: archive.backup(settings, shelf / "cloud.tar", images=False))
    assert not (shelf / "cloud.tar").exists()
    archive.backup(settings, shelf / "cloud.tar")
    assert [each.name for each in shelf.iterdir()] == ["cloud.tar"]
    assert not list(settings.state_dir.glob(".archive-*"))


def die(*arguments: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(what: Callable[[], object]) -> None:
    """Do it in a process that dies of it."""
    child = os.fork()
    if not child:
        try:
            what()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_two_at_once_leave_each_others_work_alone(tmp_path: Path) -> None:
    with scratch(tmp_path) as one, scratch(tmp_path) as two:
        assert one.is_dir()
        assert two.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_files_on_a_shared_disk_are_in_the_archive(settings: Settings, tmp_path: Path) -> None:
    folder = settings.state_dir / "policy"
    folder.rename(tmp_path / "shared")
    folder.symlink_to(tmp_path / "shared")
    manifest = archive.backup(settings, tmp_path / "shared.tar")
    assert {"state/policy/0", "state/policy/1"} <= manifest.files.keys()
    (tmp_path / "shared" / "1").write_bytes(b"other")
    archive.restore(tmp_path / "shared.tar", settings.state_dir)
    assert (tmp_path / "shared" / "1").read_bytes() == b"two"


def test_an_archive_is_never_written_over_another_file(settings: Settings, made: Path) -> None:
    before = made.read_bytes()
    with pytest.raises(Conflict, match="exists already"):
        archive.backup(settings, made)
    assert made.read_bytes() == before


# ---------------------------------------------------------------------------------------------------- what is refused


def _flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def test_an_archive_with_a_changed_byte_changes_nothing(settings: Settings, made: Path) -> None:
    note(settings.database_url, 2)
    place = made.read_bytes().index(IMAGE[:100])
    _flipped(made, place + 500)
    with pytest.raises(BadRequest, match="images/one"):
        archive.restore(made, settings.state_dir)
    assert notes(settings.database_url) == [1, 2]
    assert not list(settings.state_dir.glob(".archive-*"))


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_an_archive_that_was_cut_off_changes_nothing(settings: Settings, made: Path, part: float) -> None:
    note(settings.database_url, 2)
    data = made.read_bytes()
    made.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(BadRequest):
        archive.restore(made, settings.state_dir)
    assert notes(settings.database_url) == [1, 2]


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "state/../../evil", "elsewhere/evil"])
def test_an_archive_writes_nowhere_but_into_the_state_folder(
    settings: Settings, made: Path, tmp_path: Path, name: str
) -> None:
    evil, source = tmp_path / "evil.tar", tmp_path / "payload"
    source.write_bytes(b"x")
    with tarfile.open(made) as tar, tarfile.open(evil, "w") as forged:
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
        manifest["files"] = {name: {"size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}}
        (tmp_path / "manifest").write_text(json.dumps(manifest))
        forged.add(tmp_path / "manifest", "manifest.json")
        member = forged.gettarinfo(source)
        member.name = name
        with source.open("rb") as payload:
            forged.addfile(member, payload)
    with pytest.raises(BadRequest, match="does not name"):
        archive.restore(evil, settings.state_dir)
    assert not (tmp_path / "evil").exists()


def test_a_file_that_is_no_archive_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(BadRequest, match="no archive"):
        archive.restore(tmp_path / "text", settings.state_dir)


def test_the_commands_say_what_they_did_and_refuse_a_running_server(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, file = ["--state", str(settings.state_dir)], str(tmp_path / "cloud.tar")
    assert main(["db", "upgrade", *state]) == 0
    assert "nothing to do" in capsys.readouterr().out
    with only_server(settings.state_dir):
        assert main(["db", "backup", file, *state]) == 0
        assert "7 files" in capsys.readouterr().out
        for verb in (["upgrade"], ["restore", file]):
            assert main(["db", *verb, *state]) == 2
            assert "another server uses" in capsys.readouterr().err
    assert main(["db", "restore", file, *state]) == 0
    assert "stackyard up" in capsys.readouterr().out


def test_what_nobody_would_keep_is_not_replaced(settings: Settings, made: Path, tmp_path: Path) -> None:
    """A fresh folder knows nothing of the database that it is told of, be it by the archive or by hand."""
    note(settings.database_url, 2)
    with pytest.raises(Conflict, match="holds something already"):
        archive.restore(made, tmp_path / "fresh", settings.database_url)
    assert notes(settings.database_url) == [1, 2]
    assert not list((tmp_path / "fresh").iterdir())


def test_an_archive_of_a_newer_version_is_refused(
    settings: Settings, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = tmp_path / "newer.tar"
    with tarfile.open(made) as tar, tarfile.open(newer, "w") as forged:
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
        manifest |= {"stackyard": "9.1", "revisions": [*manifest["revisions"], "image_0999"]}
        (tmp_path / "manifest").write_text(json.dumps(manifest))
        forged.add(tmp_path / "manifest", "manifest.json")
    assert main(["db", "restore", str(newer), "--state", str(settings.state_dir)]) == 2
    said = capsys.readouterr().err
    assert "Stackyard 9.1 made the archive" in said
    assert "(image_0999)" in said


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of an SQLite database, whatever databases the tests are run on, with its archive beside its folder."""
    state = tmp_path / "files"
    save(Settings(state_dir=state))
    for words in (["upgrade"], ["backup", str(tmp_path / "files.tar")]):
        assert command(state, *words).returncode == 0
    return state / "stackyard.db"


def command(state: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """`stackyard db`, in a process of its own."""
    whole = [sys.executable, "-m", "stackyard.cli.main", "db", *words, "--state", str(state)]
    return subprocess.run(whole, check=False, capture_output=True, text=True)


@pytest.mark.thorough
def test_a_file_that_somebody_has_open_is_not_replaced(file: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(file)) as elsewhere:
        assert elsewhere.execute("SELECT 1 FROM alembic_version").fetchone()
        refused = command(file.parent, "restore", str(tmp_path / "files.tar"))
    assert refused.returncode == 2
    assert refused.stderr == f"stackyard db: A server uses the database {file}. Stop it first.\n"
    assert command(file.parent, "restore", str(tmp_path / "files.tar")).returncode == 0


@pytest.mark.thorough
def test_a_damaged_file_is_not_lost_either(file: Path, tmp_path: Path) -> None:
    damaged = b"no database" * 1000
    file.write_bytes(damaged)
    for words in (["restore", str(tmp_path / "files.tar")], ["backup", str(tmp_path / "more.tar")]):
        refused = command(file.parent, *words)
        assert refused.returncode == 2
        assert f"The database {file} cannot be copied: file is not a database. If it is damaged, put" in refused.stderr
    assert file.read_bytes() == damaged
    file.rename(tmp_path / "damaged")
    assert command(file.parent, "restore", str(tmp_path / "files.tar")).returncode == 0
    assert command(file.parent, "upgrade").stdout.startswith("nothing to do")


@pytest.mark.thorough
def test_settings_that_cannot_be_read_are_said_to_be(file: Path, tmp_path: Path) -> None:
    (file.parent / "settings.json").write_text("{")
    refused = command(file.parent, "restore", str(tmp_path / "files.tar"))
    assert refused.returncode == 2
    assert f"{file.parent}/settings.json holds no settings of a cloud: Input data was truncated." in refused.stderr


@pytest.mark.thorough
def test_a_database_in_use_by_another_server_is_not_replaced(tmp_path: Path) -> None:
    """PostgreSQL's servers may be anywhere; SQLite's are kept out by the lock on their folder."""
    with postgres() as server:
        settings = at_rest(tmp_path / "state", server.database("busy"))
        archive.backup(settings, tmp_path / "cloud.tar")
        database = Database(settings.database_url)
        note(settings.database_url, 2)
        with database.read() as tx:
            tx.value(sa.select(NOTES.c.number))
            with pytest.raises(Conflict, match="sessions"):
                archive.restore(tmp_path / "cloud.tar", settings.state_dir)
        database.close()
        assert notes(settings.database_url) == [1, 2]
