"""The audit trail: who did what to what and what came of it, never in the way of a request and never with a secret."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pycadf import event, host, reason, resource

from stackyard.kernel.observe.posts import MOST_WAITING, Posts
from stackyard.kernel.observe.rotated import RotatedFile
from stackyard.testing.cloud import RunningCloud, cloud

NETWORKS = "/networking/v2.0/networks"
USERS = "/identity/v3/users"
SECRET = "a-secret-that-nobody-may-see"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.01)


def trail(running: RunningCloud) -> list[Any]:
    file = running.settings.state_dir / "logs" / "audit.log"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def event_of(running: RunningCloud, answer: httpx.Response) -> Any:
    """The notification of a request, by its id."""
    asked = answer.headers["x-openstack-request-id"]
    found: list[Any] = []

    def told() -> bool:
        found[:] = [each for each in trail(running) if each["payload"]["initiator"].get("request_id") == asked]
        return bool(found)

    until(told)
    (one,) = found
    assert is_valid(one["payload"])
    return one


def is_valid(payload: Any) -> bool:
    """Whether an event is what CADF says that one is, judged by the library's own types."""
    parts: dict[str, Any] = {name: payload[name] for name in ("eventType", "id", "eventTime", "action", "outcome")}
    for name in ("initiator", "target", "observer"):
        kept = {key: payload[name][key] for key in ("id", "typeURI", "name") if key in payload[name]}
        parts[name] = resource.Resource(**kept)
    parts["initiator"].host = host.Host(**payload["initiator"].get("host", {}))
    parts["reason"] = reason.Reason(**payload["reason"])
    return payload["typeURI"] == event.TYPE_URI_EVENT and bool(event.Event(**parts).is_valid())


def test_a_write_is_told_with_who_what_and_what_came_of_it(running: RunningCloud) -> None:
    demo = running.demo
    answer = demo("POST", NETWORKS, {"network": {"name": "told"}}, ok=201, User_Agent="tester/1")
    told = event_of(running, answer)
    made, payload = answer.json()["network"], told["payload"]
    assert (told["event_type"], told["priority"]) == ("audit.http.response", "INFO")
    assert (payload["action"], payload["outcome"]) == ("create", "success")
    assert payload["target"] == {"id": made["id"], "typeURI": "service/network/network"}
    assert payload["reason"] == {"reasonType": "HTTP", "reasonCode": "201"}
    who = payload["initiator"]
    assert (who["project_id"], who["name"]) == (demo.project_id, "demo")
    assert who["host"] == {"address": "127.0.0.1", "agent": "tester/1"}
    assert payload["requestPath"] == NETWORKS


def test_a_refused_write_is_told_with_the_reason_and_a_read_is_not_told(running: RunningCloud) -> None:
    demo = running.demo
    read = demo("GET", NETWORKS, ok=200)
    refused = event_of(running, demo("POST", USERS, {"user": {"name": "x", "password": SECRET}}, ok=403))
    assert refused["payload"]["outcome"] == "failure"
    assert refused["payload"]["reason"] == {
        "reasonType": "HTTP", "reasonCode": "403", "policyType": "oslo.policy", "policyId": "identity:create_user",
    }  # fmt: skip
    asked = read.headers["x-openstack-request-id"]
    assert not [each for each in trail(running) if each["payload"]["initiator"].get("request_id") == asked]


def test_an_accepted_action_is_pending(running: RunningCloud) -> None:
    answer = running.demo("POST", "/container/v1/containers", {"image": "web", "nets": []}, ok=202)
    assert event_of(running, answer)["payload"]["outcome"] == "pending"


