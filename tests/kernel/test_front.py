"""How answers travel and what is refused at the door: conditional and compressed answers, CORS, limits."""

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request import listener
from stackyard.kernel.request.app import Front
from stackyard.kernel.request.chain import Chain
from stackyard.kernel.request.endpoints import endpoints
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.request.listener import Protocol
from stackyard.kernel.request.representation import is_known, reads_gzip
from stackyard.kernel.request.routing import Router
from stackyard.kernel.work import Work
from tests.commits import counted_commits
from tests.kernel.toy import BOX, ROOM, toy_chain

MEMBER = {"X-Auth-Token": "p1:member"}
BOXES = "/toy/v1/boxes"


@contextmanager
def served(folder: Path, routes: list[Route] | None = None, **options: Any) -> Iterator[httpx.Client]:
    """The toy cloud behind the server that a real one has."""
    with serving(toy_chain(folder), routes, **options) as client:
        yield client


@contextmanager
def serving(chain: Chain, routes: list[Route] | None = None, **options: Any) -> Iterator[httpx.Client]:
    """As `served`, for who looks at more than the answers."""
    room = type(ROOM)(name="toy", path="/toy", services=[], dialect=ROOM.dialect, resources=[BOX], routes=routes or [])
    chain.router = Router(endpoints(room), [room])
    front = Front(chain, **options)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(listener.config(front, grace=1))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
        thread.start()
        until(lambda: server.started)
        port = listening.getsockname()[1]
        try:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, headers=MEMBER, trust_env=False, timeout=30) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(30)
            front.close()
            chain.services.database.close()


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[httpx.Client]:
    with served(tmp_path, origins=["https://panel.example"]) as client:
        yield client


def until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.01)


def box(client: httpx.Client, **values: Any) -> Any:
    made = client.post(BOXES, json={"box": {"size": 3, **values}})
    assert made.status_code == 201, made.text
    return made.json()["box"]


