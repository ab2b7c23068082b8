"""Watching collections as server-sent events, over a whole cloud."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import httpx
import pytest

from stackyard.assemble import rooms
from stackyard.kernel.request.endpoints import endpoints
from stackyard.kernel.storage import changes
from stackyard.rooms.container.driver import Image
from stackyard.testing.cloud import Persona, RunningCloud, cloud

NETWORKS = "/networking/v2.0/networks"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with cloud(tmp_path_factory.mktemp("watch")) as made:
        yield made


@pytest.fixture(scope="module")
def demo(running: RunningCloud) -> Persona:
    return running.demo


@pytest.fixture(scope="module")
def other(running: RunningCloud) -> Persona:
    return running.persona("elsewhere")


class Listener:
    """The events of one stream, read by a thread."""

    def __init__(self, response: httpx.Response) -> None:
        self.events: Queue[tuple[str, int, Any]] = Queue()
        self.response = response
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        told: dict[str, str] = {}
        try:
            for line in self.response.iter_lines():
                name, _, value = line.partition(": ")
                if name:
                    told[name] = value
                elif line == "" and "data" in told:
                    self.events.put((told["event"], int(told["id"]), json.loads(told["data"])))
                    told = {}
        except (httpx.HTTPError, RuntimeError):
            return

    def next(self, timeout: float = 30) -> tuple[str, int, Any]:
        return self.events.get(timeout=timeout)

    def nothing_more(self, seconds: float = 0.4) -> bool:
        """Whether no event comes for a while."""
        with pytest.raises(Empty):
            self.events.get(timeout=seconds)
        return True


@contextmanager
def watching(persona: Persona, path: str, **headers: str) -> Iterator[Listener]:
    mark = "&" if "?" in path else "?"
    with persona.http.stream("GET", f"{path}{mark}watch=1", headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream"
        listener = Listener(response)
        assert listener.next()[0] == "ready"
        yield listener


def network(persona: Persona, **values: Any) -> Any:
    return persona.post(NETWORKS, {"network": values})["network"]


def test_what_is_made_changed_and_deleted_is_told_as_the_api_shows_it(demo: Persona) -> None:
    with watching(demo, NETWORKS) as listener:
        made = network(demo, name="a")
        kind, first, told = listener.next()
        assert (kind, told) == ("created", {"network": demo.get(f"{NETWORKS}/{made['id']}")["network"]})
        changed = demo("PUT", f"{NETWORKS}/{made['id']}", {"network": {"name": "b"}}, ok=200).json()
        kind, second, told = listener.next()
        assert (kind, told["network"]["name"]) == ("updated", changed["network"]["name"])
        demo("DELETE", f"{NETWORKS}/{made['id']}", ok=204)
        kind, third, told = listener.next()
        assert (kind, told) == ("deleted", {"network": {"id": made["id"]}})
        assert first < second < third


def test_a_tenant_is_told_nothing_of_another_tenants_objects(demo: Persona, other: Persona) -> None:
    with watching(other, NETWORKS) as listener:
        made = network(demo, name="secret")
        demo("PUT", f"{NETWORKS}/{made['id']}", {"network": {"name": "still secret"}}, ok=200)
        demo("DELETE", f"{NETWORKS}/{made['id']}", ok=204)
        own = network(other, name="mine")
        kind, _, told = listener.next()
        assert (kind, told["network"]["id"]) == ("created", own["id"])
        assert listener.nothing_more()
    other("DELETE", f"{NETWORKS}/{own['id']}", ok=204)


def test_an_object_that_is_shared_appears_and_vanishes_when_it_no_longer_is(
    running: RunningCloud, other: Persona
) -> None:
    admin = running.admin
    with watching(other, NETWORKS) as listener:
        made = network(admin, name="common")
        for shared, expected in ((True, "created"), (False, "deleted")):
            admin("PUT", f"{NETWORKS}/{made['id']}", {"network": {"shared": shared}}, ok=200)
            kind, _, told = listener.next()
            assert (kind, told["network"]["id"]) == (expected, made["id"])
    admin("DELETE", f"{NETWORKS}/{made['id']}", ok=204)


def test_a_watch_goes_on_where_it_ended_and_misses_nothing(demo: Persona, other: Persona) -> None:
    with watching(demo, NETWORKS) as listener:
        kept = network(demo, name="kept")
        gone = network(demo, name="gone")
        _, first, _ = listener.next()
        listener.next()
    demo("DELETE", f"{NETWORKS}/{gone['id']}", ok=204)
    foreign = network(other, name="not yours")
    other("DELETE", f"{NETWORKS}/{foreign['id']}", ok=204)
    demo("PUT", f"{NETWORKS}/{kept['id']}", {"network": {"name": "renamed"}}, ok=200)
    with watching(demo, NETWORKS, **{"Last-Event-ID": str(first)}) as listener:
        told = [listener.next() for _ in range(2)]
        assert [(kind, data["network"]["id"]) for kind, _, data in told] == [
            ("deleted", gone["id"]),
            ("updated", kept["id"]),
        ]
        assert listener.nothing_more()
    with watching(demo, f"{NETWORKS}?since={first}") as listener:
        assert listener.next()[0] == "deleted"
    demo("DELETE", f"{NETWORKS}/{kept['id']}", ok=204)


def test_a_watch_can_begin_at_a_moment(demo: Persona) -> None:
    moment = datetime.now(UTC)
    time.sleep(0.01)
    made = network(demo, name="since then")
    since = moment.isoformat().replace("+", "%2B")
    with watching(demo, f"{NETWORKS}?since={since}") as listener:
        kind, _, told = listener.next()
        assert (kind, told["network"]["id"]) == ("created", made["id"])
    demo("DELETE", f"{NETWORKS}/{made['id']}", ok=204)


def test_the_lists_filters_hold_and_what_leaves_them_is_told_as_deleted(demo: Persona) -> None:
    named = network(demo, name="wanted")
    with watching(demo, f"{NETWORKS}?name=wanted&fields=id") as listener:
        unwanted = network(demo, name="something else")
        demo("PUT", f"{NETWORKS}/{named['id']}", {"network": {"name": "no more"}}, ok=200)
        kind, _, told = listener.next()
        assert (kind, told) == ("deleted", {"network": {"id": named["id"]}})
        demo("PUT", f"{NETWORKS}/{unwanted['id']}", {"network": {"name": "wanted"}}, ok=200)
        kind, _, told = listener.next()
        assert (kind, told) == ("created", {"network": {"id": unwanted["id"]}})
    for each in (named, unwanted):
        demo("DELETE", f"{NETWORKS}/{each['id']}", ok=204)


def test_a_containers_life_can_be_followed_through_its_states(running: RunningCloud) -> None:
    running.worlds.container.registry["busybox:latest"] = running.worlds.container.registry["busybox"] = Image(
        id="sha256:b", size=1
    )
    running.worlds.container.delay("pull_image", 1)  # slower than the time within which changes come as one event
    latest = running.seeded("stackyard", **{"OpenStack-API-Version": "container latest"})
    with watching(latest, "/container/v1/containers") as listener:
        made = latest.post("/container/v1/containers", {"name": "watched", "image": "busybox"}, ok=202)
        seen = []
        while not seen or seen[-1] not in ("Created", "Error"):
            kind, _, told = listener.next()
            assert told["uuid"] == made["uuid"]
            seen.append(told["status"])
        assert (seen[0], seen[-1]) == ("Creating", "Created")
        latest("DELETE", f"/container/v1/containers/{made['uuid']}", ok=204)
        while kind != "deleted":
            kind, _, told = listener.next()
        assert told == {"uuid": made["uuid"]}


def test_images_whose_list_is_a_handler_of_its_own_can_be_watched_too(demo: Persona, other: Persona) -> None:
    with watching(demo, "/image/v2/images") as listener, watching(other, "/image/v2/images") as stranger:
        made = demo.post("/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})
        kind, _, told = listener.next()
        assert (kind, told["id"]) == ("created", made["id"])
        demo("DELETE", f"/image/v2/images/{made['id']}", ok=204)
        assert listener.next()[0] == "deleted"
        assert stranger.nothing_more()


def test_a_watch_of_images_is_narrowed_as_their_list_is(demo: Persona) -> None:
    def made(**more: Any) -> str:
        return str(demo.post("/image/v2/images", {"disk_format": "raw", "container_format": "bare", **more})["id"])

    with watching(demo, "/image/v2/images?tag=red&colour=deep&name=in:a,b") as listener:
        for other in ({"name": "a"}, {"name": "a", "tags": ["red"]}, {"name": "c", "tags": ["red"], "colour": "deep"}):
            made(**other)
        wanted = made(name="b", tags=["red"], colour="deep")
        assert [listener.next()[2]["id"]] == [wanted]
    demo("GET", "/image/v2/images?watch=1&size_min=many", ok=400)


def test_the_end_of_a_token_ends_its_watches(running: RunningCloud) -> None:
    guest = running.persona("guests")
    with watching(guest, NETWORKS) as listener:
        running.admin.http.delete("/identity/v3/auth/tokens", headers={"X-Subject-Token": guest.token})
        network(running.demo, name="wakes the watch")
        kind, _, told = listener.next()
        assert (kind, told["code"]) == ("end", 401)


def test_who_may_not_list_may_not_watch_either(running: RunningCloud) -> None:
    assert httpx.get(f"{running.url}{NETWORKS}?watch=1", trust_env=False, timeout=30).status_code == 401
    member = running.persona("listless")
    assert member.http.get("/identity/v3/users").status_code == 403
    assert member.http.get("/identity/v3/users?watch=1").status_code == 403


@pytest.mark.parametrize("since", ["yesterday", "99999999", "-1", "1" * 30])
def test_a_position_that_cannot_be_is_refused(demo: Persona, since: str) -> None:
    assert demo.http.get(f"{NETWORKS}?watch=1&since={since}").status_code == 400


def test_a_change_that_is_forgotten_cannot_be_gone_on_from(tmp_path: Path) -> None:
    with cloud(tmp_path) as running:
        demo = running.demo
        network(demo, name="old")
        changes.forget(running.cloud.services, timedelta(days=-1))
        gone = demo.http.get(f"{NETWORKS}?watch=1&since=0")
        assert gone.status_code == 410
        with running.cloud.database.read() as tx:
            position = changes.newest(tx)
        assert position > 0
        made = network(demo, name="new")
        with watching(demo, f"{NETWORKS}?since={position}") as listener:
            kind, _, told = listener.next()
            assert (kind, told["network"]["id"]) == ("created", made["id"])


def test_every_declared_collection_can_be_watched_but_those_of_mere_names() -> None:
    watched = {id(each.watches) for room in rooms() for each in endpoints(room) if each.watches}
    others = {f"{room.name}.{each.name}" for room in rooms() for each in room.resources if id(each) not in watched}
    assert others == {"placement.resource_class", "placement.trait"}, "docs/kernel/api-front.md says which"


def test_the_log_holds_no_secrets(running: RunningCloud, demo: Persona) -> None:
    running.persona("vault")
    with running.cloud.database.read() as tx:
        seen = {name for each in tx.find(changes.CHANGES) for name in (each.seen or {})}
    assert seen <= {
        "id",
        "uuid",
        "project_id",
        "network_id",
        "shared",
        "router:external",
        "visibility",
        "owner",
        "is_domain",
    }


def test_a_stopping_server_says_so_to_its_watchers(tmp_path: Path) -> None:
    with cloud(tmp_path) as running:
        demo = running.demo
        with watching(demo, NETWORKS) as listener:
            began = time.monotonic()
            running.stop()
            kind, _, told = listener.next()
            assert (kind, told["code"]) == ("end", 503)
            assert time.monotonic() - began < 9
        running.start()
