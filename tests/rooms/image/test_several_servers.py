"""Several servers of one cloud: each serves every image, whichever of them has its data."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from stackyard.hosts import container_image
from stackyard.node.memory import pair as pair_of_ends
from stackyard.node.runtime import Node
from stackyard.rooms.image.driver import SharedStore
from stackyard.testing.cloud import FACTS, RunningCloud
from stackyard.testing.postgres import Postgres, postgres
from tests.rooms.image.yard import IMAGES, got, kept, made, sent, uploaded
from tests.servers import Process, eventually, joins, server, settings_of

pytestmark = pytest.mark.thorough

#: More than a link holds unread, so that who stops sending leaves the other with a part.
LARGE = os.urandom(1 << 20) * 64


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(scope="module")
def pair(database: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, RunningCloud]]:
    """Two servers of one cloud; the first can be killed."""
    folder, url = tmp_path_factory.mktemp("pair"), database.database("pair")
    first = Process(folder / "one", "one", settings_of(url))
    first.folder.mkdir()
    first.start()
    try:
        joined = joins(first.folder, folder / "two")
        with server(joined, "two", settings_of(url)) as second:
            yield first, second
    finally:
        first.end()


@pytest.fixture
def one(pair: tuple[Process, RunningCloud]) -> Iterator[Process]:
    """The first server, connected with the second; without images afterwards."""
    first, second = pair
    first.start()
    eventually(lambda: set(second.cloud.nodes.names()) == {"one", "two"})
    yield first
    first.start()
    for each in second.admin.get(IMAGES)["images"]:
        second.admin("DELETE", f"{IMAGES}/{each['id']}", ok=204)
    eventually(lambda: kept(first.folder) == kept(_folder(second)) == [])


@pytest.fixture
def two(pair: tuple[Process, RunningCloud]) -> RunningCloud:
    """The second server."""
    return pair[1]


@pytest.fixture
def url(database: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database."""
    name = f"d{abs(hash(request.node.name)) % 10**8}"
    yield database.database(name)
    database.drop(name)


def _folder(running: RunningCloud) -> Path:
    return running.settings.state_dir


def test_any_server_serves_what_another_has_and_keeps_a_copy(one: Process, two: RunningCloud) -> None:
    image_id = uploaded(one.demo, LARGE)
    assert kept(_folder(two)) == []
    answer = got(two.demo, image_id)
    assert (answer.status_code, answer.content == LARGE) == (200, True)
    assert answer.headers["Content-MD5"] == hashlib.md5(LARGE).hexdigest()
    assert kept(_folder(two)) == [image_id]
    one.send(signal.SIGKILL)
    assert got(two.demo, image_id).content == LARGE
    assert two.cloud.reconcilers.run_once("image").repaired == []


def test_a_range_of_what_another_server_has(one: Process, two: RunningCloud) -> None:
    image_id = uploaded(one.demo, b"0123456789")
    answer = got(two.demo, image_id, Range="bytes=2-4")
    assert (answer.status_code, answer.content) == (206, b"234")
    assert answer.headers["Content-Range"] == "bytes 2-4/10"


def test_many_who_ask_at_once_wait_for_one_copy(one: Process, two: RunningCloud) -> None:
    image_id = uploaded(one.demo, LARGE)
    demo, before = two.demo, _copied(two)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: got(demo, image_id), range(8)))
    assert {each.status_code for each in answers} == {200}
    assert all(each.content == LARGE for each in answers)
    assert _copied(two) == before + 1


def _copied(running: RunningCloud) -> float:
    """How often it has asked other servers for data."""
    labels = {"driver": "image", "method": "open", "outcome": "ok"}
    registry = running.cloud.database.observer.metrics.registry
    return registry.get_sample_value("stackyard_driver_call_duration_seconds_count", labels) or 0