def test_log_ins_are_told_with_who_tried_and_whether_they_were_let_in(running: RunningCloud) -> None:
    def log_in(password: str) -> Any:
        user = {"name": "demo", "domain": {"id": "default"}, "password": password}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
        answer = httpx.post(f"{running.url}/identity/v3/auth/tokens", json=body, trust_env=False, timeout=30)
        return event_of(running, answer)

    failed = log_in(SECRET)
    assert (failed["event_type"], failed["payload"]["action"]) == ("identity.authenticate", "authenticate")
    assert (failed["payload"]["outcome"], failed["payload"]["reason"]["reasonCode"]) == ("failure", "401")
    assert (failed["payload"]["initiator"]["name"], failed["payload"]["methods"]) == ("demo", ["password"])
    demo = running.demo
    me = demo("GET", "/identity/v3/auth/tokens", ok=200, X_Subject_Token=demo.token).json()["token"]["user"]["id"]
    let_in = ("identity.authenticate", "success", me)
    until(lambda: let_in in [
        (each["event_type"], each["payload"]["outcome"], each["payload"]["initiator"]["id"]) for each in trail(running)
    ])  # fmt: skip


def test_an_assertion_for_another_cloud_is_told_with_whom_it_is_about(running: RunningCloud) -> None:
    path = running.settings.state_dir / "federation.yaml"
    path.touch(mode=0o600)
    path.write_text("saml: {}")
    east = {"auth_url": "https://east.test/", "sp_url": "https://east.test/", "enabled": True}
    running.admin("PUT", "/identity/v3/OS-FEDERATION/service_providers/east", {"service_provider": east}, ok=201)
    demo = running.demo
    scope = {"service_provider": {"id": "east"}}
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": demo.token}}, "scope": scope}}
    for way in ("saml2", "saml2/ecp"):
        url = f"{running.url}/identity/v3/auth/OS-FEDERATION/{way}"
        answer = httpx.post(url, json=body, trust_env=False, timeout=30)
        told = event_of(running, answer)
        assert (told["event_type"], told["payload"]["outcome"]) == ("identity.authenticate", "success")
        assert told["payload"]["initiator"]["name"] == "demo"
        assert demo.token not in json.dumps(told)


def test_a_request_with_a_bad_token_is_told(running: RunningCloud) -> None:
    answer = httpx.get(f"{running.url}{NETWORKS}", headers={"X-Auth-Token": SECRET}, trust_env=False, timeout=30)
    assert event_of(running, answer)["payload"]["reason"]["reasonCode"] == "401"


def test_identity_changes_carry_keystones_event_types(running: RunningCloud) -> None:
    admin = running.admin
    made = admin("POST", USERS, {"user": {"name": "watched", "password": SECRET}}, ok=201)
    user = made.json()["user"]["id"]
    group = admin.post("/identity/v3/groups", {"group": {"name": "seen"}})["group"]["id"]
    role = admin.get("/identity/v3/roles?name=reader")["roles"][0]["id"]
    grant = f"/identity/v3/projects/{admin.project_id}/users/{user}/roles/{role}"
    asked = {
        "identity.user.created": made,
        "identity.group.updated": admin("PUT", f"/identity/v3/groups/{group}/users/{user}", ok=204),
        "identity.role_assignment.created": admin("PUT", grant, ok=204),
        "identity.role_assignment.deleted": admin("DELETE", grant, ok=204),
        "identity.user.updated": admin("PATCH", f"{USERS}/{user}", {"user": {"password": SECRET + "2"}}, ok=200),
        "identity.user.deleted": admin("DELETE", f"{USERS}/{user}", ok=204),
    }
    told = {name: event_of(running, answer) for name, answer in asked.items()}
    assert [each["event_type"] for each in told.values()] == list(asked)
    created, granted = told["identity.user.created"]["payload"], told["identity.role_assignment.created"]["payload"]
    assert (created["action"], created["resource_info"], created["target"]["id"]) == ("created.user", user, user)
    assert created["target"]["typeURI"] == "data/security/account/user"
    assert (granted["role"], granted["user"], granted["project"]) == (role, user, admin.project_id)
    assert SECRET not in json.dumps(trail(running))