def test_an_unchanged_object_or_list_is_not_sent_again(toy: httpx.Client) -> None:
    made = box(toy, name="a")
    for path in (f"{BOXES}/{made['id']}", BOXES):
        first = toy.get(path)
        again = toy.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
    tag = first.headers["ETag"]
    assert toy.put(f"{BOXES}/{made['id']}", json={"box": {"size": 4}}).status_code == 200
    changed = toy.get(BOXES, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    assert {"X-Auth-Token", "Accept-Encoding"} <= set(changed.headers["Vary"].split(", "))


def test_every_answer_tells_that_it_depends_on_the_token(toy: httpx.Client) -> None:
    made = box(toy, name="v")
    answers = [
        toy.get(f"{BOXES}/{made['id']}"),
        toy.get(f"{BOXES}/nothing"),
        toy.get(BOXES, headers={"X-Auth-Token": ""}),
        toy.delete(f"{BOXES}/{made['id']}"),
    ]
    assert [each.status_code for each in answers] == [200, 404, 401, 204]
    assert all("X-Auth-Token" in each.headers["Vary"] for each in answers)


def test_what_is_not_allowed_tells_what_is(toy: httpx.Client) -> None:
    refused = toy.patch(BOXES)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, POST")


def test_an_object_that_has_changed_since_is_not_changed_by_who_says_so(toy: httpx.Client) -> None:
    path = f"{BOXES}/{box(toy, name='a')['id']}"
    tag = toy.get(path).headers["ETag"]
    assert toy.put(path, json={"box": {"size": 4}}, headers={"If-Match": tag}).json()["box"]["size"] == 4
    for method, body in (("PUT", {"box": {"size": 5}}), ("DELETE", None)):
        late = toy.request(method, path, json=body, headers={"If-Match": tag})
        assert late.status_code == 412
        assert "has changed" in late.json()["fault"]
        later = toy.request(method, path, json=body, headers={"If-Match": "revision_number=0"})
        assert later.status_code == 412
    assert toy.get(path).json()["box"]["size"] == 4
    assert toy.delete(path, headers={"If-Match": toy.get(path).headers["ETag"]}).status_code == 204


def test_a_tag_gives_nothing_away_to_who_may_not_see_the_object(toy: httpx.Client) -> None:
    made = box(toy, name="a")
    tag = toy.get(f"{BOXES}/{made['id']}").headers["ETag"]
    for token, status in (("p2:member", 404), ("nonsense", 401)):
        asked = toy.get(f"{BOXES}/{made['id']}", headers={"X-Auth-Token": token, "If-None-Match": tag})
        assert asked.status_code == status


@pytest.mark.parametrize(
    ("header", "known"),
    [("*", True), ('"a"', True), ('W/"a"', True), ('"b", W/"a"', True), ('"b"', False), ("", False)],
)
def test_a_tag_is_found_in_a_list_of_them_however_it_is_written(header: str, known: bool) -> None:
    assert is_known(header, 'W/"a"') is known


def test_large_json_is_compressed_for_who_reads_it_and_small_is_not(toy: httpx.Client) -> None:
    made = box(toy)
    for _ in range(9):
        box(toy, description="d" * 200)
    with toy.stream("GET", BOXES, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) == len(raw)
    plain = toy.get(BOXES, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2
    assert plain.headers["ETag"] == answer.headers["ETag"]
    assert "content-encoding" not in toy.get(f"{BOXES}/{made['id']}", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize(
    ("header", "reads"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("br", False), ("", False)],
)
def test_gzip_is_sent_to_those_who_say_they_read_it(header: str, reads: bool) -> None:
    assert reads_gzip({"accept-encoding": header}) is reads


def test_a_page_of_an_origin_that_was_named_may_use_the_api(toy: httpx.Client) -> None:
    asking = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-auth-token"}
    allowed = toy.options(BOXES, headers={"Origin": "https://panel.example", **asking})
    assert allowed.status_code == 204
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://panel.example"
    assert allowed.headers["Access-Control-Allow-Headers"] == "x-auth-token"
    assert "PUT" in allowed.headers["Access-Control-Allow-Methods"]
    got = toy.get(BOXES, headers={"Origin": "https://panel.example"})
    assert got.headers["Access-Control-Allow-Origin"] == "https://panel.example"
    refused = toy.get(f"{BOXES}/x", headers={"Origin": "https://panel.example"})
    assert (refused.status_code, "Access-Control-Allow-Origin" in refused.headers) == (404, True)


def test_a_page_of_any_other_origin_may_not(toy: httpx.Client) -> None:
    asking = {"Access-Control-Request-Method": "PUT"}
    assert toy.options(BOXES, headers={"Origin": "https://evil.example", **asking}).status_code in (401, 405)
    got = toy.get(BOXES, headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in got.headers
    assert "Origin" in got.headers["Vary"]


def test_more_requests_at_once_than_the_server_takes_are_told_when_to_come_again(tmp_path: Path) -> None:
    going, enough = threading.Event(), threading.Event()

    def wait(work: Work, request: Request) -> Any:
        def slowly() -> Any:
            going.set()
            assert enough.wait(30)
            return {}

        return slowly

    route = Route(method="GET", path="/slow", handler=wait, reads="driver")
    with served(tmp_path, [route], most=1) as toy:
        other = threading.Thread(target=lambda: toy.get("/toy/slow"))
        other.start()
        assert going.wait(30)
        refused = toy.get(BOXES)
        enough.set()
        other.join()
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert "as many as this server takes" in refused.json()["error"]["message"]
        assert toy.get(BOXES).status_code == 200


def test_writes_that_come_together_share_a_commit_and_each_has_its_own_answer(tmp_path: Path) -> None:
    going, enough = threading.Event(), threading.Event()

    def hold(work: Work, request: Request) -> Any:
        going.set()
        assert enough.wait(30)
        return {}

    def later(work: Work, request: Request) -> Any:
        return lambda: {"thread": threading.current_thread().name}

    chain = toy_chain(tmp_path)
    routes = [Route(method="POST", path="/hold", handler=hold), Route(method="POST", path="/later", handler=later)]
    asked = [
        (BOXES, {"box": {"size": 1}}), (BOXES, {"box": {"size": 99}}), ("/toy/later", None),
        (f"{BOXES}/nowhere/open", {"by": "me"}), (BOXES, {"box": {"size": 2}}),
    ]  # fmt: skip
    database = chain.services.database
    with serving(chain, routes) as toy, ThreadPoolExecutor(8) as pool, counted_commits(database) as commits:
        holding = pool.submit(toy.post, "/toy/hold")
        assert going.wait(30)
        others = [pool.submit(toy.post, path, json=body) for path, body in asked]
        # Reads do not wait for them.
        assert toy.get(BOXES).json() == {"boxes": []}
        time.sleep(0.2)
        assert not any(each.done() for each in others)
        enough.set()
        answers = [each.result(30) for each in others]
        assert holding.result(30).status_code == 200
        assert [each.status_code for each in answers] == [201, 400, 200, 404, 201]
        assert answers[2].json()["thread"].startswith("handler")
        assert {box["size"] for box in toy.get(BOXES).json()["boxes"]} == {1, 2}
    assert len(commits) <= 3


def _raw(toy: httpx.Client, *pieces: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", toy.base_url.port or 0), 10) as client:
        for piece in pieces:
            client.sendall(piece)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize(
    ("token", "length", "status"), [("", 2, 401), ("p1:reader", 5_000_000, 413), ("p1:member", 21, 201)]
)
def test_a_client_that_asks_before_it_sends_a_body_is_refused_before_it_does(
    toy: httpx.Client, token: str, length: int, status: int
) -> None:
    head = f"POST {BOXES} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nContent-Length: {length}\r\n"
    with socket.create_connection(("127.0.0.1", toy.base_url.port or 0), 10) as client:
        client.sendall(head.encode() + b"Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n")
        said = client.recv(65536)
        if status < 300:
            assert said == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b'{"box": {"size": 3}} ')
            said = client.recv(65536)
            while b"}}" not in said:
                said += client.recv(65536)
            client.sendall(b"GET /toy/v1/boxes HTTP/1.1\r\nHost: x\r\nX-Auth-Token: p1:member\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200"), "the connection is good for more"
        else:
            said += b"".join(iter(lambda: client.recv(65536), b""))
            assert b"connection: close" in said.lower()
        assert said.startswith(f"HTTP/1.1 {status} ".encode())


def test_a_compressed_body_is_refused_for_that(toy: httpx.Client) -> None:
    body = gzip.compress(b'{"box": {"size": 3}}')
    refused = toy.post(BOXES, content=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
    assert (refused.status_code, "coding 'gzip'" in refused.json()["fault"]) == (415, True)
    assert toy.get(BOXES).json() == {"boxes": []}


def test_a_head_beyond_all_measure_is_refused(toy: httpx.Client) -> None:
    many = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 1000) for number in range(100))
    assert _raw(toy, b"GET / HTTP/1.1\r\n" + many).startswith(b"HTTP/1.1 431")


def test_a_head_that_does_not_come_is_not_waited_for(toy: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "head_patience", 0.2)
    assert _raw(toy).startswith(b"HTTP/1.1 408")
    assert _raw(toy, b"GET / HTTP/1.1\r\nX-Slow: ").startswith(b"HTTP/1.1 408")


def test_the_clock_of_the_head_stops_when_it_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "head_patience", 1.0)

    def slowly(work: Work, request: Request) -> Any:
        return lambda: time.sleep(1.3) or {"came": True}

    with served(tmp_path, [Route(method="GET", path="/slow", handler=slowly, reads="driver")]) as toy:
        assert json.loads(toy.get("/toy/slow").content) == {"came": True}
