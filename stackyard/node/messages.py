"""What server and node say to each other: every message kind, and its encoding (msgpack).

Both ends may call the other: the server calls drivers, a node calls the services that the server offers it. A stream's
id is chosen by its producer, and is opened by the call (an argument) or the result that names it.
"""

from typing import Any

import msgspec

from stackyard.kernel.nodes import CallId


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a host is and has. Sizes in bytes."""

    hostname: str
    architecture: str = ""
    os_type: str = "linux"
    os: str = ""
    kernel_version: str = ""
    cpus: int = 0
    memory: int = 0
    memory_available: int = 0
    disk: int = 0
    """Of the file system that holds the containers."""
    disk_available: int = 0
    labels: dict[str, str] = {}


class _Message(msgspec.Struct, frozen=True, array_like=True, tag_field="kind"):
    pass


class Hello(_Message, frozen=True, tag="hello"):
    """Node → server, first and then every few seconds: who it is, what it has, and its drivers' attributes by room."""

    node: str
    facts: HostFacts
    drivers: dict[str, dict[str, msgspec.Raw]]


class Call(_Message, frozen=True, tag="call"):
    """Run a method of a target (a room's driver, or a service of the server).

    streams: argument name to stream id. cancelled: the caller's `cancel` is set from the first. trace: the span that it
    belongs to, as a `traceparent`.
    """

    id: int
    target: str
    method: str
    arguments: dict[str, msgspec.Raw]
    streams: dict[str, int] = {}
    made_by: CallId | None = None
    cancelled: bool = False
    trace: str | None = None


class Result(_Message, frozen=True, tag="result"):
    """The answer to a call: a value, or a stream of values."""

    id: int
    value: msgspec.Raw
    stream: int | None = None


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """An exception on the wire. `name` is a class of the contract; empty: unknown to it, the text tells all."""

    name: str
    args: list[str]
    fields: dict[str, Any] = {}
    transient: bool = False


class Error(_Message, frozen=True, tag="error"):
    """The call failed."""

    id: int
    failure: Failure


class Cancel(_Message, frozen=True, tag="cancel"):
    """The caller wants the call ended; it is still answered."""

    id: int


class Chunk(_Message, frozen=True, tag="chunk"):
    """The next value of a stream."""

    stream: int
    value: msgspec.Raw


class Ack(_Message, frozen=True, tag="ack"):
    """Consumer → producer: so many more values may be sent."""

    stream: int
    count: int


class End(_Message, frozen=True, tag="end"):
    """Producer → consumer: nothing more comes, because all is sent or because of a failure."""

    stream: int
    failure: Failure | None = None


class Close(_Message, frozen=True, tag="close"):
    """Consumer → producer: nothing more is wanted."""

    stream: int


class Event(_Message, frozen=True, tag="event"):
    """Node → server, unasked and unanswered: something happened. A hint to look, not a fact."""

    topic: str
    value: msgspec.Raw


#: What decoding raises for bytes that are not what they should be.
MALFORMED = (msgspec.DecodeError, UnicodeDecodeError)

Message = Hello | Call | Result | Error | Cancel | Chunk | Ack | End | Close | Event

_decoder: "msgspec.msgpack.Decoder[Message]" = msgspec.msgpack.Decoder(Message)
encode = msgspec.msgpack.Encoder().encode


def decode(frame: bytes) -> Message:
    """The message in a frame. Raises what MALFORMED lists for anything else."""
    return _decoder.decode(frame)


def raw(value: object) -> msgspec.Raw:
    """A value encoded ahead of the message that carries it. Raises TypeError when it is not plain data."""
    return msgspec.Raw(encode(value))