def test_the_trail_is_for_its_owner_only(running: RunningCloud) -> None:
    event_of(running, running.demo("POST", NETWORKS, {"network": {}}, ok=201))
    assert (running.settings.state_dir / "logs" / "audit.log").stat().st_mode & 0o777 == 0o600


def test_every_write_of_the_cloud_is_audited_and_named(running: RunningCloud) -> None:
    from stackyard.kernel.declare.audited import Asked

    for endpoint in running.cloud.front.chain.router.endpoints:
        if endpoint.room.audited is None or endpoint.method in ("GET", "HEAD"):
            continue
        path = endpoint.path.removeprefix(endpoint.room.path)
        params = {word[1:-1]: "x" for word in path.split("/") if word.startswith("{")}
        asked = Asked(
            method=endpoint.method, path=path, params=params, verb=endpoint.verb, given={"auth": 7}, answer=[],
            resource=endpoint.resource.name if endpoint.resource else None,
        )  # fmt: skip
        told = endpoint.room.audited(asked)
        assert told is None or told.event_type.startswith("identity."), path


class Endpoint:
    """Takes audit events over HTTP; `verdict` is its answer."""

    def __init__(self) -> None:
        self.verdict, self.asked, self.events = 200, 0, []  # type: int, int, list[Any]
        here = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                here.asked += 1
                if here.verdict == 200:
                    here.events += json.loads(body)
                self.send_response(here.verdict)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/audit"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    here = Endpoint()
    yield here
    here.server.shutdown()
    here.server.server_close()


def test_an_endpoint_that_was_away_gets_what_happened_meanwhile_in_order(endpoint: Endpoint) -> None:
    counted: dict[str, int] = {}
    posts = Posts(endpoint.url, lambda outcome, number: counted.update({outcome: counted.get(outcome, 0) + number}))
    endpoint.verdict = 503
    for number in range(5):
        posts.put([json.dumps(number).encode()])
    until(lambda: endpoint.asked > 0)
    endpoint.verdict = 200
    until(lambda: counted.get("written") == 5)
    assert endpoint.events == [0, 1, 2, 3, 4]
    endpoint.verdict = 400
    posts.put([b"5"])
    until(lambda: counted.get("lost") == 1)
    posts.close()


def test_what_an_endpoint_cannot_take_is_counted_and_holds_up_nothing(endpoint: Endpoint) -> None:
    lost: list[int] = []
    posts = Posts("http://127.0.0.1:9/", lambda outcome, number: lost.append(number) if outcome == "lost" else None)
    posts.put([b"{}"] * (MOST_WAITING + 10))
    posts.put([b"{}"] * 300)
    assert sum(lost) >= 100


def test_a_request_works_though_no_sink_does(tmp_path: Path) -> None:
    audit = ["log", "http://127.0.0.1:9/", f"file:{tmp_path}/elsewhere/audit"]
    with cloud(tmp_path / "cloud", audit=audit) as running:
        answer = running.demo("POST", NETWORKS, {"network": {"name": "still made"}}, ok=201)
        event_of(running, answer)
        assert "still made" not in (tmp_path / "elsewhere" / "audit").read_text()
        running.demo.get(f"{NETWORKS}/{answer.json()['network']['id']}")


def test_a_file_at_its_limit_is_put_aside_and_the_oldest_is_forgotten(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "log", 10, 2)
    for line in (b"first\n", b"second\n", b"third\n", b"fourth\n"):
        file.append(line)
    assert [(tmp_path / name).read_bytes() for name in ("log", "log.1", "log.2")] == [
        b"fourth\n", b"third\n", b"second\n",
    ]  # fmt: skip
    (tmp_path / "log").rename(tmp_path / "aside")
    file.reopen()
    file.append(b"fifth\n")
    file.close()
    assert (tmp_path / "log").read_bytes() == b"fifth\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["aside", "log", "log.1", "log.2"]