def test_while_the_server_that_has_it_is_away_the_answer_says_which_it_is(one: Process, two: RunningCloud) -> None:
    image_id = uploaded(one.demo, b"data")
    one.send(signal.SIGKILL)
    eventually(lambda: two.cloud.nodes.names() == ["two"])
    answer = got(two.demo, image_id)
    assert answer.status_code == 503
    assert "server one is not connected to this one" in answer.json()["message"]
    assert "Try again when that server is back" in answer.json()["message"]
    assert answer.headers["Retry-After"] == "10"
    one.start()
    eventually(lambda: "one" in two.cloud.nodes.names())
    assert got(two.demo, image_id).content == b"data"


def test_a_server_killed_while_it_sends_leaves_the_other_with_nothing_and_a_reason(
    one: Process, two: RunningCloud
) -> None:
    image_id = uploaded(one.demo, LARGE)
    asked = _in_background(got, two.demo, image_id)
    partial = _folder(two) / "images" / ".partial" / image_id
    eventually(lambda: partial.exists() and partial.stat().st_size > 0)
    one.send(signal.SIGSTOP)
    time.sleep(0.2)
    assert not asked.done(), "no byte is given before the whole of it is proved"
    one.send(signal.SIGKILL)
    answer = asked.result(30)
    assert answer.status_code == 503
    assert "server one broke off" in answer.json()["message"]
    assert kept(_folder(two)) == []
    one.start()
    eventually(lambda: "one" in two.cloud.nodes.names())
    assert got(two.demo, image_id).content == LARGE


def test_a_server_killed_while_it_copies_leaves_nothing_behind(one: Process, two: RunningCloud) -> None:
    image_id = uploaded(two.demo, LARGE)
    eventually(lambda: got(one.demo, uploaded(two.demo, b"")).status_code == 200)
    asked = _in_background(got, one.demo, image_id)
    partial = one.folder / "images" / ".partial" / image_id
    eventually(lambda: partial.exists() and partial.stat().st_size > 0)
    one.send(signal.SIGKILL)
    with pytest.raises(httpx.HTTPError):
        asked.result(30)
    assert f".partial/{image_id}" in kept(one.folder)
    one.start()
    eventually(lambda: f".partial/{image_id}" not in kept(one.folder))
    eventually(lambda: got(one.demo, image_id).content == LARGE)


def test_what_is_not_what_was_uploaded_is_not_given_to_anybody(one: Process, two: RunningCloud) -> None:
    image_id = uploaded(one.demo, LARGE)
    with (one.folder / "images" / image_id).open("r+b") as file:
        file.write(b"X")
    answer = got(two.demo, image_id)
    assert answer.status_code == 503
    assert "its hash is not that of the data that was uploaded" in answer.json()["message"]
    assert kept(_folder(two)) == []


