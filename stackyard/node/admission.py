"""How a machine becomes a node: what it asks a server for, in one frame each way, before there is any link."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec

from stackyard.kernel.steps import Transient
from stackyard.node import certificates
from stackyard.node.authority import Denied
from stackyard.node.tls import JOIN, RENEW, TlsTransport
from stackyard.node.transport import TransportClosed

#: Seconds for a connection and for the answer to a request.
_PATIENCE = 15.0
PORT = 8801


class Join(msgspec.Struct, frozen=True, tag="join"):
    """Let me in: the token, the name I want, a request to certify my key."""

    token: str
    name: str
    request: str


class Renew(msgspec.Struct, frozen=True, tag="renew"):
    """A further certificate for whoever showed one in the handshake."""

    request: str


class Granted(msgspec.Struct, frozen=True, tag="granted"):
    """The certificate, and where the cloud's servers listen."""

    certificate: str
    servers: list[str]


class NotGranted(msgspec.Struct, frozen=True, tag="denied"):
    """Why not."""

    reason: str


Asked = Join | Renew
_answers: "msgspec.msgpack.Decoder[Granted | NotGranted]" = msgspec.msgpack.Decoder(Granted | NotGranted)


class Connect(Protocol):
    """Opens a connection to a server's address. Raises OSError."""

    def __call__(self, address: str, timeout: float) -> socket.socket: ...


def split(address: str) -> tuple[str, int]:
    """ADDRESS:PORT, also as a URL and without the port, as its parts. Raises ValueError."""
    rest = address.strip().removeprefix("https://").rstrip("/")
    if rest.startswith("["):
        host, bracket, rest = rest[1:].partition("]")
        port = rest.removeprefix(":")
        valid = bool(bracket) and (not rest or rest.startswith(":"))
    else:
        host, _, port = rest.partition(":")
        valid = True
    if not (valid and host) or "/" in rest or (port and not (port.isdecimal() and 0 < int(port) < 65536)):
        raise ValueError(f"{address!r} is no address of a server: write it like 192.0.2.1:{PORT}")
    return host, int(port) if port else PORT


def dial(address: str, timeout: float) -> socket.socket:
    """A TCP connection to a server."""
    connection = socket.create_connection(split(address), timeout)
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def authority_of(address: str, fingerprint: str, connect: Connect = dial) -> str:
    """The certificate (PEM) of the authority that the server at this address belongs to. Raises Denied when it is not
    the one of that fingerprint, Transient when the server cannot be reached."""
    with _reached(address):
        transport = TlsTransport(connect(address, _PATIENCE), certificates.unknowing_context(), is_server=False)
        try:
            transport.handshake(_PATIENCE)
            said = transport.receive().decode()
        except TransportClosed as error:
            # What is connected with may be anything: the API's port, a server of another kind.
            raise Transient(
                f"what answers at {address} does not speak as servers do to nodes ({error}); "
                "`stackyard node token` prints where they listen"
            ) from error
        finally:
            _end(transport)
    try:
        is_ours = certificates.fingerprint(said) == fingerprint
    except ValueError:
        is_ours = False
    if not is_ours:
        raise Denied(
            f"the server at {address} is not one of the cloud that the token is for: its authority is another"
        )
    return said


def join(address: str, authority: str, asked: Join, connect: Connect = dial) -> Granted:
    """Have a key certified by a server of the cloud. Raises Denied, Transient."""
    return _ask(address, certificates.client_context(JOIN, authority), asked, connect)


def renew(address: str, authority: str, identity: str, asked: Renew, connect: Connect = dial) -> Granted:
    """Have a new key certified, showing the present certificate. Raises Denied, Transient."""
    return _ask(address, certificates.client_context(RENEW, authority, identity), asked, connect)


def _ask(address: str, context: ssl.SSLContext, asked: Asked, connect: Connect) -> Granted:
    with _reached(address):
        transport = TlsTransport(connect(address, _PATIENCE), context, is_server=False)
        transport.handshake(_PATIENCE)
        try:
            transport.send(msgspec.msgpack.encode(asked))
            answer = _answers.decode(transport.receive())
        finally:
            _end(transport)
    if isinstance(answer, NotGranted):
        raise Denied(answer.reason)
    return answer


def _end(transport: TlsTransport) -> None:
    transport.close()
    try:
        transport.receive()
    except TransportClosed:
        return


@contextmanager
def _reached(address: str) -> Iterator[None]:
    """Whatever keeps a server from answering is one kind of failure: try again."""
    try:
        yield
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Transient(f"the server at {address} cannot be reached: {error}") from error
