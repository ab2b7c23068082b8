"""What a request's head says, and how an answer is sent, in ASGI's terms."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from stackyard.kernel.request import asgi
from stackyard.kernel.request.streams import Client, whole

TEXT = "text/plain; charset=utf-8"


def sent(status: int, headers: dict[str, str], body: Any, *, head: bool = False) -> tuple[dict[str, str], list[bytes]]:
    """The headers and the pieces of an answer."""
    events: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        events.append(event)

    asyncio.run(asgi.answer(send, status, headers, body, head=head))
    begin, *bodies = events
    assert (begin["type"], begin["status"]) == ("http.response.start", status)
    assert [each.get("more_body", False) for each in bodies] == [True] * (len(bodies) - 1) + [False]
    return {name.decode(): value.decode() for name, value in begin["headers"]}, [each["body"] for each in bodies]


class Pieces:
    """An endless body; whether it was closed."""

    closed = False

    async def come(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x"
        finally:
            self.closed = True


def test_of_a_header_that_is_no_list_the_last_counts_and_others_are_one_list() -> None:
    given = [(b"host", b"a"), (b"x-many", b"1"), (b"host", b"b"), (b"x-many", b"2"), (b"x-latin", b"\xe9")]
    assert asgi.headers_of({"headers": given}) == {"host": "b", "x-many": "1,2", "x-latin": "é"}


@pytest.mark.parametrize(
    ("headers", "owes", "waits"),
    [
        ([], False, False),
        ([(b"content-length", b"0")], False, False),
        ([(b"content-length", b"7")], True, False),
        ([(b"transfer-encoding", b"chunked"), (b"expect", b"100-Continue")], True, True),
    ],
)
def test_a_head_says_whether_a_body_follows_and_whether_it_is_waited_for(headers: Any, owes: bool, waits: bool) -> None:
    assert (asgi.promised({"headers": headers}), asgi.waits({"headers": headers})) == (owes, waits)


def test_the_length_is_that_of_the_body_whatever_the_headers_say() -> None:
    headers, pieces = sent(200, {"Content-Type": "a/b", "Content-Length": "9"}, b"four")
    assert (headers, pieces) == ({"content-type": "a/b", "content-length": "4"}, [b"four"])


def test_an_answer_without_a_body_is_no_json_and_has_no_length_but_nought() -> None:
    assert sent(202, {"Content-Length": "9"}, None) == ({"content-type": TEXT, "content-length": "0"}, [b""])


@pytest.mark.parametrize("status", [204, 304])
def test_what_can_have_no_body_tells_of_none(status: int) -> None:
    assert sent(status, {"ETag": '"x"'}, b"a body") == ({"etag": '"x"'}, [b""])


def test_a_head_request_is_told_the_length_and_sent_nothing() -> None:
    assert sent(200, {}, b"four", head=True) == ({"content-type": TEXT, "content-length": "4"}, [b""])
    assert sent(200, {"Content-Length": "7"}, None, head=True)[0]["content-length"] == "7"
    assert sent(200, {}, Pieces().come(), head=True) == ({"content-type": TEXT}, [b""])


def test_a_stream_has_no_length_and_is_closed_when_it_cannot_be_sent() -> None:
    pieces, seen = Pieces(), []

    async def send(event: dict[str, Any]) -> None:
        seen.append(event)
        if len(seen) == 4:
            raise ConnectionError

    async def answered() -> bool:
        with pytest.raises(ConnectionError):
            await asgi.answer(send, 200, {}, pieces.come(), head=False)
        return pieces.closed

    assert asyncio.run(answered())
    assert [name for name, _ in seen[0]["headers"]] == [b"content-type"]
    assert all(each["more_body"] for each in seen[1:])


def client(*events: dict[str, Any], **options: bool) -> Client:
    coming = iter(events)

    async def receive() -> dict[str, Any]:
        return next(coming)

    return Client(receive, 5, **options)


def test_nothing_is_asked_of_a_client_that_owes_nothing() -> None:
    assert asyncio.run(whole(client(owes=False), 10, 5)) == b""


def test_a_client_that_waits_is_asked_when_its_body_is_read_and_not_before() -> None:
    waiting = client({"type": "http.request", "body": b"all"}, owes=True, waits=True)
    asyncio.run(waiting.begin())
    assert waiting.keeps_its_body
    assert asyncio.run(whole(waiting, 10, 5)) == b"all"
    assert not waiting.keeps_its_body


def test_a_body_that_has_begun_is_read_from_its_beginning() -> None:
    parts = [{"type": "http.request", "body": each, "more_body": True} for each in (b"", b"one ", b"two ")]
    begun = client(*parts, {"type": "http.request", "body": b"three"}, owes=True)
    asyncio.run(begun.begin())
    assert asyncio.run(whole(begun, 100, 5)) == b"one two three"