class _Forged:
    """A store of a machine that says it were another's."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.asked: list[str] = []

    def open(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.asked.append(key)
        yield b"forged"


def test_a_machine_that_is_only_a_node_is_never_asked_for_data_whatever_it_says(
    one: Process, two: RunningCloud
) -> None:
    image_id = made(two.demo)
    sent(one.demo, image_id, b"staged", "stage")
    other = uploaded(one.demo, b"data")
    forged = _Forged((one.folder / "images" / "store.id").read_text())
    facts = msgspec.structs.replace(FACTS, hostname="evil")
    node = Node("evil", {"image": forged}, {"image": SharedStore}, lambda: facts)
    ours, theirs = pair_of_ends()
    two.cloud.nodes.attach(ours, "evil")
    node.connect(theirs)
    try:
        assert two.cloud.nodes.wait_for("evil", 10)
        one.send(signal.SIGKILL)
        eventually(lambda: "one" not in two.cloud.nodes.names())
        assert got(two.demo, other).status_code == 503
        two.demo.post(f"{IMAGES}/{image_id}/import", {"method": {"name": "glance-direct"}}, ok=202)
        eventually(lambda: "server one, which is not connected" in _why(two, image_id))
        assert forged.asked == []
    finally:
        node.close()
    one.start()
    eventually(lambda: two.demo.get(f"{IMAGES}/{image_id}")["status"] == "active", within=60)


def test_a_server_whose_machine_has_another_name_since_is_found(tmp_path: Path, url: str) -> None:
    first, told = tmp_path / "one", settings_of(url)
    first.mkdir()
    with server(first, "one", told) as one:
        image_id = uploaded(one.demo, b"data")
        folder = joins(first, tmp_path / "two")
    with server(first, "renamed", told), server(folder, "two", settings_of(url)) as two:
        eventually(lambda: set(two.cloud.nodes.names()) == {"renamed", "two"})
        assert got(two.demo, image_id).content == b"data"


def test_a_deletion_removes_the_copies_of_all_servers(one: Process, two: RunningCloud) -> None:
    image_id = uploaded(one.demo, b"data")
    got(two.demo, image_id)
    assert kept(one.folder) == kept(_folder(two)) == [image_id]
    two.demo("DELETE", f"{IMAGES}/{image_id}", ok=204)
    eventually(lambda: kept(one.folder) == kept(_folder(two)) == [])


def test_copies_of_a_server_that_was_away_are_removed_when_it_is_back(one: Process, two: RunningCloud) -> None:
    image_id = uploaded(one.demo, b"data")
    one.send(signal.SIGKILL)
    two.demo("DELETE", f"{IMAGES}/{image_id}", ok=204)
    assert kept(one.folder) == [image_id]
    one.start()
    eventually(lambda: kept(one.folder) == [])


def test_an_image_deleted_while_it_is_copied_is_gone_everywhere(one: Process, two: RunningCloud) -> None:
    image_id = uploaded(one.demo, LARGE)
    demo = two.demo
    asked = _in_background(got, demo, image_id)
    partial = _folder(two) / "images" / ".partial" / image_id
    eventually(partial.exists)
    one.send(signal.SIGSTOP)
    demo("DELETE", f"{IMAGES}/{image_id}", ok=204)
    one.send(signal.SIGCONT)
    assert asked.result(30).status_code == 404
    eventually(lambda: kept(one.folder) == kept(_folder(two)) == [])


@pytest.fixture
def listener_and_worker(tmp_path: Path, url: str) -> Iterator[tuple[RunningCloud, RunningCloud]]:
    """Two servers, the first of which performs no operations."""
    first = tmp_path / "one"
    first.mkdir()
    with server(first, "one", settings_of(url), threads=0) as one:
        folder = joins(first, tmp_path / "two")
        with server(folder, "two", settings_of(url)) as two:
            eventually(lambda: set(two.cloud.nodes.names()) == {"one", "two"})
            yield one, two


def test_what_was_staged_at_one_server_is_imported_by_another(
    listener_and_worker: tuple[RunningCloud, RunningCloud],
) -> None:
    one, two = listener_and_worker
    image_id = made(one.demo)
    sent(one.demo, image_id, b"staged", "stage")
    assert kept(_folder(one)) == [f"{image_id}.staged"]
    one.demo.post(f"{IMAGES}/{image_id}/import", {"method": {"name": "glance-direct"}}, ok=202)
    eventually(lambda: two.demo.get(f"{IMAGES}/{image_id}")["status"] == "active")
    assert kept(_folder(two)) == [image_id]
    one.cloud.reconcilers.run_once("image")
    assert kept(_folder(one)) == []
    assert got(one.demo, image_id).content == b"staged"


def test_a_container_starts_from_an_image_that_another_server_has(
    listener_and_worker: tuple[RunningCloud, RunningCloud],
) -> None:
    one, two = listener_and_worker
    archive = b"".join(container_image.saved("mine:1", b"a program", {"Cmd": ["/mine"]}))
    image_id = uploaded(one.demo, archive, name="mine", container_format="docker")
    asked = {"name": "mine", "image": image_id, "image_driver": "glance", "nets": []}
    uuid = one.demo.post("/container/v1/containers?run=true", asked, ok=202)["uuid"]
    eventually(lambda: two.demo.get(f"/container/v1/containers/{uuid}")["status"] == "Running")
    assert kept(_folder(one)) == kept(_folder(two)) == [image_id]


def test_an_import_waits_for_the_server_that_the_data_was_staged_at(one: Process, two: RunningCloud) -> None:
    image_id = made(two.demo)
    sent(one.demo, image_id, b"staged", "stage")
    one.send(signal.SIGKILL)
    two.demo.post(f"{IMAGES}/{image_id}/import", {"method": {"name": "glance-direct"}}, ok=202)
    eventually(lambda: "The staged data is on server one, which is not connected" in _why(two, image_id))
    assert two.demo.get(f"{IMAGES}/{image_id}")["status"] == "importing"
    one.start()
    eventually(lambda: two.demo.get(f"{IMAGES}/{image_id}")["status"] == "active", within=60)
    assert got(two.demo, image_id).content == b"staged"
    eventually(lambda: f"{image_id}.staged" not in kept(one.folder))


def _why(running: RunningCloud, image_id: str) -> str:
    from stackyard.kernel.journal import why

    with running.cloud.database.read() as tx:
        return "\n".join(each.text() for each in why(tx, running.cloud.book, image_id))


def test_an_upload_is_alive_for_all_servers_as_long_as_its_own_lives(one: Process, two: RunningCloud) -> None:
    image_id = made(one.demo)
    going_on = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"half"
        going_on.wait(30)
        yield b"whole"

    sending = _in_background(sent, one.demo, image_id, slowly())
    eventually(lambda: two.demo.get(f"{IMAGES}/{image_id}")["status"] == "saving")
    assert two.cloud.reconcilers.run_once("image").repaired == []
    assert two.demo.get(f"{IMAGES}/{image_id}")["status"] == "saving"
    one.send(signal.SIGKILL)
    eventually(lambda: two.cloud.reconcilers.run_once("image").repaired != [])
    assert two.demo.get(f"{IMAGES}/{image_id}")["status"] == "queued"
    going_on.set()
    with pytest.raises(httpx.HTTPError):
        sending.result(30)
    sent(two.demo, image_id, b"again")
    one.start()
    eventually(lambda: got(one.demo, image_id).content == b"again")
    assert kept(one.folder) == [image_id]


def test_an_upload_during_which_the_database_went_away_is_not_taken(
    database: Postgres, one: Process, two: RunningCloud
) -> None:
    demo = two.demo
    image_id = made(demo)

    def interrupted() -> Iterator[bytes]:
        yield b"half"
        database.stop()
        database.start()
        yield b"whole"

    answer = demo.http.put(
        f"{IMAGES}/{image_id}/file", content=interrupted(), headers={"Content-Type": "application/octet-stream"}
    )
    assert answer.status_code == 503
    eventually(lambda: two.demo.get(f"{IMAGES}/{image_id}")["status"] == "queued")
    assert kept(_folder(two)) == []


def test_servers_that_share_a_folder_have_one_store(tmp_path: Path, url: str) -> None:
    first, shared = tmp_path / "one", tmp_path / "shared"
    first.mkdir()
    shared.mkdir()
    (first / "images").symlink_to(shared)
    with server(first, "one", settings_of(url)) as one:
        folder = joins(first, tmp_path / "two")
        (folder / "images").symlink_to(shared)
        with server(folder, "two", settings_of(url)) as two:
            image_id = uploaded(one.demo, b"data")
            assert got(two.demo, image_id).content == b"data"
            for each in (one, two):
                assert each.cloud.reconcilers.run_once("image").repaired == []
            assert kept(first) == kept(folder) == [image_id]


def _in_background(function: Any, *arguments: Any) -> "Future[Any]":
    pool = ThreadPoolExecutor(1)
    asked = pool.submit(function, *arguments)
    pool.shutdown(wait=False)
    return asked
