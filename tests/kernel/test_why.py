"""`why` across rooms: from a request to what it touched, an operation's steps and the calls of nodes; of a project,
what it holds; the same as JSON."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from stackyard.kernel.journal import Story, why
from stackyard.rooms.container.driver import Image
from stackyard.testing.cloud import RunningCloud, Worlds, cloud

CONTAINERS = "/container/v1/containers"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    worlds = Worlds()
    worlds.container.registry["web"] = Image(id="sha256:web", names=["web:latest"], size=3)
    with cloud(tmp_path_factory.mktemp("cloud"), worlds=worlds) as running:
        yield running


def stories(running: RunningCloud, asked: str) -> list[Story]:
    with running.cloud.database.read() as tx:
        return why(tx, running.cloud.book, asked)


def create(running: RunningCloud, image: str, name: str) -> Any:
    demo = running.demo
    (network,) = demo.get("/networking/v2.0/networks?name=demo-net")["networks"]
    body = {"image": image, "name": name, "nets": [{"network": network["id"]}]}
    answer = demo("POST", CONTAINERS, body, ok=202, OpenStack_API_Version="container 1.40")
    running.settle()
    return answer


def test_a_containers_story_tells_its_port_and_which_node_was_asked_for_what(running: RunningCloud) -> None:
    answer = create(running, "web", "shop")
    (story,) = stories(running, answer.json()["uuid"])
    (step,) = [line for line in story.lines if line.text == "wire the sandbox"]
    calls = [(each["call"], each["node"]) for each in step.calls]
    assert calls[0] == ("container.ensure_sandbox", "testhost")
    assert ("network.plug", "testhost") in calls
    port = [each for each in story.beside if each.text.startswith("port ")]
    assert len(port) == 1
    request = answer.headers["x-openstack-request-id"]
    assert f"request {request} also touched" in story.text()
    assert "network.plug on testhost (" in story.text()
    (of_port,) = stories(running, port[0].object_id)
    assert (of_port.resource, of_port.exists) == ("port", True)
    assert any(each.object_id == story.object_id for each in of_port.beside)


def test_a_request_tells_each_object_once(running: RunningCloud) -> None:
    answer = create(running, "web", "twice")
    told = stories(running, answer.headers["x-openstack-request-id"])
    assert [each.resource for each in told] == ["container", "port"]
    assert [each.beside for each in told] == [[], []]


def test_a_failed_call_is_told_with_the_node_and_its_reason(running: RunningCloud) -> None:
    (story,) = stories(running, create(running, "nowhere", "bad").json()["uuid"])
    (failure,) = [line for line in story.lines if line.kind == "failure"]
    (call,) = failure.calls
    assert (call["node"], call["call"]) == ("testhost", "container.pull_image")
    assert call["error"].startswith("refused: nowhere: manifest")
    assert "container.pull_image on testhost" in story.text()


def test_a_project_tells_what_it_holds_and_a_user_what_it_did(running: RunningCloud) -> None:
    made = create(running, "web", "owned").json()
    demo = running.demo
    me = demo("GET", "/identity/v3/auth/tokens", X_Subject_Token=demo.token).json()["token"]["user"]["id"]
    for holder, kind in ((str(demo.project_id), "project"), (me, "user")):
        (story,) = stories(running, holder)
        assert (story.resource, story.name) == (kind, "demo")
        assert made["uuid"] in {each.object_id for each in story.held}
        assert made["uuid"] in story.text()


def test_a_story_is_json_too(running: RunningCloud) -> None:
    told = stories(running, create(running, "web", "plain").json()["uuid"])
    assert msgspec.json.decode(msgspec.json.encode(told), type=list[Story]) == told
