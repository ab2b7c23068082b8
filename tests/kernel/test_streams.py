"""Bodies on their way in and out, over a real socket: clients that leave, and clients that send nothing."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from stackyard.kernel.declare.resource import Route
from stackyard.kernel.request.app import Front
from stackyard.kernel.request.endpoints import endpoints
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.request.routing import Router
from stackyard.kernel.work import Work
from tests.kernel.toy import ROOM, toy_chain

TOKEN = "X-Auth-Token: p1:member"


class Film:
    """An endless download that counts what is read of it."""

    def __init__(self) -> None:
        self.read = 0
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.read += 1
        return b"x" * 65536

    def close(self) -> None:
        self.closed.set()


class Site:
    """The toy cloud behind a real server, with a download and an upload."""

    def __init__(self, folder: Path, patience: float) -> None:
        self.film = Film()
        self.uploaded: list[object] = []
        chain = toy_chain(folder)
        routes = [
            Route(method="GET", path="/film", handler=self._show, reads="driver"),
            Route(method="PUT", path="/film", handler=self._take, stream=True, status=204),
        ]
        room = type(ROOM)(name="toy", path="/toy", services=[], dialect=ROOM.dialect, routes=routes)
        chain.router = Router(endpoints(room), [room])
        self.front = Front(chain, patience=patience)
        self.server = uvicorn.Server(
            uvicorn.Config(
                self.front, port=0, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
            )
        )
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()), daemon=True)

    def _show(self, work: Work, request: Request) -> object:
        return lambda: Reply(stream=self.film, content_type="application/octet-stream")

    def _take(self, work: Work, request: Request) -> object:
        def take() -> Reply:
            assert request.stream is not None
            try:
                self.uploaded.append(sum(len(each) for each in request.stream))
            except Exception as error:
                self.uploaded.append(type(error).__name__)
                raise
            return Reply(status=204)

        return take

    def connect(self, *lines: str) -> socket.socket:
        """A connection on which these request lines have been sent."""
        port = self.server.servers[0].sockets[0].getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port), 10)
        client.sendall("".join(f"{line}\r\n" for line in [*lines, "Host: toy", TOKEN, ""]).encode())
        return client


@contextmanager
def site(folder: Path, patience: float = 60) -> Iterator[Site]:
    made = Site(folder, patience)
    made.thread.start()
    until(lambda: made.server.started)
    try:
        yield made
    finally:
        made.server.should_exit = True
        made.thread.join(30)
        made.front.close()
        made.front.chain.services.database.close()


def everything(client: socket.socket) -> bytes:
    """All that the server sends before it closes the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.01)


def test_nothing_more_is_read_for_a_client_that_left_in_the_middle_of_a_download(tmp_path: Path) -> None:
    with site(tmp_path) as toy:
        client = toy.connect("GET /toy/film HTTP/1.1")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        client.close()
        assert toy.film.closed.wait(30)
        read = toy.film.read
        time.sleep(0.1)
        assert toy.film.read == read


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_an_upload_that_falls_silent_is_ended_with_408(tmp_path: Path, framing: str) -> None:
    with site(tmp_path, patience=0.3) as toy:
        client = toy.connect("PUT /toy/film HTTP/1.1", framing)
        client.sendall(b"3\r\nabc\r\n" if "chunked" in framing else b"abc")
        answer = everything(client)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in answer.lower()
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["fault"].startswith("Nothing of the body came")
        assert toy.uploaded == ["RequestTimeout"]


def test_a_body_of_which_nothing_comes_is_refused_before_any_handler_waits(tmp_path: Path) -> None:
    with site(tmp_path, patience=0.3) as toy:
        answer = everything(toy.connect("PUT /toy/film HTTP/1.1", "Content-Length: 1000"))
        assert answer.startswith(b"HTTP/1.1 408")
        assert toy.uploaded == []


def test_an_upload_that_breaks_off_is_no_upload(tmp_path: Path) -> None:
    with site(tmp_path) as toy:
        client = toy.connect("PUT /toy/film HTTP/1.1", "Transfer-Encoding: chunked")
        client.sendall(b"3\r\nabc\r\n")
        client.close()
        until(lambda: toy.uploaded)
        assert toy.uploaded == ["BadRequest"]
